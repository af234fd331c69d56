"""Published cases replayed: our figure from the printed inputs, the printed figure, the difference and why."""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.accounting.embodied import embodied_share
from lowtide.data.cases import Case
from lowtide.data.constants import constant
from lowtide.estimation.footprint import facility_energy_kwh, grams_of, node_energy_kwh

__all__ = ["Replay", "replay"]

_BLOOM_YEARS = 6.0
_BLOOM_UTILIZATION = 0.85
_GPUS_A_SERVER = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A case as lowtide computes it; None cannot be computed from what was printed.

    Attributes
    ----------
    case : Case
    energy_kwh : float or None
        At the case's own boundary, before PUE.
    facility_kwh : float or None
        After PUE; None where no PUE is in the figure.
    gross_g, net_g : float or None
        [g].
    """

    case: Case
    energy_kwh: float | None
    facility_kwh: float | None
    gross_g: float | None
    net_g: float | None

    @property
    def compared_kwh(self) -> float | None:
        """Our energy at the boundary of the printed one."""
        return self.facility_kwh if self.case.published_of == "facility" else self.energy_kwh

    @property
    def energy_difference(self) -> float | None:
        """Ours over the printed energy, less 1."""
        return _difference(self.compared_kwh, self.case.published_kwh)

    @property
    def gross_difference(self) -> float | None:
        """Ours over the printed emissions, less 1."""
        return _difference(self.gross_g, _grams(self.case.published_kg))

    @property
    def net_difference(self) -> float | None:
        """Ours over the printed net emissions, less 1."""
        return _difference(self.net_g, _grams(self.case.published_net_kg))

    @property
    def agrees(self) -> bool:
        """Whether every printed figure is met within the tolerance, or lies below where ours is a bound."""
        found = (self.energy_difference, self.gross_difference, self.net_difference)
        if self.case.tolerance is None:
            return all(difference is None or difference >= 0.0 for difference in found)
        tolerance = self.case.tolerance + _last_digit(self.case)
        return all(difference is None or abs(difference) <= tolerance for difference in found)


def _last_digit(case: Case) -> float:
    """Return half a unit of the last printed digit as a fraction, for net tonnes printed to 0.1."""
    small = case.published_net_kg
    return 0.0 if small is None else 50.0 / small


def _difference(ours: float | None, printed: float | None) -> float | None:
    return None if ours is None or not printed else ours / printed - 1.0


def _grams(kg: float | None) -> float | None:
    return None if kg is None else kg * 1000.0


def replay(case: Case) -> Replay:
    """Return a case computed from its printed inputs alone.

    Examples
    --------
    >>> from lowtide.data.cases import find_cases
    >>> gpt3 = replay(find_cases("gpt-3")[0])
    >>> round(gpt3.facility_kwh / 1000), round(gpt3.gross_g / 1e6, 1), gpt3.agrees
    (1289, 553.1, True)
    """
    if case.method == "embodied":
        return Replay(case=case, energy_kwh=None, facility_kwh=None, gross_g=_embodied_g(case), net_g=None)
    energy_kwh = _energy_kwh(case)
    facility_kwh = None if case.pue is None else facility_energy_kwh(energy_kwh, case.pue)
    billed_kwh = energy_kwh if facility_kwh is None else facility_kwh
    return Replay(
        case=case,
        energy_kwh=energy_kwh,
        facility_kwh=facility_kwh,
        gross_g=_emissions(billed_kwh, case.intensity_g_per_kwh),
        net_g=_emissions(billed_kwh, case.net_g_per_kwh),
    )


def _energy_kwh(case: Case) -> float:
    if case.method == "given":
        assert case.given_kwh is not None
        return case.given_kwh
    assert case.hours is not None
    assert case.n is not None
    assert case.power_w is not None
    return node_energy_kwh(case.hours, case.n, case.power_w)


def _emissions(kwh: float, g_per_kwh: float | None) -> float | None:
    return None if g_per_kwh is None else grams_of(kwh, g_per_kwh)


def _embodied_g(case: Case) -> float:
    """Return the manufacture of boards and their share of servers, over the case's GPU-hours [g]."""
    assert case.hours is not None
    gpu_kg, server_kg = constant("embodied_gpu_kg").value, constant("embodied_server_kg").value
    each_kg = gpu_kg + server_kg / _GPUS_A_SERVER
    share = embodied_share(
        each_kg, duration_h=case.hours, lifetime_years=_BLOOM_YEARS, utilization=_BLOOM_UTILIZATION
    )
    return share.g
