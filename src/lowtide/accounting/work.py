"""Power over work done: cut out of what a run drew, and laid into other stretches of time.

Work done is the time a run was at work: pauses, saving, loading and work done twice are no work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.series import steps
from lowtide.series.types import PowerSeries
from lowtide.units import J_PER_KWH, NS_PER_S, ns_from_s

__all__ = ["PauseCost", "Span", "between", "gaps_power", "laid", "outside", "stretched", "work_power"]

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseCost:
    """What is drawn in a pause and at its end, at the boundary of the power it stands beside.

    Attributes
    ----------
    power_w : float
        While paused [W].
    resume_s : float
        Time of a resume, without progress [s].
    resume_w : float
        Power in that time [W].
    resume_kwh : float
        Energy of a resume that takes no time [kWh].
    """

    power_w: float = 0.0
    resume_s: float = 0.0
    resume_w: float = 0.0
    resume_kwh: float = 0.0

    @property
    def resume_ns(self) -> int:
        """Time of a resume [ns]."""
        return ns_from_s(self.resume_s)

    @property
    def impulse_w(self) -> float:
        """Power that draws `resume_kwh` within one nanosecond, the shortest step time knows [W]."""
        return self.resume_kwh * J_PER_KWH * NS_PER_S


NOTHING = PauseCost()


def outside(start_ns: int, end_ns: int, spans_ns: Iterable[Span]) -> Iterator[Span]:
    """Yield what of a window lies in none of the spans, in order of time.

    >>> list(outside(0, 10, [(2, 4), (3, 5), (9, 12)]))
    [(0, 2), (5, 9)]
    """
    t_ns = start_ns
    for first, last in sorted(spans_ns):
        if last <= t_ns or first >= end_ns:
            continue
        if first > t_ns:
            yield t_ns, first
        t_ns = last
    if t_ns < end_ns:
        yield t_ns, end_ns


def between(spans_ns: Sequence[Span]) -> list[Span]:
    """Return the gaps between spans that are in order of time.

    >>> between([(0, 2), (5, 9), (9, 10)])
    [(2, 5)]
    """
    return [(end, start) for (_, end), (start, _) in pairwise(spans_ns) if start > end]


def work_power(power: PowerSeries, idle_ns: Iterable[Span]) -> PowerSeries | None:
    """Return the power over work done: a series without some spans, moved together; None where nothing is left.

    Examples
    --------
    >>> power = PowerSeries(edges_ns=np.array([0, 10, 20, 30]), power_w=np.array([5.0, 1.0, 7.0]), boundary="node")
    >>> work = work_power(power, [(10, 20)])
    >>> work.edges_ns.tolist(), work.power_w.tolist()
    ([0, 10, 20], [5.0, 7.0])
    """
    kept = list(outside(power.start_ns, power.end_ns, idle_ns))
    parts = [steps.clip(power.edges_ns, power.power_w, *span) for span in kept]
    if not parts:
        return None
    widths = np.concatenate([np.diff(edges) for edges, _ in parts])
    edges = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(widths))) + power.start_ns
    return replace(power, edges_ns=edges, power_w=np.concatenate([values for _, values in parts]))


def stretched(work: PowerSeries, duration_s: float) -> PowerSeries:
    """Return power over work for work that takes another time: the same power at each share of the work.

    Examples
    --------
    >>> work = PowerSeries(edges_ns=np.array([0, 10, 20]), power_w=np.array([5.0, 7.0]), boundary="node")
    >>> stretched(work, 6e-8).edges_ns.tolist()
    [0, 30, 60]
    """
    done_ns = work.edges_ns - work.start_ns
    length_ns = max(1, ns_from_s(duration_s))
    edges = np.rint(done_ns * (length_ns / int(done_ns[-1]))).astype(np.int64)
    edges[-1] = length_ns  # exact where float64 would be off by some nanoseconds
    kept = np.diff(edges) > 0
    edges = np.concatenate((edges[:1], edges[1:][kept])) + work.start_ns
    return replace(work, edges_ns=edges, power_w=work.power_w[kept])


def laid(work: PowerSeries, runs_ns: Sequence[Span], *, pause: PauseCost = NOTHING) -> PowerSeries:
    """Return power over work laid into stretches of time, the last one as long as it takes.

    Between two stretches the power is that of a pause, and each but the first begins with a resume.

    Examples
    --------
    >>> work = PowerSeries.constant(100.0, start_ns=0, end_ns=30)
    >>> found = laid(work, [(50, 60), (80, 90)])
    >>> found.edges_ns.tolist(), found.power_w.tolist()
    ([50, 60, 80, 100], [100.0, 0.0, 100.0])
    """
    done_ns, at_ns = work.start_ns, runs_ns[0][0]
    edges, powers = [np.array([at_ns])], [np.zeros(0)]
    for i, (start_ns, end_ns) in enumerate(runs_ns):
        left_ns, is_last = work.end_ns - done_ns, i + 1 == len(runs_ns)
        if left_ns <= 0:
            break
        impulse_w = 0.0
        if i and start_ns > at_ns:
            resumed_ns = start_ns + (pause.resume_ns if is_last else min(pause.resume_ns, end_ns - start_ns))
            at_ns, impulse_w = resumed_ns, pause.impulse_w
            edges.append(np.array([start_ns, resumed_ns][: 1 + (resumed_ns > start_ns)]))
            powers.append(np.array([pause.power_w, pause.resume_w][: 1 + (resumed_ns > start_ns)]))
        took_ns = left_ns if is_last else min(end_ns - at_ns, left_ns)
        if took_ns <= 0:
            continue
        part, values = steps.clip(work.edges_ns, work.power_w, done_ns, done_ns + took_ns)
        part = part - done_ns + at_ns
        if impulse_w:
            part, values = _with_impulse(part, values, impulse_w)
        edges.append(part[1:])
        powers.append(values)
        done_ns, at_ns = done_ns + took_ns, at_ns + took_ns
    return replace(work, edges_ns=np.concatenate(edges), power_w=np.concatenate(powers))


def _with_impulse(edges: IntArray, values: FloatArray, impulse_w: float) -> tuple[IntArray, FloatArray]:
    """Return a step function with more power in its first nanosecond."""
    if int(edges[1] - edges[0]) > 1:
        edges = np.concatenate((edges[:1], edges[:1] + 1, edges[1:]))
        values = np.concatenate((values[:1], values))
    else:
        values = values.copy()
    values[0] += impulse_w
    return edges, values


def gaps_power(gaps_ns: Sequence[Span], like: PowerSeries, pause: PauseCost) -> list[PowerSeries]:
    """Return what pauses would draw in some gaps, each with its resume at its end."""
    found = []
    for start_ns, end_ns in gaps_ns:
        resume_ns = max(start_ns, end_ns - pause.resume_ns)
        edges = [
            start_ns,
            *([resume_ns] if resume_ns > start_ns else []),
            *([end_ns] if resume_ns < end_ns else []),
        ]
        powers = [
            *([pause.power_w] if resume_ns > start_ns else []),
            *([pause.resume_w] if resume_ns < end_ns else []),
        ]
        if pause.impulse_w:
            edges.append(end_ns + 1)
            powers.append(pause.impulse_w)
        found.append(replace(like, edges_ns=np.array(edges, dtype=np.int64), power_w=np.array(powers)))
    return found
