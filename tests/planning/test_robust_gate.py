"""The gate before shifting."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from planning_cases import S, job_of, site_of, window_of

from lowtide.errors import InputError
from lowtide.forecasting.history import DAY_NS, history_until
from lowtide.forecasting.methods import persistence_day
from lowtide.grid.files import read_intensity
from lowtide.model.planning import Plan
from lowtide.planning.plan import plan as plan_all
from lowtide.planning.policies import flexible_start, run_now
from lowtide.planning.regret import regret
from lowtide.planning.robust import Gate, Gated, gate_from, groups_of, through_gate, tried_gate
from lowtide.planning.shifting import Asked, Shifted
from shared_data import data_path

H = 3600
NAN = float("nan")


def starts_of(n: int, *, every_h: int = 24) -> np.ndarray:
    return np.arange(n) * every_h * H * S


def shifted_of(now: list[float], plan: list[float], promised: list[float]) -> Shifted:
    return Shifted(now=np.array(now), plan=np.array(plan), promised_saving=np.array(promised))


def test_promises_that_were_not_kept_are_gated_out() -> None:
    # 5 % was promised and 20 % lost, 30 % promised and 30 % saved: the lowest gate that keeps the second
    found = gate_from(shifted_of([100.0] * 4, [120.0, 70.0] * 2, [0.05, 0.3] * 2), starts_of(4))
    assert found.least_promise_fraction == 0.06
    assert (found.record.n_starts, found.record.n_shifted) == (4, 2)
    assert found.record.total_change_fraction == pytest.approx(-0.15)
    assert found.record.worst_start_fraction == 0.0


def test_good_promises_open_the_gate() -> None:
    found = gate_from(shifted_of([100.0] * 3, [80.0, 90.0, 101.0], [0.2, 0.1, 0.0]), starts_of(3))
    assert found.least_promise_fraction == 0.01  # what promised nothing lost 1 %
    assert found.record.total_change_fraction == pytest.approx(-0.1)


def test_nothing_is_shifted_where_no_gate_keeps_the_tolerance() -> None:
    found = gate_from(shifted_of([100.0] * 2, [150.0, 140.0], [0.9, 0.9]), starts_of(2))
    assert found.least_promise_fraction == inf
    assert found.record.total_change_fraction == 0.0
    assert found.words.startswith("never shift: no gate kept every group of past starts (tolerance 1%)")


def test_every_hour_of_the_day_is_a_group() -> None:
    # at noon shifting saves half, at midnight it loses 2 %: in total fine, at midnight not
    now, plan = [100.0] * 20, [50.0, 102.0] * 10
    starts = starts_of(20, every_h=12)
    assert gate_from(shifted_of(now, plan, [0.3, 0.3] * 10), starts).least_promise_fraction == inf
    loose = gate_from(shifted_of(now, plan, [0.3, 0.3] * 10), starts, tolerance_fraction=0.02)
    assert loose.record.worst_group_fraction == pytest.approx(0.02)
    assert loose.record.total_change_fraction == pytest.approx(-0.24)
    assert loose.record.worst_start_fraction == pytest.approx(0.02)


def test_groups_are_quarters_and_hours() -> None:
    blocks, hours = groups_of(np.array([0, 25 * H * S, 90 * DAY_NS]))
    assert (blocks.tolist(), hours.tolist()) == ([0, 0, 1], [0, 1, 0])


def test_unknown_starts_do_not_count() -> None:
    found = gate_from(shifted_of([100.0, NAN], [50.0, NAN], [0.5, 0.5]), starts_of(2))
    assert found.record.n_starts == 1
    with pytest.raises(InputError, match="no past start with a known window"):
        gate_from(shifted_of([NAN], [NAN], [0.5]), starts_of(1))


def test_negative_totals_are_compared_by_their_size() -> None:
    # -100 becomes -90: 10 % worse
    found = gate_from(shifted_of([-100.0], [-90.0], [0.5]), starts_of(1), tolerance_fraction=0.2)
    assert found.record.total_change_fraction == 0.0  # not shifting is better, and allowed
    worse = gate_from(shifted_of([-100.0], [-110.0], [0.5]), starts_of(1))
    assert worse.record.total_change_fraction == pytest.approx(-0.1)


def test_negative_tolerance_is_refused() -> None:
    with pytest.raises(InputError, match=r"a tolerance of -0\.01 is negative; give 0\.01 for 1 %"):
        gate_from(shifted_of([1.0], [1.0], [0.0]), starts_of(1), tolerance_fraction=-0.01)


def test_gates_tried_on_the_past_alone_shift_nothing_at_first() -> None:
    n = 270  # three quarters, a start a day, each saving half
    found = tried_gate(shifted_of([100.0] * n, [50.0] * n, [0.5] * n), starts_of(n), window_ns=DAY_NS)
    assert (found.n_starts, found.n_shifted) == (270, 180)
    assert found.total_change_fraction == pytest.approx(-0.5 * 180 / 270)


def test_a_start_that_is_not_over_teaches_nothing() -> None:
    # only the very last start of the first quarter warns; its window ends in the second
    n = 180
    plan = [50.0] * n
    plan[89] = 10_000.0
    shifted = shifted_of([100.0] * n, plan, [0.5] * n)
    assert tried_gate(shifted, starts_of(n), window_ns=2 * DAY_NS).n_shifted == 90
    assert tried_gate(shifted, starts_of(n), window_ns=DAY_NS).n_shifted == 0


def test_plan_passes_the_gate_by_its_promise() -> None:
    job, site, window = job_of(H), site_of([100.0, 95.0, 80.0]), window_of(3 * H)
    plan, now = flexible_start.plan(job, [site], window), run_now.plan(job, [site], window)
    assert isinstance(plan, Plan)
    assert isinstance(now, Plan)
    record = gate_from(shifted_of([1.0], [1.0], [0.0]), starts_of(1)).record

    def gate(least: float) -> Gate:
        return Gate(least_promise_fraction=least, tolerance_fraction=0.01, record=record)

    assert through_gate(plan, now, gate(0.19)) is plan  # it promises 20 %
    assert through_gate(plan, now, gate(0.21)) is now
    assert through_gate(plan, now, gate(inf)) is now
    low, high = (Gated(policy=flexible_start, gates={"A": gate(least)}) for least in (0.1, 0.3))
    assert low.plan(job, [site], window) == plan
    gated = plan_all(job, [site], window, policies=[high]).plans[0]
    assert (gated.policy, gated.start_ns, gated.saving_fraction) == ("flexible-start", 0, 0.0)
    elsewhere = Gated(policy=flexible_start, gates={"B": gate(inf)})
    assert elsewhere.plan(job, [site], window) == plan


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["DE", "US-CAL-CISO", "GB"])
def test_four_years_of_repeating_yesterday_stay_within_one_percent(zone: str) -> None:
    series = read_intensity(data_path("ci_hourly_electricitymaps_2021_2024.parquet"), zone=zone)
    found = regret(history_until(series), [persistence_day], Asked(duration_s=6 * H, slack_s=24 * H))
    yesterday = found.shifted["persistence-day"]
    gate = gate_from(yesterday, found.starts_ns)
    assert gate.record.worst_group_fraction <= 0.01
    assert gate.record.total_change_fraction <= 0.0
    now = yesterday.now
    emitted = np.where(yesterday.promised_saving >= gate.least_promise_fraction, yesterday.plan, now)
    for group in groups_of(found.starts_ns):
        assert (np.bincount(group, emitted) <= 1.01 * np.bincount(group, now) + 1e-6).all()
    # chosen on the past alone it still never loses more than a percent in total
    tried = tried_gate(yesterday, found.starts_ns, window_ns=30 * H * S)
    assert tried.total_change_fraction <= 0.01
