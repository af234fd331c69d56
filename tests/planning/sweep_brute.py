"""Plans found by trying everything, to judge the kernels by; slow, for arrays of a few slots."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from lowtide.planning.kernels.slots import Arrivals


class Best(NamedTuple):
    """The costs of one arrival in value x slots; None where run-now meets an unknown slot."""

    run_now: float
    flexible_start: float
    pause_resume: float


class Case(NamedTuple):
    """A small problem: lengths in units of which a slot has `step`."""

    values: np.ndarray
    step: int
    duration: int
    slack: int

    @property
    def arrivals(self) -> Arrivals:
        """All starts from which the job ends inside the slots."""
        n = len(self.values)
        first = np.arange((n * self.step - self.duration) // self.step + 1)
        return Arrivals(
            first=first, step_ns=self.step, duration_ns=self.duration, slack_ns=self.slack, n_slots=n
        )


def draw(rng: np.random.Generator, *, most_slots: int, most_units: int) -> Case:
    """Return a case with ties, negative values, unknown slots and parts of slots, often."""
    n, step = int(rng.integers(1, most_slots + 1)), int(rng.integers(1, most_units + 1))
    values = rng.integers(-2, int(rng.choice([-1, 0, 1, 4, 30])), n).astype(np.float64)
    values[rng.random(n) < rng.choice([0.0, 0.0, 0.2])] = np.nan
    return Case(values, step, int(rng.integers(1, n * step + 1)), int(rng.integers(0, n * step + 2)))


def capacities(case: Case, start: int) -> list[int]:
    """Return how much of each slot the window of a start has."""
    n = len(case.values)
    end = min(start * case.step + case.duration + case.slack, n * case.step)
    return [max(0, min(case.step, end - i * case.step)) if i >= start else 0 for i in range(n)]


def whole_run(case: Case, start: int) -> float | None:
    """Return the cost of a run without pauses, None where it meets an unknown slot."""
    cost, left, i = 0.0, case.duration, start
    while left > 0:
        if np.isnan(case.values[i]):
            return None
        cost += float(case.values[i]) * min(case.step, left)
        left, i = left - case.step, i + 1
    return cost / case.step


def best(case: Case, start: int) -> Best | None:
    """Return the least costs of a start: all runs tried, all units of the window sorted."""
    now = whole_run(case, start)
    if now is None:
        return None
    last = min(start * case.step + case.slack, len(case.values) * case.step - case.duration) // case.step
    runs = [cost for s in range(start, last + 1) if (cost := whole_run(case, s)) is not None]
    units = sorted(
        float(value)
        for value, size in zip(case.values, capacities(case, start), strict=True)
        for _ in range(size)
        if not np.isnan(value)
    )
    return Best(now, min(runs), sum(units[: case.duration]) / case.step)


def fewest_pauses(case: Case, start: int, cost: float) -> int:
    """Return the pauses of the plan of that cost that starts earliest and then pauses least: every plan tried.

    A run goes on into the next slot only from a slot that it fills.
    """
    sizes = capacities(case, start)
    slots = [i for i, size in enumerate(sizes) if size > 0 and not np.isnan(case.values[i])]
    found = []
    for amounts in product(*(range(sizes[i] + 1) for i in slots)):
        used = dict(zip(slots, amounts, strict=True))
        if sum(amounts) != case.duration:
            continue
        if abs(sum(case.values[i] * u for i, u in used.items()) / case.step - cost) < 1e-9:
            starts = [i for i, u in used.items() if u > 0]
            n_runs = sum(used.get(i - 1, 0) < case.step for i in starts)
            found.append((starts[0], n_runs))
    return min(found)[1] - 1
