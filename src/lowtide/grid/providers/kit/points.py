"""From stamped values to an answer: windows cut into pieces, order, duplicates, holes, plausible values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lowtide.doors import Answer, Query
from lowtide.errors import NotCoveredError, ReplyError
from lowtide.model.signal import STATUSES, Signal, Status
from lowtide.quantities import format_instant
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, NS_PER_S

__all__ = [
    "DAY_NS",
    "MINUTE_NS",
    "PLAUSIBLE_G_PER_KWH",
    "SETTLED_NS",
    "Points",
    "answer",
    "check_window",
    "forecasts",
    "is_volatile",
    "iso",
    "nothing",
    "past_window",
    "pieces",
    "whole_steps",
]

MINUTE_NS: Final = 60 * NS_PER_S
DAY_NS: Final = 24 * NS_PER_H
SETTLED_NS: Final = 14 * DAY_NS
"""Values older than this are no longer revised; younger ones are asked for again."""

PLAUSIBLE_G_PER_KWH: Final = {"average": (0.0, 3000.0), "marginal": (-3000.0, 6000.0)}
"""What an intensity can be. A marginal one is negative where more load brings more clean power."""


@dataclass(slots=True)
class Points:
    """Values with the start and length of their steps, in any order."""

    provider: str
    start_ns: list[int] = field(default_factory=list)
    step_ns: list[int] = field(default_factory=list)
    g_per_kwh: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    updated_ns: list[int] = field(default_factory=list)

    def add(
        self, start_ns: int, step_ns: int, g_per_kwh: float, *, status: Status, updated_ns: int = 0
    ) -> None:
        """Add one value; NaN is unknown, and an update of 0 means the source does not say."""
        self.start_ns.append(start_ns)
        self.step_ns.append(step_ns)
        self.g_per_kwh.append(g_per_kwh)
        self.status.append(STATUSES.index(status))
        self.updated_ns.append(updated_ns)

    def keep(self, start_ns: int, end_ns: int) -> None:
        """Drop what does not overlap ``[start_ns, end_ns)``: sources add steps before and after."""
        rows = [
            i
            for i, t in enumerate(self.start_ns)
            if t < end_ns and (t + self.step_ns[i] > start_ns or t == start_ns)
        ]
        self._select(rows)

    def extend(self, other: Points) -> None:
        """Add all of another piece."""
        for name in ("start_ns", "step_ns", "g_per_kwh", "status", "updated_ns"):
            getattr(self, name).extend(getattr(other, name))

    def last_known(self) -> None:
        """Keep the newest value alone."""
        known = [i for i, g in enumerate(self.g_per_kwh) if g == g]  # NaN differs from itself
        self._select([max(known, key=lambda i: self.start_ns[i])] if known else [])

    def _select(self, rows: list[int]) -> None:
        for name in ("start_ns", "step_ns", "g_per_kwh", "status", "updated_ns"):
            values = getattr(self, name)
            setattr(self, name, [values[i] for i in rows])


def past_window(query: Query, provider: str, step_ns: int) -> tuple[int, int]:
    """Return the part of a window that has begun, in whole steps.

    Raises
    ------
    NotCoveredError
        If all of it lies in the future, or it is empty.
    """
    check_window(query, provider)
    if query.start_ns >= query.now_ns:
        raise NotCoveredError(
            f"{format_instant(query.start_ns)} is in the future; ask for a forecast", provider=provider
        )
    return whole_steps(query.start_ns, min(query.end_ns, query.now_ns), step_ns)


def check_window(query: Query, provider: str) -> None:
    """Refuse a window without length."""
    if query.end_ns <= query.start_ns:
        raise NotCoveredError(
            f"the window from {format_instant(query.start_ns)} is empty; it ends at "
            f"{format_instant(query.end_ns)}",
            provider=provider,
        )


def whole_steps(start_ns: int, end_ns: int, step_ns: int) -> tuple[int, int]:
    """Return a window widened to whole steps."""
    return start_ns // step_ns * step_ns, -(-end_ns // step_ns) * step_ns


def pieces(start_ns: int, end_ns: int, longest_ns: int) -> Iterator[tuple[int, int]]:
    """Yield a window in pieces.

    >>> list(pieces(0, 10, 4))
    [(0, 4), (4, 8), (8, 10)]
    """
    for t in range(start_ns, end_ns, longest_ns):
        yield t, min(t + longest_ns, end_ns)


def iso(t_ns: int, *, minutes: bool = False) -> str:
    """Return an instant as services read it.

    >>> iso(0), iso(0, minutes=True)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00Z')
    """
    return f"{format_instant(t_ns)[: 16 if minutes else 19]}Z"


def is_volatile(query: Query, end_ns: int) -> bool:
    """Return whether values up to an instant may still be revised."""
    return query.now_ns - end_ns < SETTLED_NS


def answer(
    points: Points, signal: Signal, query: Query, *, issued_ns: int | None = None, notes: tuple[str, ...] = ()
) -> Answer:
    """Return the answer made of some values.

    Raises
    ------
    NotCoveredError
        If nothing is known.
    ReplyError
        If two values disagree, steps overlap, or a value is not plausible.
    """
    if query.what == "latest":
        points.last_known()
    elif query.what != "past-forecasts":
        points.keep(query.start_ns, query.end_ns)
    if all(g != g for g in points.g_per_kwh):
        raise NotCoveredError(nothing(query), provider=points.provider)
    series, updated = _series(points, signal)
    return Answer(intensity=series, updated_ns=updated, issued_ns=issued_ns, notes=notes)


def forecasts(
    made: dict[int, Points], signal: Signal, query: Query, *, provider: str, notes: tuple[str, ...]
) -> Answer:
    """Return the answer made of forecasts by the instant of their issue.

    Raises
    ------
    NotCoveredError, ReplyError
    """
    past = [(t, _series(p, signal)[0]) for t, p in sorted(made.items()) if any(g == g for g in p.g_per_kwh)]
    if not past:
        raise NotCoveredError(nothing(query), provider=provider)
    issued_ns, newest = past[-1]
    return Answer(intensity=newest, issued_ns=issued_ns, past=tuple(past), notes=notes)


def nothing(query: Query) -> str:
    """Return the message for a source that has no value."""
    if query.what == "latest":
        return f"has no value of {query.zone} now"
    of = "forecast" if "forecast" in query.what else "value"
    return (
        f"has no {of} of {query.zone} from {format_instant(query.start_ns)} to {format_instant(query.end_ns)}"
    )


def _series(points: Points, signal: Signal) -> tuple[IntensitySeries, np.ndarray | None]:
    start, step, g, status, updated = _in_order(points)
    _check_plausible(points.provider, start, g, signal)
    ends = start + step
    if (ends[:-1] > start[1:]).any():
        i = int(np.flatnonzero(ends[:-1] > start[1:])[0])
        raise ReplyError(
            f"the steps from {format_instant(int(start[i]))} and {format_instant(int(start[i + 1]))} overlap; "
            "nothing of the reply was used",
            provider=points.provider,
        )
    holes = np.flatnonzero(ends[:-1] < start[1:]) + 1
    edges = np.append(np.insert(start, holes, ends[holes - 1]), ends[-1])
    series = IntensitySeries(
        edges_ns=edges,
        intensity_g_per_kwh=np.insert(g, holes, np.nan),
        status=np.insert(status, holes, 0).astype(np.uint8),
        signal=signal,
    )
    return series, np.insert(updated, holes, 0) if updated.any() else None


def _in_order(points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns by instant, values that stand twice and agree once."""
    columns = (
        np.array(points.start_ns, np.int64),
        np.array(points.step_ns, np.int64),
        np.array(points.g_per_kwh, np.float64),
        np.array(points.status, np.int64),
        np.array(points.updated_ns, np.int64),
    )
    # A known value comes before an unknown one of its instant, the newest update before older ones.
    order = np.lexsort((-columns[4], np.isnan(columns[2]), columns[0]))
    start, step, g, status, updated = (column[order] for column in columns)
    twin = np.concatenate(([False], start[1:] == start[:-1]))
    clash = np.flatnonzero(twin[1:] & ((g[1:] != g[:-1]) & ~np.isnan(g[1:]) | (step[1:] != step[:-1])))
    if len(clash):
        i = int(clash[0])
        raise ReplyError(
            f"two values of {format_instant(int(start[i]))} disagree: {g[i]:g} and {g[i + 1]:g} g/kWh; "
            "nothing of the reply was used",
            provider=points.provider,
        )
    kept = ~twin
    return start[kept], step[kept], g[kept], status[kept], updated[kept]


def _check_plausible(provider: str, start: np.ndarray, g: np.ndarray, signal: Signal) -> None:
    low, high = PLAUSIBLE_G_PER_KWH[signal.basis]
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero((g < low) | (g > high))
    if len(wrong):
        i = int(wrong[0])
        raise ReplyError(
            f"{g[i]:g} g/kWh at {format_instant(int(start[i]))} is no plausible {signal.basis} intensity "
            f"({low:g} to {high:g}); nothing of the reply was used",
            provider=provider,
        )
