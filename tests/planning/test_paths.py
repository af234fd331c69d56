"""The exact search on problems of real size: against a plain dynamic programme, and compiled against not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from planning_cases import job_of, points_of, site_of, window_of

from lowtide.model.planning import Infeasible, Job, Plan
from lowtide.planning.search import search
from lowtide.units import J_PER_KWH

CELL_S = 300
INF = math.inf


def dense(
    c: list[float], work_s: float, power_w: float, resume_j: float, resume_cells: int, idle_w: float
) -> float:
    """Return the least cost by the textbook programme over (cell, whole cells done, part done, on or off).

    Equal cells; a part of a cell is done at most once, from its start on; O(cells * work) and no bounds.
    """
    n, whole, part = len(c), int(work_s // CELL_S), work_s % CELL_S
    flags = (0, 1) if part else (0,)
    on = {f: [[INF] * (whole + 1) for _ in range(n + 1)] for f in flags}
    off = {f: [[INF] * (whole + 1) for _ in range(n + 1)] for f in flags}
    best = INF
    for j in range(n):
        run, idle = c[j] * power_w * CELL_S, c[j] * idle_w * CELL_S
        stop = c[j] * (power_w * part + idle_w * (CELL_S - part))
        warm = sum(c[j : j + resume_cells]) * CELL_S
        resume = (
            c[j] * resume_j if not resume_cells else warm * (power_w + resume_j / (resume_cells * CELL_S))
        )
        for f in flags:
            if not resume_cells:
                on[f][j] = [min(a, b + resume) for a, b in zip(on[f][j], off[f][j], strict=True)]
            elif j + resume_cells < n:
                later = on[f][j + resume_cells]
                on[f][j + resume_cells] = [min(a, b + resume) for a, b in zip(later, off[f][j], strict=True)]
        for f in flags:
            for i in range(whole + 1):
                stopped, here = min(on[f][j][i], off[f][j][i]), on[f][j][i]
                off[f][j + 1][i] = min(off[f][j + 1][i], stopped + idle)
                if f == 0 and i == 0:
                    here = 0.0
                if here == INF:
                    continue
                if i < whole:
                    on[f][j + 1][i + 1] = min(on[f][j + 1][i + 1], here + run)
                if f == 0 and part:
                    off[1][j + 1][i] = min(off[1][j + 1][i], here + stop)
                    if i == whole:
                        best = min(best, here + c[j] * power_w * part)
        for f in flags:
            if f == flags[-1]:
                best = min(best, on[f][j + 1][whole])
    return best


def weather(rng: np.random.Generator, n: int) -> list[float]:
    """Return intensities with days, drift and, half of the time, the rounding that makes ties."""
    days = 80 * np.sin(np.arange(n) / rng.uniform(8, 60) + rng.uniform(0, 6))
    values = 250 + days + np.cumsum(rng.normal(0, 6, n)) + rng.normal(0, 10, n)
    values = np.maximum(values, 0.0)
    return [float(v) for v in (np.round(values, -1) if rng.random() < 0.5 else values)]


def random_problem(rng: np.random.Generator, n: int):
    values = weather(rng, n)
    work_s = float(
        int(rng.uniform(0.2, 0.8) * n) * CELL_S + (rng.random() < 0.5) * rng.uniform(1, CELL_S - 1)
    )
    resume_j = float(rng.choice([0, 5e3, 5e4, 5e5]))
    resume_cells, idle_w = int(rng.choice([0, 0, 1, 2])), float(rng.choice([0, 0, 5, 40]))
    return values, round(work_s, 3), resume_j, resume_cells, idle_w


def planned(values, work_s, resume_j, resume_cells, idle_w, **options) -> Plan | Infeasible:
    job = job_of(work_s, resume_j=resume_j, resume_time_s=resume_cells * CELL_S, idle_power_w=idle_w)
    site = site_of(values, step_s=CELL_S)
    window = window_of(len(values) * CELL_S)
    return search("exact", job, [site], window, [job.points], **options)


def check_against_dense(seed: int, n_cases: int, n_cells: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(n_cases):
        values, work_s, resume_j, resume_cells, idle_w = random_problem(rng, n_cells)
        plan = planned(values, work_s, resume_j, resume_cells, idle_w, fast=False)
        assert isinstance(plan, Plan)
        expected = dense(values, work_s, 100.0, resume_j, resume_cells, idle_w)
        assert plan.emissions_g == pytest.approx(expected / J_PER_KWH, rel=1e-10)
        assert plan.lower_bound_g == plan.emissions_g


def test_search_equals_the_plain_programme() -> None:
    check_against_dense(seed=1, n_cases=25, n_cells=80)


@pytest.mark.slow
def test_search_equals_the_plain_programme_on_days_of_five_minutes() -> None:
    check_against_dense(seed=2, n_cases=60, n_cells=288)


def test_compiled_and_interpreted_plans_are_equal() -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(3)
    for _ in range(12):
        problem = random_problem(rng, 150)
        assert planned(*problem, fast=True) == planned(*problem, fast=False)


def test_compiled_and_interpreted_plans_over_sites_and_points_are_equal() -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(4)
    menu = points_of((1.0, 300.0), (0.8, 200.0), (1.6, 560.0))
    for _ in range(6):
        sites = [site_of(weather(rng, 40), zone=zone, step_s=1800) for zone in "ABC"]
        job = Job(
            work_s=float(rng.uniform(4, 15)) * 3600, points=menu, resume_energy_kwh=0.01, resume_time_s=600.0,
            idle_power_w=float(rng.choice([0, 20])), migrate_energy_kwh=0.02, migrate_time_s=900.0,
        )  # fmt: skip
        plans = [
            search("exact", job, sites, window_of(20 * 3600), [menu] * 3, fast=fast) for fast in (True, False)
        ]
        assert plans[0] == plans[1]


def test_too_few_labels_leave_a_gap_that_is_told() -> None:
    rng = np.random.default_rng(5)
    told = 0
    for _ in range(10):
        values, work_s, _, _, _ = random_problem(rng, 120)
        exact = planned(values, work_s, 5e4, 1, 60.0, fast=False)
        rough = planned(values, work_s, 5e4, 1, 60.0, fast=False, most_at_node=1)
        assert isinstance(exact, Plan)
        assert isinstance(rough, Plan)
        assert rough.lower_bound_g <= exact.emissions_g * (1 + 1e-12)
        assert rough.emissions_g >= exact.emissions_g * (1 - 1e-12)
        told += rough.gap_fraction > 0.0
    assert told > 0


def test_limit_on_pauses_is_kept_and_costs_more_the_tighter_it_is() -> None:
    rng = np.random.default_rng(6)
    site = site_of(weather(rng, 96), step_s=1800)
    grams = []
    for most in (0, 1, 2, 4, 8, None):
        job = job_of(20.2 * 3600, resume_j=1e4, max_pauses=most)
        plan = search("exact", job, [site], window_of(48 * 3600), [job.points])
        assert isinstance(plan, Plan)
        assert most is None or plan.n_pauses <= most
        assert plan.lower_bound_g == plan.emissions_g
        grams.append(plan.emissions_g)
    assert grams == sorted(grams, reverse=True)
