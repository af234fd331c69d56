"""A model's life from what a user typed: training, reuse, queries, manufacture, water."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lowtide.accounting.overhead import check_pue
from lowtide.errors import InputError
from lowtide.estimation.lifecycle import EmbodiedCase, embodied_cases, reused_training_kwh, water_l
from lowtide.estimation.ranged import Ranged, parse_ranged
from lowtide.estimation.request import parse_count
from lowtide.estimation.serving import Serving, query_energy, serving
from lowtide.model.ledger import EmissionsSet
from lowtide.quantities import parse_energy_kwh
from lowtide.runtime.estimating import estimate_request
from lowtide.runtime.estimating_inputs import EstimateRequest

if TYPE_CHECKING:
    from lowtide.runtime.config import Config

__all__ = ["LifecycleRequest", "LifecycleResult", "lifecycle_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRequest:
    """A model's life as typed; energies are at the node."""

    training_energy: str
    fine_tuning_energy: str | None = None
    uses: str = "1"
    queries: str | None = None
    energy_per_query: str | None = None
    gpu_hours: str | None = None
    wue_on_site: str | None = None
    wue_off_site: str | None = None
    start: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleResult:
    """What a model takes over its life; energies at the node [kWh], grams of the facility where a PUE is known.

    Attributes
    ----------
    own_kwh : float
        This model's share of the training, with its fine-tuning.
    training_kwh, fine_tuning_kwh, n_uses : float
    pue : float or None
    serving : Serving or None
    life_kwh : float
        Own share and queries.
    emissions : EmissionsSet
        Of `life_kwh`.
    embodied : tuple of EmbodiedCase
    water_on_l, water_off_l : float or None
    """

    own_kwh: float
    training_kwh: float
    fine_tuning_kwh: float
    n_uses: float
    pue: float | None
    serving: Serving | None
    life_kwh: float
    emissions: EmissionsSet
    embodied: tuple[EmbodiedCase, ...]
    water_on_l: float | None
    water_off_l: float | None


def lifecycle_request(request: LifecycleRequest, config: Config) -> LifecycleResult:
    """Return a model's life.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.
    """
    training = parse_energy_kwh(request.training_energy)
    tuning = 0.0 if request.fine_tuning_energy is None else parse_energy_kwh(request.fine_tuning_energy)
    uses = parse_count(request.uses, name="--uses")
    own = reused_training_kwh(training, uses, fine_tuning_kwh=tuning)
    if own <= 0.0:
        raise InputError("training and fine-tuning took no energy; give --training-energy like 51686kWh")
    served = None
    if request.energy_per_query is not None:
        n = None if request.queries is None else parse_count(request.queries, name="--queries")
        served = serving(Ranged.exact(own), query_energy(request.energy_per_query), n_queries=n)
    elif request.queries is not None:
        raise InputError(
            "--queries needs --energy-per-query: an energy like 0.05Wh, or a task like text-generation"
        )
    life = own + (served.queries_kwh.value if served is not None and served.queries_kwh is not None else 0.0)
    result = estimate_request(EstimateRequest(node_energy=f"{life!r}kWh", start=request.start), config)
    pue = None if result.training.pue is None else result.training.pue.amount.value
    served = _priced(served, own, result.emissions, pue)
    hours = None if request.gpu_hours is None else parse_count(request.gpu_hours, name="--gpu-hours")
    on_l, off_l = _water(request, life, pue)
    return LifecycleResult(
        own_kwh=own,
        training_kwh=training,
        fine_tuning_kwh=tuning,
        n_uses=uses,
        pue=pue,
        serving=served,
        life_kwh=life,
        emissions=result.emissions,
        embodied=() if hours is None else tuple(embodied_cases(hours)),
        water_on_l=on_l,
        water_off_l=off_l,
    )


def _priced(
    served: Serving | None, own_kwh: float, emissions: EmissionsSet, pue: float | None
) -> Serving | None:
    """Return the queries with their grams, PUE included where it is known."""
    bill = emissions.location or emissions.marginal
    if served is None or bill is None or bill.intensity.mean_g_per_kwh is None:
        return served
    return serving(
        Ranged.exact(own_kwh),
        (served.query_kwh, served.query_source),
        n_queries=served.n_queries,
        intensity_g_per_kwh=bill.intensity.mean_g_per_kwh * (pue or 1.0),
    )


def _water(
    request: LifecycleRequest, node_kwh: float, pue: float | None
) -> tuple[float | None, float | None]:
    if request.wue_on_site is None and request.wue_off_site is None:
        return None, None
    if pue is None:
        raise InputError("water is of the facility: give --pue with --wue-on-site and --wue-off-site")

    def read(text: str | None, name: str) -> float:
        return 0.0 if text is None else parse_ranged(text, name=name).value

    on_l, off_l = water_l(
        node_kwh,
        pue=check_pue(pue),
        wue_on_site_l_per_kwh=read(request.wue_on_site, "--wue-on-site"),
        wue_off_site_l_per_kwh=read(request.wue_off_site, "--wue-off-site"),
    )
    return (
        None if request.wue_on_site is None else on_l,
        None if request.wue_off_site is None else off_l,
    )
