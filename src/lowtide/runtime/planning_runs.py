"""A job whose duration is learnt from past runs of its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lowtide.errors import InputError, LowtideError
from lowtide.model.planning import Job, PlanSet, Window
from lowtide.planning.durations import N_LEAST, Durations, LikelyStart, likely_start
from lowtide.planning.sites import SiteOption
from lowtide.quantities import format_instant
from lowtide.units import J_PER_KWH, NS_PER_S

if TYPE_CHECKING:
    from lowtide.model.record import RunEnd
    from lowtide.stores.ledger import Ledger

__all__ = ["PastRuns", "likely_of", "past_runs", "words_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRuns:
    """What past runs of one name tell of the next.

    Attributes
    ----------
    name : str
    durations : Durations
    power_w : float
        Energy of all of them over their time at work, at the node [W].
    """

    name: str
    durations: Durations
    power_w: float

    @property
    def job(self) -> Job:
        """A job as long as nine in ten of them."""
        return Job.constant(duration_s=self.durations.p90_s, power_w=self.power_w)


def past_runs(ledger: Ledger, name: str) -> PastRuns:
    """Return what the finished runs of a name tell.

    Pauses are no work, so they do not count; nor do runs that went on from a save, which did a part of the work.

    Raises
    ------
    InputError
        If fewer than three have finished with a bill.
    """
    from lowtide.runtime.views import read_view

    seconds, energy_j, n_parts, named = [], 0.0, 0, [run_id for run_id, its in ledger.names() if its == name]
    for run_id in named:
        try:
            view = read_view(ledger, run_id, preview=False)
        except LowtideError:
            continue  # a damaged run tells nothing; the count below says how many did
        if view.end is None or view.entry is None or view.end.exit_code != 0 or not view.end.observed:
            continue
        if view.header.resumed:
            n_parts += 1
            continue
        seconds.append(_worked_s(view.end))
        energy_j += view.entry.energy.total_kwh * J_PER_KWH
    if len(seconds) < N_LEAST:
        parts = f", and {n_parts} more went on from a save" if n_parts else ""
        raise InputError(
            f"{len(seconds)} of {len(named)} runs named {name!r} have finished{parts}; at least {N_LEAST} tell how "
            "long the next one takes: finish more, or give --duration and --power"
        )
    return PastRuns(name=name, durations=Durations.of(seconds), power_w=energy_j / sum(seconds))


def _worked_s(end: RunEnd) -> float:
    """Return how long a run was at work [s]."""
    if end.plan is not None and end.plan.runs_ns:
        return end.plan.running_s
    return (end.ended_ns - end.started_ns) / NS_PER_S


def likely_of(past: PastRuns, site: SiteOption, window: Window, slot_s: float | None) -> LikelyStart:
    """Return the start of least expected emissions over all past durations, done in time with nine in ten."""
    return likely_start(past.durations, site, window, power_w=past.power_w, slot_s=slot_s)


def words_of(likely: LikelyStart, found: PlanSet) -> str:
    """Return what is known of a job of unknown duration, and where that differs from planning its p90."""
    best = found.best
    start = format_instant(likely.start_ns)[:16] + "Z"
    expected = "" if likely.expected_g is None else f", {likely.expected_g:.0f} g expected"
    same = best is not None and best.start_ns == likely.start_ns
    return f"{likely.words}; over all of them {'also ' if same else ''}best started at {start}{expected}"
