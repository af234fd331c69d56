"""The series nouns: a step function that knows what its values are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from lowtide.errors import BoundaryError, SeriesError
from lowtide.model.energy import BOUNDARIES, Boundary
from lowtide.model.signal import STATUSES, Signal, Status
from lowtide.series import steps
from lowtide.series.steps import FloatArray, IntArray
from lowtide.units import NS_PER_S

__all__ = ["IntensitySeries", "PowerSeries", "PriceSeries", "total_power"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Steps:
    """Edges [ns since 1970 UTC], int64, shape (n + 1,), strictly increasing."""

    edges_ns: IntArray

    @property
    def start_ns(self) -> int:
        """First edge [ns]."""
        return int(self.edges_ns[0])

    @property
    def end_ns(self) -> int:
        """Last edge [ns]; half-open, so not part of the series."""
        return int(self.edges_ns[-1])

    @property
    def duration_s(self) -> float:
        """Length [s], known or not."""
        return (self.end_ns - self.start_ns) / NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PowerSeries(_Steps):
    """Power as a step function.

    Attributes
    ----------
    edges_ns : int64 array, shape (n + 1,)
    power_w : float64 array, shape (n,)
        Mean power over each step [W]; NaN is unknown.
    boundary : {"chip", "gpu", "components", "node", "facility"}
        What the watts contain. PUE turns node into facility, once.
    """

    power_w: FloatArray
    boundary: Boundary

    def __post_init__(self) -> None:
        edges, values = steps.check_steps(self.edges_ns, self.power_w)
        if self.boundary not in BOUNDARIES:
            raise BoundaryError(f"unknown boundary {self.boundary!r}; use one of {', '.join(BOUNDARIES)}")
        object.__setattr__(self, "edges_ns", edges)
        object.__setattr__(self, "power_w", values)

    @classmethod
    def constant(cls, power_w: float, *, start_ns: int, end_ns: int, boundary: Boundary = "node") -> Self:
        """Return one step of constant power [W]."""
        edges = np.array([start_ns, end_ns], dtype=np.int64)
        return cls(edges_ns=edges, power_w=np.array([float(power_w)]), boundary=boundary)

    def energy_j(self) -> float:
        """Return the energy of the known part [J]."""
        return float(steps.integrate(self.edges_ns, self.power_w, self.edges_ns[[0, -1]])[0])

    def energy_kwh(self) -> float:
        """Return the energy of the known part [kWh]."""
        from lowtide.units import kwh_from_j

        return kwh_from_j(self.energy_j())

    def covered_fraction(self) -> float:
        """Return the known share of the time."""
        known_s = float(steps.covered_s(self.edges_ns, self.power_w, self.edges_ns[[0, -1]])[0])
        return known_s / self.duration_s

    def clip(self, *, start_ns: int, end_ns: int) -> Self:
        """Return the part inside ``[start_ns, end_ns)``."""
        edges, values = steps.clip(self.edges_ns, self.power_w, start_ns, end_ns)
        return replace(self, edges_ns=edges, power_w=values)

    def scaled(self, factor: float, *, boundary: Boundary | None = None) -> Self:
        """Return the series with all watts times `factor`, at `boundary` when given."""
        return replace(self, power_w=self.power_w * factor, boundary=boundary or self.boundary)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntensitySeries(_Steps):
    """Carbon intensity as a step function that says what it is.

    Attributes
    ----------
    edges_ns : int64 array, shape (n + 1,)
    intensity_g_per_kwh : float64 array, shape (n,)
        Mean over each step [g CO2e/kWh]; NaN is unknown, negative marginal values are data.
    status : uint8 array, shape (n,)
        Index into :data:`~lowtide.model.signal.STATUSES` for each step.
    signal : Signal
        Basis, factors, flow, source, zone, vintage, range.
    """

    intensity_g_per_kwh: FloatArray
    status: npt.NDArray[np.uint8]
    signal: Signal

    def __post_init__(self) -> None:
        edges, values = steps.check_steps(self.edges_ns, self.intensity_g_per_kwh)
        status = np.asarray(self.status, dtype=np.uint8)
        if status.shape != values.shape or (len(status) and int(status.max()) >= len(STATUSES)):
            raise SeriesError(f"status needs one code below {len(STATUSES)} for each of {len(values)} steps")
        object.__setattr__(self, "edges_ns", edges)
        object.__setattr__(self, "intensity_g_per_kwh", values)
        object.__setattr__(self, "status", status)

    @classmethod
    def of(
        cls, edges_ns: Any, intensity_g_per_kwh: Any, *, signal: Signal, status: Status = "measured"
    ) -> Self:
        """Return a series whose steps all have one status."""
        values = np.asarray(intensity_g_per_kwh, dtype=np.float64)
        codes = np.full(values.shape, STATUSES.index(status), dtype=np.uint8)
        return cls(edges_ns=np.asarray(edges_ns), intensity_g_per_kwh=values, status=codes, signal=signal)

    def clip(self, *, start_ns: int, end_ns: int) -> Self:
        """Return the part inside ``[start_ns, end_ns)``."""
        edges, values = steps.clip(self.edges_ns, self.intensity_g_per_kwh, start_ns, end_ns)
        first = int(np.searchsorted(self.edges_ns, edges[0], side="right")) - 1
        status = self.status[first : first + len(values)]
        return replace(self, edges_ns=edges, intensity_g_per_kwh=values, status=status)

    def mean_g_per_kwh(self) -> float:
        """Return the mean over the known time [g/kWh]; NaN when nothing is known."""
        return steps.mean(self.edges_ns, self.intensity_g_per_kwh)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceSeries(_Steps):
    """Electricity price as a step function.

    Attributes
    ----------
    edges_ns : int64 array, shape (n + 1,)
    price_usd_per_kwh : float64 array, shape (n,)
        Mean over each step [USD/kWh]; NaN is unknown, negative prices are data.
    source : str
    """

    price_usd_per_kwh: FloatArray
    source: str

    def __post_init__(self) -> None:
        edges, values = steps.check_steps(self.edges_ns, self.price_usd_per_kwh)
        object.__setattr__(self, "edges_ns", edges)
        object.__setattr__(self, "price_usd_per_kwh", values)


def total_power(
    parts: Sequence[PowerSeries], *, boundary: Boundary, where_known: Literal["all", "any"] = "all"
) -> PowerSeries:
    """Return the sum of several series on the union of their edges.

    Parameters
    ----------
    parts : sequence of PowerSeries
        At least one.
    boundary : Boundary
        What the sum contains.
    where_known : {"all", "any"}
        The sum is known where all parts are, or where any is: then an unknown part counts nothing
        there, and whoever asks for it tells of the gap.

    Raises
    ------
    SeriesError
        Without parts.
    """
    if not parts:
        raise SeriesError("no power series to add; at least one is needed")
    edges = parts[0].edges_ns
    if any(not np.array_equal(edges, part.edges_ns) for part in parts[1:]):
        edges = np.unique(np.concatenate([part.edges_ns for part in parts]))
    total, n_known = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1, dtype=np.int64)
    for part in parts:
        same = np.array_equal(edges, part.edges_ns)
        values = part.power_w if same else steps.at(part.edges_ns, part.power_w, edges[:-1])
        known = ~np.isnan(values)
        total[known] += values[known]
        n_known += known
    enough = n_known == len(parts) if where_known == "all" else n_known > 0
    return PowerSeries(edges_ns=edges, power_w=np.where(enough, total, np.nan), boundary=boundary)
