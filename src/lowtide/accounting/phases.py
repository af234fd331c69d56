"""What phases, steps and counted things drew: integrals of the run's power between the stamps of the job.

A stamp cuts the run's power where it falls, and a cut step is shared by time, so phases that follow one another and
what lies outside of them sum to the whole. A phase inside another one is part of it. Phases of one process that
would overlap otherwise are cut: the end of the outer one ends the inner one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lowtide.model.ledger import PhaseBill, StepBill, UnitBill
from lowtide.model.record import Marks, PhaseMark
from lowtide.series import steps
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import J_PER_KWH

__all__ = ["PhaseSpan", "PhasesBill", "phases_bill", "spans_of"]


class PhaseSpan(NamedTuple):
    """A phase from its beginning to its end, and the index of the phase around it."""

    start_ns: int
    end_ns: int
    name: str
    process: str
    depth: int
    parent: int | None
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasesBill:
    """What a run's marks say about its energy."""

    phases: tuple[PhaseBill, ...] = ()
    outside_phases_kwh: float | None = None
    steps: StepBill | None = None
    units: Mapping[str, UnitBill] | None = None


def spans_of(marks: Sequence[PhaseMark], *, end_ns: int) -> tuple[PhaseSpan, ...]:
    """Return the phases of all processes in order of their beginning.

    An end that fits no open phase is ignored; a phase without an end lasts until `end_ns`, or until the phase
    around it ends.

    >>> one = PhaseMark(t_ns=1, begins=True, process="7", name="train")
    >>> spans_of([one], end_ns=9)[0].ended
    False
    """
    begun: list[tuple[PhaseMark, int | None, int]] = []  # mark, index of the phase around it, depth
    ends: dict[int, tuple[int, bool]] = {}
    open_in: dict[str, list[int]] = {}
    for mark in marks:
        stack = open_in.setdefault(mark.process, [])
        if mark.begins:
            begun.append((mark, stack[-1] if stack else None, len(stack)))
            stack.append(len(begun) - 1)
        elif any(begun[i][0].name == mark.name for i in stack):
            while begun[i := stack.pop()][0].name != mark.name:
                ends[i] = (mark.t_ns, False)
            ends[i] = (mark.t_ns, True)
    order = sorted(range(len(begun)), key=lambda i: (begun[i][0].t_ns, begun[i][2]))
    place = {i: n for n, i in enumerate(order)}
    return tuple(_span(begun[i], ends.get(i, (end_ns, False)), place) for i in order)


def _span(
    begun: tuple[PhaseMark, int | None, int], end: tuple[int, bool], place: Mapping[int, int]
) -> PhaseSpan:
    mark, parent, depth = begun
    return PhaseSpan(
        start_ns=mark.t_ns,
        end_ns=max(end[0], mark.t_ns),
        name=mark.name,
        process=mark.process,
        depth=depth,
        parent=None if parent is None else place[parent],
        ended=end[1],
    )


class _Curve:
    """Energy and emissions of a run as functions of time, to be read between any two instants."""

    def __init__(self, power: PowerSeries, emitting: PowerSeries, intensity: IntensitySeries | None) -> None:
        self.power, self._emitting, self._intensity = power, emitting, intensity

    def kwh(self, start_ns: IntArray, end_ns: IntArray) -> FloatArray:
        """Return the energy between instants [kWh]."""
        return self._between(self.power.power_w, start_ns, end_ns) / J_PER_KWH

    def known_s(self, start_ns: IntArray, end_ns: IntArray) -> FloatArray:
        """Return the time for which power is known [s]."""
        return self._between(np.where(np.isnan(self.power.power_w), 0.0, 1.0), start_ns, end_ns)

    def _between(self, values: FloatArray, start_ns: IntArray, end_ns: IntArray) -> FloatArray:
        points, place = np.unique(np.concatenate((start_ns, end_ns)), return_inverse=True)
        if len(points) < 2:
            return np.zeros(len(start_ns))
        pieces = steps.integrate(self.power.edges_ns, values, points)
        return _sums(pieces, place[: len(start_ns)], place[len(start_ns) :])

    def grams(self, start_ns: IntArray, end_ns: IntArray) -> FloatArray:
        """Return the emissions of the covered energy between instants [g], NaN where nothing is covered."""
        if self._intensity is None or not len(start_ns):
            return np.full(len(start_ns), np.nan)
        source = self._intensity
        inside = source.edges_ns[
            (source.edges_ns > self._emitting.start_ns) & (source.edges_ns < self._emitting.end_ns)
        ]
        points = np.unique(np.concatenate((start_ns, end_ns, inside)))
        if len(points) < 2:
            return np.full(len(start_ns), np.nan)
        joules = steps.integrate(self._emitting.edges_ns, self._emitting.power_w, points)
        at = steps.at(source.edges_ns, source.intensity_g_per_kwh, points[:-1])
        known = ~np.isnan(at)
        first, last = np.searchsorted(points, start_ns), np.searchsorted(points, end_ns)
        grams = _sums(np.where(known, joules * np.where(known, at, 0.0), 0.0) / J_PER_KWH, first, last)
        covered = _sums(known.astype(np.float64), first, last) > 0.0
        return np.where(covered, grams, np.nan)


def _sums(pieces: FloatArray, first: IntArray, last: IntArray) -> FloatArray:
    """Return the sums of pieces [first, last); each summed by itself, as differences of totals lose digits."""
    return np.array([pieces[a:b].sum() for a, b in zip(first.tolist(), last.tolist(), strict=True)])


def phases_bill(
    marks: Marks | None,
    *,
    power: PowerSeries,
    total_kwh: float,
    emitting: PowerSeries,
    intensity: IntensitySeries | None,
    total_g: float | None,
) -> PhasesBill:
    """Return what the phases, steps and counted things of a run drew.

    Parameters
    ----------
    marks : Marks or None
    power : PowerSeries
        Of the run, at the boundary of its bill.
    total_kwh : float
        The bill's energy.
    emitting : PowerSeries
        Power that the intensity multiplies: `power`, or that of the facility.
    intensity : IntensitySeries or None
    total_g : float or None
        The bill's emissions.
    """
    if marks is None:
        return PhasesBill(units={})
    spans = spans_of(marks.phases, end_ns=power.end_ns)
    curve = _Curve(power, emitting, intensity)
    return PhasesBill(
        phases=_phase_bills(spans, marks, curve),
        outside_phases_kwh=total_kwh - _in_phases_kwh(spans, curve) if spans else None,
        steps=_step_bill(marks, curve, total_kwh, total_g),
        units=_unit_bills(marks, total_kwh, total_g),
    )


def _columns(spans: Sequence[PhaseSpan]) -> tuple[IntArray, IntArray]:
    start_ns = np.array([span.start_ns for span in spans], dtype=np.int64)
    return start_ns, np.array([span.end_ns for span in spans], dtype=np.int64)


def _phase_bills(spans: Sequence[PhaseSpan], marks: Marks, curve: _Curve) -> tuple[PhaseBill, ...]:
    start_ns, end_ns = _columns(spans)
    kwh, grams, known_s = (f(start_ns, end_ns) for f in (curve.kwh, curve.grams, curve.known_s))
    return tuple(
        PhaseBill(
            name=span.name,
            process=span.process,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            depth=span.depth,
            parent=span.parent,
            energy_kwh=float(kwh[i]),
            emissions_g=None if np.isnan(grams[i]) else float(grams[i]),
            known_time_fraction=float(known_s[i] * 1e9) / max(1, span.end_ns - span.start_ns),
            steps=_steps_in(marks, span),
            counts=_counts_in(marks, span),
            ended=span.ended,
        )
        for i, span in enumerate(spans)
    )


def _steps_in(marks: Marks, span: PhaseSpan) -> float:
    """Return the steps marked in ``(start, end]``: a mark says what was done before it."""
    inside = (marks.step_t_ns > span.start_ns) & (marks.step_t_ns <= span.end_ns)
    return float(marks.step_n[inside].sum())


def _counts_in(marks: Marks, span: PhaseSpan) -> dict[str, float]:
    counts: dict[str, float] = {}
    for name, t_ns, n in marks.counts:
        if span.start_ns < t_ns <= span.end_ns:
            counts[name] = counts.get(name, 0.0) + n
    return counts


def _in_phases_kwh(spans: Sequence[PhaseSpan], curve: _Curve) -> float:
    """Return the energy of the time in any phase, once where phases of several processes overlap."""
    merged: list[list[int]] = []
    for start_ns, end_ns in sorted((span.start_ns, span.end_ns) for span in spans if span.depth == 0):
        if merged and start_ns <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end_ns)
        else:
            merged.append([start_ns, end_ns])
    edges = np.array(merged, dtype=np.int64)
    return float(curve.kwh(edges[:, 0], edges[:, 1]).sum())


def _step_bill(marks: Marks, curve: _Curve, total_kwh: float, total_g: float | None) -> StepBill | None:
    n = float(marks.step_n.sum())
    if not n > 0.0:
        return None
    first_ns, last_ns = int(marks.step_t_ns[0]), int(marks.step_t_ns[-1])
    between = n - float(marks.step_n[0])
    kwh = float(curve.kwh(marks.step_t_ns[:1], marks.step_t_ns[-1:])[0]) if last_ns > first_ns else 0.0
    return StepBill(
        n=n,
        first_ns=first_ns,
        last_ns=last_ns,
        energy_per_step_j=kwh * J_PER_KWH / between if between > 0.0 and last_ns > first_ns else None,
        total_per_step_j=total_kwh * J_PER_KWH / n,
        emissions_per_step_g=None if total_g is None else total_g / n,
    )


def _unit_bills(marks: Marks, total_kwh: float, total_g: float | None) -> dict[str, UnitBill]:
    sums: dict[str, float] = {}
    for name, _, n in marks.counts:
        sums[name] = sums.get(name, 0.0) + n
    return {
        name: UnitBill(
            n=n,
            energy_per_unit_j=total_kwh * J_PER_KWH / n,
            emissions_per_unit_g=None if total_g is None else total_g / n,
        )
        for name, n in sums.items()
        if n > 0.0
    }
