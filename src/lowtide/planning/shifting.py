"""Many starts planned on what was expected of them, and billed at what came.

Windows lie side by side as rows of slots. The choice of each start is that of the policies: for flexible start
the sums of :func:`lowtide.planning.kernels.slots.contiguous`, earliest of equals; for pause-resume the cheapest
slots, earliest first, the last of them in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray
from lowtide.errors import InputError, near_matches
from lowtide.planning.kernels.slots import Slots, contiguous
from lowtide.planning.swept import POLICIES, SweepPolicy
from lowtide.quantities import format_duration
from lowtide.units import NS_PER_S, ns_from_s

__all__ = ["Asked", "Shifted", "shifted"]

_AT_ONCE: Final = 1 << 20
"""Slots of windows planned at once, 8 MB of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The job that is shifted, and how.

    Attributes
    ----------
    duration_s, slack_s : float
        How long it runs, and how much later it may end than if it started at once [s].
    policy : {"run-now", "flexible-start", "pause-resume"}
    """

    duration_s: float
    slack_s: float
    policy: SweepPolicy = "flexible-start"

    def __post_init__(self) -> None:
        if not (self.duration_s > 0.0 and self.slack_s >= 0.0):
            raise InputError(
                f"a job of {self.duration_s:g} s with a slack of {self.slack_s:g} s cannot be; "
                "give a duration above 0 and a slack of 0 or more"
            )
        if self.policy not in POLICIES:
            hint = near_matches(self.policy, POLICIES)
            raise InputError(f"no policy {self.policy!r}{hint}; there are {', '.join(POLICIES)}")

    @property
    def window_s(self) -> float:
        """From the start to the latest end [s]."""
        return self.duration_s + self.slack_s

    def n_slots(self, step_ns: int) -> int:
        """Return how many slots a window touches."""
        return -(-ns_from_s(self.window_s) // step_ns)

    @property
    def words(self) -> str:
        """What is asked, for people: ``6h job, 24h slack, flexible-start``."""
        return f"{format_duration(self.duration_s)} job, {format_duration(self.slack_s)} slack, {self.policy}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shifted:
    """What each start would have emitted, as mean intensity of the job's energy [g/kWh]; shape (n,) each.

    Attributes
    ----------
    now : float64 array
        Run-now on the truth; NaN where that is not known for the whole window.
    plan : float64 array
        The plan made on what was expected, on the truth.
    promised_saving : float64 array
        What the plan promised to save against run-now, as a fraction, both as expected; 0 where it is to run
        at once, or where nothing was expected.
    """

    now: FloatArray
    plan: FloatArray
    promised_saving: FloatArray


def shifted(expected: FloatArray, actual: FloatArray, asked: Asked, *, step_ns: int) -> Shifted:
    """Return what starts planned on one intensity emit on another.

    Parameters
    ----------
    expected, actual : float64 arrays, shape (n, n_slots)
        For each start its window, slot by slot [g/kWh]: at least ``asked.n_slots(step_ns)`` of them. Slots
        whose expectation is unknown are never chosen; where no plan can be made the job runs at once.
    asked : Asked
    step_ns : int
        Length of a slot [ns].

    Examples
    --------
    >>> window = np.array([[300.0, 100.0, 200.0]])
    >>> asked = Asked(duration_s=3600.0, slack_s=7200.0)
    >>> found = shifted(window[:, ::-1], window, asked, step_ns=3600 * NS_PER_S)
    >>> found.now.tolist(), found.plan.tolist(), found.promised_saving.tolist()
    ([300.0], [100.0], [0.5])
    """
    n_slots = asked.n_slots(step_ns)
    if min(expected.shape[1], actual.shape[1]) < n_slots:
        short = format_duration(min(expected.shape[1], actual.shape[1]) * step_ns / NS_PER_S)
        raise InputError(f"windows of {short} are too short for a {asked.words}; give {n_slots} slots")
    found = [np.empty(len(actual)) for _ in range(3)]
    at_once = max(1, _AT_ONCE // n_slots)
    for i in range(0, len(actual), at_once):
        part = slice(i, i + at_once)
        parts = _planned(expected[part, :n_slots], actual[part, :n_slots], asked, step_ns)
        for whole, one in zip(found, parts, strict=True):
            whole[part] = one
    unknown = np.isnan(actual[:, :n_slots]).any(axis=1)
    found[0][unknown], found[1][unknown] = np.nan, np.nan
    return Shifted(now=found[0], plan=found[1], promised_saving=found[2])


def _planned(
    expected: FloatArray, actual: FloatArray, asked: Asked, step_ns: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return run-now and plan on the truth, and the saving that was promised."""
    duration_ns = ns_from_s(asked.duration_s)
    n_options = 1 + (ns_from_s(asked.slack_s) // step_ns if asked.policy == "flexible-start" else 0)
    truth = _starts(actual, duration_ns, step_ns, n_options)
    wanted = _starts(expected, duration_ns, step_ns, n_options)
    now, expected_now = truth[:, 0], wanted[:, 0]
    if asked.policy == "pause-resume":
        expected_plan, plan = _filled(expected, actual, asked, step_ns)
    else:
        chosen = np.argmin(wanted, axis=1)[:, None]
        expected_plan, plan = (np.take_along_axis(c, chosen, axis=1)[:, 0] for c in (wanted, truth))
    planned = np.isfinite(expected_plan)
    judged = planned & np.isfinite(expected_now) & (expected_now > 0.0)
    promised = np.zeros(len(now))
    promised[judged] = 1.0 - expected_plan[judged] / expected_now[judged]
    slots = duration_ns / step_ns
    return now / slots, np.where(planned, plan, now) / slots, promised


def _starts(rows: FloatArray, duration_ns: int, step_ns: int, n_options: int) -> FloatArray:
    """Return what running through from each of the first slots costs, infinite through unknown ones."""
    slots = Slots.of(rows.ravel())
    costs = contiguous(slots, duration_ns, step_ns) / slots.scale
    padded = np.full(rows.size, np.inf)
    padded[: len(costs)] = costs
    return padded.reshape(rows.shape)[:, :n_options]


def _filled(
    expected: FloatArray, actual: FloatArray, asked: Asked, step_ns: int
) -> tuple[FloatArray, FloatArray]:
    """Return what the cheapest expected slots were expected to cost and did cost [g/kWh x slots]."""
    n = expected.shape[1]
    room_ns = np.full(n, step_ns, dtype=np.int64)
    room_ns[-1] = ns_from_s(asked.window_s) - (n - 1) * step_ns
    price = np.where(np.isnan(expected), np.inf, expected)
    order = np.argsort(price, axis=1, kind="stable")
    room = room_ns[order]
    before = np.cumsum(room, axis=1) - room
    used = np.clip(ns_from_s(asked.duration_s) - before, 0, room) / step_ns
    price, truth = np.take_along_axis(price, order, axis=1), np.take_along_axis(actual, order, axis=1)
    taken = used > 0.0
    expected_cost, cost = (np.sum(used * np.where(taken, c, 0.0), axis=1) for c in (price, truth))
    return expected_cost, cost
