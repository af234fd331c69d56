"""A model's life, as JSON and in a terminal."""

from __future__ import annotations

from typing import Any, Protocol

from lowtide.estimation.lifecycle import EmbodiedCase
from lowtide.estimation.serving import Serving
from lowtide.model.ledger import EmissionsSet
from lowtide.reporting.estimates import emissions_lines, serving_lines, serving_plain
from lowtide.reporting.estimates_plain import plain_of
from lowtide.reporting.figures import energy, grams, plain_number

__all__ = ["lifecycle_plain", "lifecycle_text"]


class Lived(Protocol):
    """A model's life."""

    @property
    def own_kwh(self) -> float: ...
    @property
    def training_kwh(self) -> float: ...
    @property
    def fine_tuning_kwh(self) -> float: ...
    @property
    def n_uses(self) -> float: ...
    @property
    def pue(self) -> float | None: ...
    @property
    def serving(self) -> Serving | None: ...
    @property
    def life_kwh(self) -> float: ...
    @property
    def emissions(self) -> EmissionsSet: ...
    @property
    def embodied(self) -> tuple[EmbodiedCase, ...]: ...
    @property
    def water_on_l(self) -> float | None: ...
    @property
    def water_off_l(self) -> float | None: ...


def lifecycle_plain(result: Lived) -> dict[str, Any]:
    """Return the JSON of ``lowtide lifecycle``."""
    return {
        "node_kwh": result.life_kwh,
        "facility_kwh": None if result.pue is None else result.life_kwh * result.pue,
        "pue": result.pue,
        "training_kwh": result.training_kwh,
        "fine_tuning_kwh": result.fine_tuning_kwh,
        "n_uses": result.n_uses,
        "own_training_kwh": result.own_kwh,
        "serving": serving_plain(result.serving),
        "emissions": plain_of(result.emissions),
        "embodied_cases": [plain_of(case) for case in result.embodied],
        "water_on_site_l": result.water_on_l,
        "water_off_site_l": result.water_off_l,
    }


def lifecycle_text(result: Lived) -> str:
    """Return a model's life in a terminal."""
    lines = [f"{'training':<16}{energy(result.training_kwh)}, used by {result.n_uses:g}"]
    if result.fine_tuning_kwh:
        lines.append(f"{'fine-tuning':<16}{energy(result.fine_tuning_kwh)}")
    lines.append(f"{'this model':<16}{energy(result.own_kwh)} of training at the node")
    lines += serving_lines(result.serving)
    if result.life_kwh != result.own_kwh:
        lines.append(f"{'life':<16}{energy(result.life_kwh)} at the node, training share and queries")
    lines += emissions_lines(result.emissions)
    for where, litres in (("on site", result.water_on_l), ("off site", result.water_off_l)):
        if litres is not None:
            lines.append(f"{'water ' + where:<16}{plain_number(litres)} L")
    for case in result.embodied:
        lines.append(
            f"{'embodied':<16}{grams(case.total_g)} ({case.g_per_gpu_hour:.3g} g a GPU-hour): {case.who}: "
            f"{case.kg_per_gpu:g} kg / ({case.lifetime_years:g} x 8760 h x {case.utilization:g})"
        )
    return "\n".join(lines)
