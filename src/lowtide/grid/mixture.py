"""A window filled from several series, one after another, that says what each of its steps comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import exp, log
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from lowtide.model.signal import Signal, Spread
from lowtide.series import steps
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H

if TYPE_CHECKING:
    from lowtide.arrays import FloatArray, IntArray

__all__ = ["Kind", "Mixture", "Part", "mixed_signal", "part_words"]

Kind = Literal["provider", "other provider", "last cached", "days before", "typical"]


@dataclass(slots=True, kw_only=True, eq=False)
class Part:
    """One of the series a window is filled from.

    Attributes
    ----------
    kind : Kind
        Which step of the chain it is.
    name : str
        Of the provider.
    signal : Signal
    spread : Spread or None
        The range of a window's mean; None when its source states none.
    factor : float
        Power to which the range is raised: the root of the number of days it is old.
    """

    kind: Kind
    name: str
    signal: Signal
    spread: Spread | None
    factor: float = 1.0


@dataclass(slots=True, kw_only=True, eq=False)
class Mixture:
    """A window that is filled from several series, one after another."""

    edges: IntArray
    g: FloatArray = field(default_factory=lambda: np.full(1, np.nan))
    status: IntArray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    source: IntArray = field(default_factory=lambda: np.full(1, -1, dtype=np.int64))
    parts: list[Part] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether nothing is left unknown."""
        return not np.isnan(self.g).any()

    def fill(self, series: IntensitySeries, part: Part) -> None:
        """Take the values of a series where nothing is known yet."""
        inside = (series.edges_ns > self.edges[0]) & (series.edges_ns < self.edges[-1])
        edges = np.union1d(self.edges, series.edges_ns[inside])
        old = np.searchsorted(self.edges, edges[:-1], side="right") - 1
        values = steps.at(series.edges_ns, series.intensity_g_per_kwh, edges[:-1])
        take = np.isnan(self.g[old]) & ~np.isnan(values)
        if not take.any():
            return
        before = self.edges
        status = steps.at(series.edges_ns, series.status.astype(np.float64), edges[:-1])
        self.g = np.where(take, values, self.g[old])
        self.status = np.where(take, np.nan_to_num(status), self.status[old]).astype(np.int64)
        self.source = np.where(take, len(self.parts), self.source[old])
        self.edges = edges
        self._drop_edges(keep=np.isin(edges, before), take=take)
        self.parts.append(part)

    def _drop_edges(self, *, keep: npt.NDArray[np.bool_], take: npt.NDArray[np.bool_]) -> None:
        """Leave out the edges of a series between which nothing of it was taken."""
        keep[:-1] |= take
        keep[1:] |= take
        inside = keep[:-1]
        self.g, self.status, self.source = self.g[inside], self.status[inside], self.source[inside]
        self.edges = self.edges[keep]

    def hours(self, i: int) -> float:
        """Return for how long part `i` is used [h]."""
        return float(np.diff(self.edges)[self.source == i].sum()) / NS_PER_H

    def share(self, i: int) -> float:
        """Return part `i`'s share of the known integral."""
        area = np.abs(np.nan_to_num(self.g)) * np.diff(self.edges)
        total = float(area.sum())
        return float(area[self.source == i].sum()) / total if total else 0.0


def mixed_signal(mixture: Mixture, main: int, hours: Sequence[float], problems: Sequence[str]) -> Signal:
    """Return the signal of the main part, telling of the others and widened by their share."""
    base = mixture.parts[main].signal
    why = f" because {'; '.join(dict.fromkeys(problems))}" if problems else ""
    if len(mixture.parts) == 1:
        alone = mixture.parts[main]
        if alone.kind in ("provider", "typical") and not why:
            return base
        words = "" if alone.kind in ("provider", "typical") else f", {part_words(alone)}"
        return replace(base, source=f"{base.source}{words}{why}", spread=_spread(mixture, hours))
    # A provider's values and its own forecast are one source; what stood in is told apart.
    told: dict[str, float] = {}
    for i, part in enumerate(mixture.parts):
        if i != main and not (part.kind == "provider" and part.name == mixture.parts[main].name):
            told[part_words(part)] = told.get(part_words(part), 0.0) + hours[i]
    if not told:
        return replace(base, source=f"{base.source}{why}", spread=_spread(mixture, hours))
    total = sum(hours)
    others = ", ".join(f"{h:.3g} of {total:.3g} h {words}" for words, h in told.items())
    return replace(base, source=f"{base.source}; {others}{why}", spread=_spread(mixture, hours))


def part_words(part: Part) -> str:
    """Return what a stand-in is, for a report."""
    if part.kind == "days before":
        days = round(part.factor**2)
        return "values of the day before" if days == 1 else f"values of {days} days before"
    if part.kind == "typical":
        return f"typical ({part.signal.vintage})"
    if part.kind == "last cached":
        return f"last cached of {part.signal.source}"
    return part.signal.source


def _spread(mixture: Mixture, hours: Sequence[float]) -> Spread | None:
    """Return the range of the whole: each part's own, by its share of the grams, errors taken to go together."""
    low = high = 0.0
    said = []
    for i, part in enumerate(mixture.parts):
        if part.spread is None:
            continue
        part_low, part_high = part.spread.at_hours(max(hours[i], 1e-6))
        low += mixture.share(i) * (1.0 - exp(part.factor * log(max(part_low, 1e-3))))
        high += mixture.share(i) * (exp(part.factor * log(part_high)) - 1.0)
        said.append(f"{part.spread.note}, {hours[i]:.3g} h")
    if not said:
        return None
    return Spread(
        hours=(1.0,),
        low_fraction=(max(0.0, 1.0 - low),),
        high_fraction=(1.0 + high,),
        note="; ".join(dict.fromkeys(said)),
    )
