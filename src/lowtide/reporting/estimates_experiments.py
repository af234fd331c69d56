"""The experiments behind a model, as JSON and in a terminal."""

from __future__ import annotations

from typing import Any, Protocol

from lowtide.estimation.experiments import Experiments
from lowtide.model.ledger import EmissionsSet
from lowtide.reporting.estimates import emissions_lines
from lowtide.reporting.estimates_plain import plain_of
from lowtide.reporting.figures import energy, percent, plain_number

__all__ = ["experiments_plain", "experiments_text"]


class Summed(Protocol):
    """Runs behind a model with their carbon."""

    @property
    def experiments(self) -> Experiments: ...
    @property
    def pue(self) -> float | None: ...
    @property
    def emissions(self) -> EmissionsSet: ...


def experiments_plain(result: Summed) -> dict[str, Any]:
    """Return the JSON of ``lowtide estimate --experiments``."""
    found = result.experiments
    return {
        "node_kwh": found.own_kwh,
        "facility_kwh": None if result.pue is None else found.own_kwh * result.pue,
        "pue": result.pue,
        "total_kwh": found.total_kwh,
        "final_kwh": found.final_kwh,
        "left_out_kwh": found.left_out_kwh,
        "own_over_final": found.own_over_final,
        "by_phase": {f"{name}_kwh": kwh for name, kwh in found.by_phase.items()},
        "by_kind": {f"{name}_kwh": kwh for name, kwh in found.by_kind.items()},
        "emissions": plain_of(result.emissions),
        "runs": [
            {**plain_of(trial), "total_kwh": trial.total_kwh, "own_kwh": trial.own_kwh} for trial in found.trials
        ],
        "assumptions": [
            {"name": "shared work", "value": None, "unit": "kWh", "kind": "given",
             "rests_on": "divided by shared_by: a search is done once for a domain (Patterson et al. 2021)"},
        ],
    }  # fmt: skip


def experiments_text(result: Summed) -> str:
    """Return the runs behind a model: by phase, by kind, and what the final number leaves out."""
    found = result.experiments
    lines = [f"{'energy':<16}{energy(found.own_kwh)} at the node in all"]
    if found.total_kwh != found.own_kwh:
        lines.append(f"{'':<16}{energy(found.total_kwh)} with all of the work that other models share")
    for title, parts in (("phase", found.by_phase), ("kind", found.by_kind)):
        for name, kwh in parts.items():
            if kwh:
                lines.append(f"{title:<16}{name:<12} {energy(kwh):>10}  {percent(kwh / found.own_kwh)}")
    ratio = found.own_over_final
    if ratio is None:
        lines.append(f"{'final':<16}no run is of the kind final, so nothing can be compared with it")
    else:
        lines.append(
            f"{'final':<16}{energy(found.final_kwh)} made the model; its number leaves out "
            f"{energy(found.left_out_kwh)}: {plain_number(ratio)} times as much was spent"
        )
    return "\n".join([*lines, *emissions_lines(result.emissions)])
