"""The kernels of a sweep against plans found by trying everything, and against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from sweep_brute import Best, Case, best, draw, fewest_pauses

from lowtide.errors import MissingExtraError, SeriesError
from lowtide.planning.kernels import compiled as compiled_module
from lowtide.planning.kernels import plans
from lowtide.planning.kernels.compiled import Compiled, compiled
from lowtide.planning.kernels.pauses import count_runs, until_change
from lowtide.planning.kernels.plans import Chooser, flexible_start, pause_resume, run_now
from lowtide.planning.kernels.ranked import WaveletMatrix, least_by_partition, ranking
from lowtide.planning.kernels.slots import BEYOND, LOWEST, Arrivals, Slots, contiguous, sliding_least

N_CASES, N_PAUSE_CASES = 2000, 250


class Way(NamedTuple):
    """One way through the kernels: which engine, and from how many windows on the bulk methods."""

    fast: Compiled | None
    few: int


def numba_or_skip() -> Compiled:
    pytest.importorskip("numba")
    return compiled()


@pytest.fixture(params=["numpy-bulk", "numpy-few", "numba-bulk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Way:
    engine, _, size = request.param.partition("-")
    few = 0 if size == "bulk" else 10**9
    monkeypatch.setattr(plans, "_FEW", few)
    monkeypatch.setattr(plans, "_SHORT", few)
    return Way(numba_or_skip() if engine == "numba" else None, few)


def cases(n: int, *, most_slots: int, most_units: int, seed: int) -> Iterator[Case]:
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield draw(rng, most_slots=most_slots, most_units=most_units)


def chooser_of(case: Case, way: Way) -> Chooser:
    return Chooser(Slots.of(case.values), step_ns=case.step, fast=way.fast)


def expected(case: Case) -> tuple[np.ndarray, list[Best]]:
    """Return which arrivals have a known run-now, and their least costs."""
    found = [best(case, int(start)) for start in case.arrivals.first]
    return np.array([one is not None for one in found]), [one for one in found if one is not None]


def test_costs_are_those_of_trying_everything(way: Way) -> None:
    for case in cases(N_CASES, most_slots=12, most_units=4, seed=way.few % 7):
        known, bests = expected(case)
        chooser, arrivals = chooser_of(case, way), case.arrivals
        now = run_now(chooser, arrivals)
        assert np.array_equal(np.isfinite(now), known), case
        found = np.column_stack(
            (now, flexible_start(chooser, arrivals), pause_resume(chooser, arrivals).cost)
        )[known]
        assert np.allclose(found, np.array(bests).reshape(-1, 3), rtol=0, atol=1e-12), case


def test_pauses_are_those_of_trying_everything(way: Way) -> None:
    for case in cases(N_PAUSE_CASES, most_slots=7, most_units=3, seed=1 + way.few % 7):
        known, bests = expected(case)
        found = pause_resume(chooser_of(case, way), case.arrivals, with_pauses=True)
        assert found.n_pauses is not None
        starts = case.arrivals.first[known].tolist()
        wanted = [fewest_pauses(case, s, b.pause_resume) for s, b in zip(starts, bests, strict=True)]
        assert found.n_pauses[known].tolist() == wanted, case


def test_pauses_do_not_change_the_cost(way: Way) -> None:
    for case in cases(200, most_slots=12, most_units=3, seed=5):
        with_pauses = pause_resume(chooser_of(case, way), case.arrivals, with_pauses=True).cost
        assert np.array_equal(with_pauses, pause_resume(chooser_of(case, way), case.arrivals).cost)


def test_arrivals_of_different_jobs_are_planned_as_each_alone(way: Way) -> None:
    for case in cases(200, most_slots=10, most_units=3, seed=6):
        alike = case.arrivals
        mixed = replace(
            alike,
            duration_ns=np.full(len(alike.first), case.duration),
            slack_ns=np.full(len(alike.first), case.slack),
        )
        chooser = chooser_of(case, way)
        known = np.isfinite(run_now(chooser, alike))
        assert np.array_equal(run_now(chooser, alike), run_now(chooser, mixed))
        for policy in (flexible_start, lambda c, a: pause_resume(c, a).cost):
            assert np.array_equal(policy(chooser, alike)[known], policy(chooser, mixed)[known]), case


def big_case(rng: np.random.Generator) -> Case:
    """Return a few weeks of values rounded so that some are equal, with parts of slots and some unknown."""
    n = int(rng.integers(300, 900))
    values = np.round(rng.normal(300.0, 60.0, n), int(rng.integers(0, 3)))
    values[rng.random(n) < rng.choice([0.0, 0.02])] = np.nan
    step = 60
    return Case(values, step, int(rng.integers(1, 40 * step)), int(rng.integers(0, 100 * step)))


def test_numba_equals_numpy_to_the_bit() -> None:
    fast, rng = numba_or_skip(), np.random.default_rng(2)
    for _ in range(30):
        case = big_case(rng)
        slots, arrivals = Slots.of(case.values), case.arrivals
        numpy_way = pause_resume(Chooser(slots, step_ns=case.step), arrivals, with_pauses=True)
        numba_way = pause_resume(Chooser(slots, step_ns=case.step, fast=fast), arrivals, with_pauses=True)
        known = np.isfinite(run_now(Chooser(slots, step_ns=case.step), arrivals))
        assert np.array_equal(numpy_way.cost[known], numba_way.cost[known])
        assert numpy_way.n_pauses is not None
        assert numba_way.n_pauses is not None
        assert np.array_equal(numpy_way.n_pauses[known], numba_way.n_pauses[known])


def test_three_ways_find_the_same_cheapest_slots() -> None:
    fast, rng = numba_or_skip(), np.random.default_rng(3)
    for _ in range(300):
        n = int(rng.integers(1, 200))
        values = rng.integers(0, 50, n).astype(np.float64)
        values[rng.random(n) < 0.1] = np.nan
        slots, width = Slots.of(values), int(rng.integers(1, n + 1))
        k = int(rng.integers(0, width + 1))
        first = np.arange(n)
        lengths, ks = np.minimum(width, n - first), np.full(n, k)
        partition = least_by_partition(slots.values, first, lengths, ks)
        matrix = WaveletMatrix.of(ranking(slots)).least(first, lengths, ks, with_last=True)
        slide = fast.slide(ranking(slots), width, k, n)
        enough = np.array([np.isfinite(values[i : i + width]).sum() >= k for i in range(n)])
        for other in (matrix, slide):
            assert np.array_equal(partition.total[enough], other.total[enough])
            assert np.array_equal(partition.last[enough], other.last[enough])
            assert np.array_equal(partition.following[enough], other.following[enough])


# By hand


def test_parts_of_slots_count_by_the_part_used() -> None:
    # 2 1/2 slots in a window of 4: slots of 1 and 2 whole, half of the one of 3: 1 + 2 + 1.5
    slots = Slots.of(np.array([3.0, 9.0, 1.0, 2.0]))
    arrivals = Arrivals(first=np.array([0]), step_ns=2, duration_ns=5, slack_ns=3, n_slots=4)
    chooser = Chooser(slots, step_ns=2)
    assert run_now(chooser, arrivals).tolist() == [12.5]  # 3 + 9 + 0.5
    assert flexible_start(chooser, arrivals).tolist() == [11.0]  # 9 + 1 + half of 2
    assert pause_resume(chooser, arrivals).cost.tolist() == [4.5]


def test_the_last_part_of_a_window_is_used_when_it_is_cheaper() -> None:
    # one slot in a window of 1 1/2: half of the second slot at 1, half of the first at 5
    slots = Slots.of(np.array([5.0, 1.0]))
    arrivals = Arrivals(first=np.array([0]), step_ns=2, duration_ns=2, slack_ns=1, n_slots=2)
    found = pause_resume(Chooser(slots, step_ns=2), arrivals, with_pauses=True)
    assert found.cost.tolist() == [3.0]
    assert found.n_pauses is not None
    assert found.n_pauses.tolist() == [1]  # it stops half way through the first slot


@pytest.mark.parametrize(
    ("values", "wanted", "n_runs"),
    [
        ([1, 2, 1, 2, 2, 1], 4, 2),  # the gap of one slot is filled, that of two is not: 1 2 1 . . 1
        ([2, 2, 2, 2], 2, 1),  # all alike: it starts at once
        ([2, 9, 2, 2], 2, 2),  # the earliest start costs a pause
        ([1, 9, 2, 2, 9, 2], 2, 2),
    ],
)
def test_slots_that_cost_the_same_are_taken_for_few_pauses(
    values: list[int], wanted: int, n_runs: int
) -> None:
    array = np.array(values)
    assert count_runs(array, until_change(array), 0, len(values), 0, wanted, 2, 1) == n_runs


def test_flat_and_equal_windows_cost_the_same_to_the_bit() -> None:
    # 0.1 is no binary fraction, and sums of it depend on their order; those of slots do not
    rng = np.random.default_rng(4)
    values = np.repeat(rng.choice([0.1, 0.7, 123.456], 40), 25)
    chooser = Chooser(Slots.of(values), step_ns=10)
    arrivals = Arrivals(first=np.arange(0, 900), step_ns=10, duration_ns=73, slack_ns=31, n_slots=len(values))
    flat = np.array([len(set(values[i : i + 11])) == 1 for i in range(900)])
    assert flat.sum() > 100
    now = run_now(chooser, arrivals)[flat]
    assert np.array_equal(flexible_start(chooser, arrivals)[flat], now)
    assert np.array_equal(pause_resume(chooser, arrivals).cost[flat], now)


def test_rounding_to_whole_numbers_loses_nothing_that_counts() -> None:
    values = np.random.default_rng(5).uniform(-200.0, 1500.0, 105_120)
    slots = Slots.of(values)
    assert np.abs(slots.values / slots.scale - values).max() < 3e-11
    tiny = Slots.of(np.array([1e-300, 3e-300]))
    assert np.isfinite(tiny.scale)
    assert Slots.of(np.zeros(3)).values.tolist() == [0, 0, 0]


def test_no_slots_are_refused() -> None:
    with pytest.raises(SeriesError, match="at least one step"):
        Slots.of(np.empty(0))


def test_a_job_longer_than_the_slots_has_no_start() -> None:
    assert len(contiguous(Slots.of(np.ones(3)), 7, 2)) == 0
    assert contiguous(Slots.of(np.ones(3)), 6, 2).tolist() == [3.0 * Slots.of(np.ones(3)).scale]


def test_sliding_least_is_cut_at_the_end() -> None:
    values = np.random.default_rng(6).normal(size=50)
    for width in (1, 2, 3, 7, 50, 80):
        assert sliding_least(values, width).tolist() == [values[i : i + width].min() for i in range(50)]


def test_no_slot_is_below_and_none_above() -> None:
    found = least_by_partition(np.array([4, 2]), np.array([0]), np.array([2]), np.array([0]))
    assert (found.total.tolist(), found.last.tolist(), found.following.tolist()) == ([0], [LOWEST], [2])
    found = least_by_partition(np.array([4, 2]), np.array([0]), np.array([2]), np.array([2]))
    assert (found.total.tolist(), found.last.tolist(), found.following.tolist()) == ([6], [4], [BEYOND])


def test_numba_missing_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    compiled_module.compiled.cache_clear()
    with pytest.raises(MissingExtraError, match=r"lowtide\[fast\]"):
        compiled()
    compiled_module.compiled.cache_clear()
