"""A gate before shifting: wait only where what a plan promises was worth believing.

A plan whose promised saving is below the gate runs at once instead. The gate is the one that would have saved
most in the past among those that kept every group of past starts - all of them, each of 90 days, each hour of
the day - within a tolerance of run-now in total. Single starts can lose more, and it says how much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Final

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.forecasting.history import DAY_NS
from lowtide.model.planning import Infeasible, Job, Plan, Window
from lowtide.planning.kernels.slots import BoolArray
from lowtide.planning.policies import run_now
from lowtide.planning.shifting import Shifted
from lowtide.planning.sites import SiteOption
from lowtide.units import NS_PER_H

if TYPE_CHECKING:
    from lowtide.doors import Policy

__all__ = ["Gate", "GateRecord", "Gated", "gate_from", "groups_of", "through_gate", "tried_gate"]

_GATES: Final = (*(i / 100.0 for i in range(51)), inf)
"""Least promised savings that are tried, as fractions; infinite is never to shift."""
_BLOCK_NS: Final = 90 * DAY_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRecord:
    """What starts that went through a gate emitted against run-now; fractions, more is worse.

    Attributes
    ----------
    n_starts, n_shifted : int
    total_change_fraction : float
        Of all starts together: -0.3 is a saving of 30 %.
    worst_group_fraction : float
        The worst group of starts, in total.
    worst_start_fraction : float
        The worst single start against its own run-now, 0 where none was worse; of those that emit anything.
    """

    n_starts: int
    n_shifted: int
    total_change_fraction: float
    worst_group_fraction: float
    worst_start_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The least promised saving for which to shift, and what it would have done so far.

    Attributes
    ----------
    least_promise_fraction : float
        Infinite where no gate kept the tolerance: never shift.
    tolerance_fraction : float
    record : GateRecord
        On the very starts it was chosen on.
    """

    least_promise_fraction: float
    tolerance_fraction: float
    record: GateRecord

    @property
    def words(self) -> str:
        """The gate in a sentence."""
        record = self.record
        if self.least_promise_fraction == inf:
            what = "never shift: no gate kept every group of past starts"
        else:
            what = f"shift where at least {self.least_promise_fraction:.0%} is promised"
        return (
            f"{what} (tolerance {self.tolerance_fraction:.0%}); over {record.n_starts} past starts "
            f"{record.n_shifted} shifted, {record.total_change_fraction:+.1%} in total against run-now, worst "
            f"group {record.worst_group_fraction:+.1%}, worst single start {record.worst_start_fraction:+.1%}"
        )


def groups_of(starts_ns: IntArray) -> tuple[IntArray, ...]:
    """Return the groups that a gate keeps within its tolerance: blocks of 90 days, and hours of the day (UTC)."""
    blocks = (starts_ns - starts_ns.min()) // _BLOCK_NS if len(starts_ns) else starts_ns
    return blocks, starts_ns // NS_PER_H % 24


def gate_from(shifted: Shifted, starts_ns: IntArray, *, tolerance_fraction: float = 0.01) -> Gate:
    """Return the gate that saves most on past starts and keeps every group of them within a tolerance.

    Parameters
    ----------
    shifted : Shifted
        Plans of past starts, made on what was expected then.
    starts_ns : int64 array, shape (n,)
        Increasing.
    tolerance_fraction : float
        How much worse than run-now a group may be in total.

    Raises
    ------
    InputError
        If the tolerance is negative, or no start is known.

    Notes
    -----
    The total over all starts is within the tolerance too, because the groups are. What holds for the past
    need not hold tomorrow: :func:`tried_gate` says how well gates chosen on the past did after it.
    """
    if not tolerance_fraction >= 0.0:
        raise InputError(f"a tolerance of {tolerance_fraction:g} is negative; give 0.01 for 1 %")
    trials = _Trials.of(shifted, starts_ns)
    if not len(trials.now):
        raise InputError("no past start with a known window; a gate needs a history")
    chosen = trials.best(len(trials.now), tolerance_fraction)
    return Gate(
        least_promise_fraction=_GATES[chosen],
        tolerance_fraction=tolerance_fraction,
        record=trials.record(trials.promised >= _GATES[chosen]),
    )


def tried_gate(
    shifted: Shifted, starts_ns: IntArray, *, window_ns: int, tolerance_fraction: float = 0.01
) -> GateRecord:
    """Return what gates did that were chosen anew every 90 days, each on the starts that were over by then.

    Parameters
    ----------
    shifted : Shifted
    starts_ns : int64 array, shape (n,)
        Increasing.
    window_ns : int
        From a start to the end of its window [ns].
    tolerance_fraction : float

    Notes
    -----
    Nothing is shifted in the first 90 days. Groups are those of :func:`groups_of`.
    """
    trials = _Trials.of(shifted, starts_ns)
    is_shifted = np.zeros(len(trials.now), dtype=np.bool_)
    blocks = trials.groups[0]
    for block in np.unique(blocks)[1:].tolist():
        begins_ns = int(trials.starts_ns[0]) + block * _BLOCK_NS
        n_over = int(np.searchsorted(trials.starts_ns + window_ns, begins_ns, side="right"))
        if n_over:
            gate = _GATES[trials.best(n_over, tolerance_fraction)]
            mine = blocks == block
            is_shifted[mine] = trials.promised[mine] >= gate
    return trials.record(is_shifted)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trials:
    """Known starts, in order of time, and what they emit behind each gate."""

    starts_ns: IntArray
    now: FloatArray
    plan: FloatArray
    promised: FloatArray
    groups: tuple[IntArray, ...]
    emitted: FloatArray

    @classmethod
    def of(cls, shifted: Shifted, starts_ns: IntArray) -> _Trials:
        known = np.isfinite(shifted.now) & np.isfinite(shifted.plan)
        now, plan, promised = shifted.now[known], shifted.plan[known], shifted.promised_saving[known]
        return cls(
            starts_ns=starts_ns[known],
            now=now,
            plan=plan,
            promised=promised,
            groups=groups_of(starts_ns[known]),
            emitted=np.array([np.where(promised >= gate, plan, now) for gate in _GATES]),
        )

    def best(self, n: int, tolerance_fraction: float) -> int:
        """Return which gate saves most on the first `n` starts within the tolerance; ties to the lowest.

        A gate that no start has passed has shown nothing, so it is the last: never to shift.
        """
        totals = self.emitted[:, :n].sum(axis=1)
        for i in np.argsort(totals, kind="stable").tolist():
            if not (self.promised[:n] >= _GATES[i]).any():
                break
            if self._worst_group(self.emitted[i, :n]) <= tolerance_fraction:
                return int(i)
        return len(_GATES) - 1

    def record(self, is_shifted: BoolArray) -> GateRecord:
        """Return what the starts emitted of which some were shifted."""
        emitted = np.where(is_shifted, self.plan, self.now)
        positive = self.now > 0.0
        single = emitted[positive] / self.now[positive] - 1.0
        return GateRecord(
            n_starts=len(self.now),
            n_shifted=int(is_shifted.sum()),
            total_change_fraction=float(_changes(emitted.sum(keepdims=True), self.now.sum(keepdims=True))[0]),
            worst_group_fraction=self._worst_group(emitted),
            worst_start_fraction=float(single.max(initial=0.0)),
        )

    def _worst_group(self, emitted: FloatArray) -> float:
        n, worst = len(emitted), -inf
        for group in self.groups:
            has = np.bincount(group[:n]) > 0
            after, before = (_sums(group[:n], x[:n])[has] for x in (emitted, self.now))
            worst = max(worst, float(np.max(_changes(after, before), initial=-inf)))
        return worst


def _sums(group: IntArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.bincount(group, weights=values), dtype=np.float64)


def _changes(after: FloatArray, before: FloatArray) -> FloatArray:
    """Return by what share of its size a total has changed; infinite where it was nothing and is more."""
    more, size = after - before, np.abs(before)
    return np.where(size > 0.0, more / np.where(size > 0.0, size, 1.0), np.where(more > 0.0, inf, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gated:
    """A policy that runs at once where its plan promises too little.

    Attributes
    ----------
    policy : Policy
    gates : mapping of str to Gate
        By zone of the plan; a zone without one is not gated.
    """

    policy: Policy
    gates: Mapping[str, Gate]

    @property
    def name(self) -> str:
        """Name of the policy."""
        return self.policy.name

    @property
    def joint(self) -> bool:
        """Whether it takes all sites at once."""
        return self.policy.joint

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return the policy's plan, or run-now in the first site under its name.

        Where run-now would miss the deadline the plan stands.
        """
        found = self.policy.plan(job, sites, window, slot_s=slot_s)
        if isinstance(found, Infeasible) or found.zone not in self.gates:
            return found
        now = run_now.plan(job, sites[:1], window, slot_s=slot_s)
        if isinstance(now, Infeasible):
            return found
        chosen = through_gate(found, now, self.gates[found.zone])
        return found if chosen is found else replace(now, policy=self.name, lower_bound_g=None)


def through_gate(plan: Plan, run_now: Plan, gate: Gate) -> Plan:
    """Return the plan where it promises enough against run-now on the same intensity, else run-now.

    Where either emission is unknown, or run-now's is not positive, the answer is run-now.
    """
    if plan.emissions_g is None or run_now.emissions_g is None or not run_now.emissions_g > 0.0:
        return run_now
    promise = 1.0 - plan.emissions_g / run_now.emissions_g
    return plan if promise >= gate.least_promise_fraction else run_now
