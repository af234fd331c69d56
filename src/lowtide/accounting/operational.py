"""Operational emissions: the integral of power times intensity.

``g = PUE * sum P[W] * I[g/kWh] * dt[s] / 3.6e6`` over step functions, exact for any steps of either. This is the
one function behind the ledger, the simulator and the planner's objective.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lowtide.errors import CoverageError
from lowtide.model.energy import Boundary
from lowtide.model.signal import STATUSES, Status
from lowtide.quantities import format_instant
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import J_PER_KWH, kwh_from_j

__all__ = ["Operational", "check_covers", "operational"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operational:
    """Energy and emissions of a power series under an intensity.

    Attributes
    ----------
    g : float
        Emissions of the covered energy [g CO2e]; NaN when none is covered.
    energy_kwh : float
        Energy of the known power.
    covered_kwh : float
        The part of it for which the intensity is known.
    of : Boundary
        The energy that was multiplied.
    kwh_by_status : tuple of (status, kWh)
        Shares of the covered energy by the intensity's status.
    """

    g: float
    energy_kwh: float
    covered_kwh: float
    of: Boundary
    kwh_by_status: tuple[tuple[Status, float], ...]

    @property
    def covered_fraction(self) -> float:
        """Covered share of the energy; 0 without energy."""
        return self.covered_kwh / self.energy_kwh if self.energy_kwh else 0.0

    @property
    def mean_g_per_kwh(self) -> float:
        """Intensity weighted by energy [g/kWh]; NaN when nothing is covered."""
        return self.g / self.covered_kwh if self.covered_kwh else float("nan")


def operational(power: PowerSeries, intensity: IntensitySeries) -> Operational:
    """Return the emissions of `power` at its own boundary.

    Power that is unknown adds nothing to either figure; power outside the intensity, or where that is
    unknown, is energy without emissions and lowers ``covered_fraction``. Cost: O(n + m log n) in the steps
    of both that overlap.

    Source: Dodge et al. 2022, eq. 1-3 (arXiv 2206.05229); units as in Haghshenas et al. 2022 read correctly.

    Examples
    --------
    >>> from lowtide.model.signal import Signal
    >>> hour = 3600 * 10**9
    >>> one_kw = PowerSeries.constant(1000.0, start_ns=0, end_ns=hour)
    >>> grid = IntensitySeries.of([0, hour], [400.0], signal=Signal(zone="X", source="example"))
    >>> operational(one_kw, grid).g
    400.0
    """
    start_ns, end_ns = max(power.start_ns, intensity.start_ns), min(power.end_ns, intensity.end_ns)
    if start_ns >= end_ns:
        return _uncovered(power)
    # Cut first, so that a bill made again from the kept part of the intensity is the same to the digit.
    within = intensity.clip(start_ns=start_ns, end_ns=end_ns)
    edges = np.unique(np.concatenate((within.edges_ns, power.edges_ns[[0, -1]])))
    all_j = steps.integrate(power.edges_ns, power.power_w, edges)
    first = int(edges[0] < start_ns)  # 1 when power begins before the intensity
    energy_j = all_j[first : first + len(within.status)]
    known = ~np.isnan(within.intensity_g_per_kwh)
    if not (energy_j[known].any() or _overlap(power, within, known)):
        return _uncovered(power)
    energy_j = energy_j[known]
    grams = energy_j * within.intensity_g_per_kwh[known] / J_PER_KWH
    by_status = np.bincount(within.status[known], weights=energy_j, minlength=len(STATUSES))
    return Operational(
        g=float(grams.sum()),
        energy_kwh=kwh_from_j(float(all_j.sum())),
        covered_kwh=kwh_from_j(float(energy_j.sum())),
        of=power.boundary,
        kwh_by_status=tuple((s, kwh_from_j(float(j))) for s, j in zip(STATUSES, by_status, strict=True)),
    )


def _overlap(power: PowerSeries, intensity: IntensitySeries, known: npt.NDArray[np.bool_]) -> bool:
    """Return whether power is known at some time at which the intensity is."""
    return bool((steps.covered_s(power.edges_ns, power.power_w, intensity.edges_ns)[known] > 0.0).any())


def _uncovered(power: PowerSeries) -> Operational:
    return Operational(
        g=float("nan"),
        energy_kwh=power.energy_kwh(),
        covered_kwh=0.0,
        of=power.boundary,
        kwh_by_status=tuple((status, 0.0) for status in STATUSES),
    )


def check_covers(power: PowerSeries, intensity: IntensitySeries) -> None:
    """Refuse an intensity that leaves part of the power without a value.

    Raises
    ------
    CoverageError
        Says what is missing and what would work.
    """
    zone = intensity.signal.zone or f"no named zone ({intensity.signal.source})"
    if intensity.start_ns > power.start_ns:
        late_s = (intensity.start_ns - power.start_ns) / 1e9
        raise CoverageError(
            f"intensity for {zone} begins {format_instant(intensity.start_ns)}, {late_s / 3600:.3g} h after the "
            "power does; fetch a longer window or pass --gaps partial (gaps='partial')"
        )
    if intensity.end_ns < power.end_ns:
        early_s = (power.end_ns - intensity.end_ns) / 1e9
        raise CoverageError(
            f"intensity for {zone} ends {format_instant(intensity.end_ns)}, {early_s / 3600:.3g} h before the "
            "power does; fetch a longer window or pass --gaps partial (gaps='partial')"
        )
    inside = intensity.clip(start_ns=power.start_ns, end_ns=power.end_ns)
    holes = np.flatnonzero(np.isnan(inside.intensity_g_per_kwh))
    if len(holes):
        at = format_instant(int(inside.edges_ns[holes[0]]))
        raise CoverageError(
            f"intensity for {zone} is unknown in {len(holes)} step{'s' * (len(holes) > 1)}, the first at {at}; "
            "pass --gaps partial (gaps='partial') for a partial bill, or --gaps typical"
        )
