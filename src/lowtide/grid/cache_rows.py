"""The cached steps of a series as arrays: merging what was just fetched into what is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lowtide.arrays import IntArray
from lowtide.model.signal import Basis, Factors, Flow, Signal, Spread
from lowtide.series.types import IntensitySeries

__all__ = [
    "BLOCK_NS",
    "ROW",
    "Kept",
    "Rows",
    "SeriesKey",
    "blocks_of",
    "kept_of",
    "key_of",
    "merged",
    "overlaid",
    "rows_of",
    "signal_from",
    "signal_text",
    "step_of",
]

ROW: Final = np.dtype(
    [("start", "<i8"), ("end", "<i8"), ("g", "<f8"), ("status", "u1"), ("updated", "<i8"), ("learnt", "<i8"),
     ("fetched", "<i8")]
)  # fmt: skip
"""A step: its window, value and status; when the source changed it, when we learnt it, when we last asked."""
BLOCK_NS: Final = 32 * 86_400 * 10**9
"""Rows are stored together by this much time: a year is read as a dozen of them, not as 8,760."""
Rows = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """What one cached series is keyed by.

    Attributes
    ----------
    provider, zone : str
    basis, factors, flow
        As in :class:`~lowtide.model.signal.Signal`.
    step_ns : int
        The most frequent step [ns].
    """

    provider: str
    zone: str
    basis: Basis
    factors: Factors
    flow: Flow
    step_ns: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """What the cache holds of one series in a window.

    Attributes
    ----------
    key : SeriesKey
    intensity : IntensitySeries
        Unknown steps NaN.
    updated_ns : int64 array, shape (n,)
        When the source last changed a value; -1 where it did not say, or there is none.
    fetched_ns : int64 array, shape (n,)
        When a value was last confirmed by asking; -1 where there is none.
    """

    key: SeriesKey
    intensity: IntensitySeries
    updated_ns: IntArray
    fetched_ns: IntArray


def step_of(edges_ns: IntArray) -> int:
    """Return the most frequent step [ns], the shorter of equals.

    >>> step_of(np.array([0, 5, 10, 20]))
    5
    """
    widths, counts = np.unique(np.diff(edges_ns), return_counts=True)
    return int(widths[int(np.argmax(counts))])


def key_of(provider: str, intensity: IntensitySeries) -> SeriesKey:
    """Return the key under which a provider's series is kept."""
    signal = intensity.signal
    return SeriesKey(
        provider=provider,
        zone=signal.zone or "",
        basis=signal.basis,
        factors=signal.factors,
        flow=signal.flow,
        step_ns=step_of(intensity.edges_ns),
    )


def rows_of(intensity: IntensitySeries, updated_ns: IntArray | None, fetched_ns: int) -> Rows:
    """Return the known steps of a series as rows."""
    known = ~np.isnan(intensity.intensity_g_per_kwh)
    rows = np.empty(int(known.sum()), dtype=ROW)
    rows["start"], rows["end"] = intensity.edges_ns[:-1][known], intensity.edges_ns[1:][known]
    rows["g"], rows["status"] = intensity.intensity_g_per_kwh[known], intensity.status[known]
    rows["updated"] = -1 if updated_ns is None else np.where(updated_ns > 0, updated_ns, -1)[known]
    rows["learnt"] = rows["fetched"] = fetched_ns
    return rows


def blocks_of(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Yield the rows of each block with its number."""
    numbers = rows["start"] // BLOCK_NS
    for number in np.unique(numbers).tolist():
        yield number, rows[numbers == number]


def merged(known: Rows, new: Rows) -> tuple[Rows, Rows]:
    """Return the rows that hold now, in order of time, and those of `known` that were replaced.

    A value that has not changed keeps the time at which it was learnt; one that the source dates earlier
    than what is known is no news.
    """
    known = known.copy()
    at = np.searchsorted(known["start"], new["start"])
    inside = at < len(known)
    match = np.zeros(len(new), dtype=bool)
    match[inside] = known["start"][at[inside]] == new["start"][inside]
    old, here = known[at[match]], new[match]
    same = (old["g"] == here["g"]) & (old["status"] == here["status"]) & (old["end"] == here["end"])
    news = ~same & ((here["updated"] < 0) | (here["updated"] >= old["updated"]))
    confirmed = at[match][same]
    known["fetched"][confirmed] = here["fetched"][same]
    known["updated"][confirmed] = np.maximum(old["updated"], here["updated"])[same]
    known[at[match][news]] = here[news]
    both = np.concatenate((known, new[~match]))
    return both[np.argsort(both["start"], kind="stable")], old[news]


def kept_of(key: SeriesKey, signal: Signal, rows: Rows) -> Kept:
    """Return a series of rows in order of time; what lies between two rows is unknown."""
    start = rows["start"].astype(np.int64)
    end = np.minimum(
        rows["end"], np.append(start[1:], rows["end"][-1])
    )  # steps of another length never overlap
    edges: IntArray = np.append(start, end[-1])
    g, status = rows["g"].astype(np.float64), rows["status"].astype(np.uint8)
    updated, fetched = rows["updated"].astype(np.int64), rows["fetched"].astype(np.int64)
    holes = np.flatnonzero(end[:-1] < start[1:])
    if len(holes):
        edges = np.insert(edges, holes + 1, end[holes])
        g = np.insert(g, holes + 1, np.nan)
        status = np.insert(status, holes + 1, 0)
        updated, fetched = (np.insert(times, holes + 1, -1) for times in (updated, fetched))
    series = IntensitySeries(edges_ns=edges, intensity_g_per_kwh=g, status=status, signal=signal)
    return Kept(key=key, intensity=series, updated_ns=updated, fetched_ns=fetched)


def overlaid(main: Kept, other: Kept) -> Kept:
    """Return `main` with its unknown time filled from a series of the same source in other steps."""
    edges = np.union1d(main.intensity.edges_ns, other.intensity.edges_ns)
    here, there = _at(main, edges[:-1]), _at(other, edges[:-1])
    take = np.isnan(here["g"]) & ~np.isnan(there["g"])
    keep = np.isin(edges, main.intensity.edges_ns)  # edges of `other` only where something of it is taken
    keep[[0, -1]] = True
    keep[:-1] |= take
    keep[1:] |= take
    rows = np.where(take, there, here)[keep[:-1]]
    series = replace(
        main.intensity,
        edges_ns=edges[keep],
        intensity_g_per_kwh=rows["g"].astype(np.float64),
        status=rows["status"].astype(np.uint8),
    )
    return replace(
        main,
        intensity=series,
        updated_ns=rows["updated"].astype(np.int64),
        fetched_ns=rows["fetched"].astype(np.int64),
    )


def _at(kept: Kept, t_ns: IntArray) -> Rows:
    """Return what holds at each instant, unknown outside."""
    i = np.searchsorted(kept.intensity.edges_ns, t_ns, side="right") - 1
    inside = (i >= 0) & (i < len(kept.intensity.status))
    i = np.clip(i, 0, len(kept.intensity.status) - 1)
    rows = np.zeros(len(t_ns), dtype=ROW)
    rows["g"] = np.where(inside, kept.intensity.intensity_g_per_kwh[i], np.nan)
    rows["status"] = np.where(inside, kept.intensity.status[i], 0)
    rows["updated"] = np.where(inside, kept.updated_ns[i], -1)
    rows["fetched"] = np.where(inside, kept.fetched_ns[i], -1)
    return rows


def signal_text(signal: Signal) -> str:
    """Return a signal as JSON."""
    return json.dumps(asdict(signal))


def signal_from(text: str) -> Signal:
    """Return the signal of :func:`signal_text`."""
    plain: dict[str, Any] = json.loads(text)
    spread = plain.pop("spread")
    signal = Signal(**plain)
    if spread is None:
        return signal
    note = spread.pop("note")
    return replace(signal, spread=Spread(note=note, **{name: tuple(value) for name, value in spread.items()}))
