"""Jobs of unknown duration, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_cases import NAN, S, job_of, site_of, window_of

from lowtide.errors import InputError
from lowtide.planning.durations import Durations, likely_start
from lowtide.planning.policies.run_now import run_through
from lowtide.planning.promise import emissions_g

H = 3600


def test_three_runs_are_needed() -> None:
    with pytest.raises(
        InputError, match="2 past runs do not tell how long the next one takes; finish at least 3"
    ):
        Durations.of([60.0, 70.0])
    with pytest.raises(InputError, match="a past run of 0 s cannot be"):
        Durations.of([0.0, 70.0, 80.0])


def test_p90_is_a_duration_that_was_seen() -> None:
    assert Durations.of([5.0, 3.0, 4.0]).p90_s == 5.0
    assert Durations.of([float(s) for s in range(1, 11)]).p90_s == 9.0  # nine of ten took 9 s or less
    assert Durations.of([float(s) for s in range(1, 12)]).p90_s == 10.0
    assert Durations.of([1.0, 2.0, 3.0, 4.0]).quantile_s(0.5) == 2.0
    with pytest.raises(InputError, match=r"a share of 1\.5 of the runs cannot be"):
        Durations.of([1.0, 2.0, 3.0]).quantile_s(1.5)


def test_survival_is_the_share_that_lasts() -> None:
    edges_s, share = Durations.of([H, H, 2 * H, 4 * H]).survival()
    assert edges_s.tolist() == [0.0, H, 2 * H, 4 * H]
    assert share.tolist() == [1.0, 0.5, 0.25]


def test_expected_emissions_by_hand() -> None:
    # runs of 1, 1 and 3 h at 1 kW from the second hour on: 10, 10 and 10 + 40 + 20, 30 on average
    site = site_of([50.0, 10.0, 40.0, 20.0, 100.0])
    found = likely_start(Durations.of([H, H, 3 * H]), site, window_of(5 * H), power_w=1000.0)
    assert found.start_ns == H * S
    assert found.expected_g == pytest.approx((10 + 10 + 70) / 3)
    assert found.expected_now_g == pytest.approx((50 + 50 + 100) / 3)
    assert found.saving_fraction == pytest.approx(1 - 90 / 200)
    assert (found.p_done, found.n_runs) == (1.0, 3)
    assert found.words == (
        "duration learnt from 3 runs: nine in ten took 3h or less; done by the deadline with 100% of them"
    )


def test_start_must_be_done_by_the_deadline_in_nine_of_ten() -> None:
    # ten runs, nine of an hour and one of four: the last hour is the cheapest and nine in ten end in time there
    runs = Durations.of([float(H)] * 9 + [4.0 * H])
    site = site_of([50.0, 50.0, 10.0, 50.0, 50.0, 50.0, 50.0])
    late = likely_start(runs, site, window_of(3 * H), power_w=1000.0)
    assert (late.start_ns, late.p_done) == (2 * H * S, 0.9)
    # two of four hours: eight in ten are not enough, so it starts when the long ones end in time: never
    runs = Durations.of([float(H)] * 8 + [4.0 * H] * 2)
    at_once = likely_start(runs, site, window_of(3 * H), power_w=1000.0)
    assert (at_once.start_ns, at_once.p_done, at_once.n_starts) == (0, 0.8, 1)
    in_time = likely_start(runs, site, window_of(5 * H), power_w=1000.0)
    assert (in_time.start_ns, in_time.p_done) == (0, 1.0)  # 50 + 0.2 * (50 + 10 + 50) at 0 h; more at 1 h


def test_a_minute_too_late_is_too_late() -> None:
    runs, site = Durations.of([float(H)] * 3), site_of([50.0, 40.0, 10.0, 10.0])
    assert likely_start(runs, site, window_of(3 * H), power_w=1.0).start_ns == 2 * H * S
    assert likely_start(runs, site, window_of(3 * H - 60), power_w=1.0).start_ns == H * S


def test_pue_counts_once() -> None:
    runs, window = Durations.of([H, H, H]), window_of(2 * H)
    plain = likely_start(runs, site_of([100.0, 50.0]), window, power_w=2000.0)
    more = likely_start(runs, site_of([100.0, 50.0], pue=1.5), window, power_w=2000.0)
    assert plain.expected_g == pytest.approx(100.0)
    assert more.expected_g == pytest.approx(150.0)


def test_starts_with_unknown_intensity_ahead_are_left_out() -> None:
    found = likely_start(
        Durations.of([H, H, 2 * H]), site_of([50.0, 40.0, 1.0, NAN]), window_of(4 * H), power_w=1.0
    )
    assert found.start_ns == H * S  # from 2 h on a run of two hours meets the unknown
    nothing = likely_start(Durations.of([H, H, 9 * H]), site_of([50.0, 40.0]), window_of(12 * H), power_w=1.0)
    assert (nothing.start_ns, nothing.expected_g, nothing.saving_fraction) == (0, None, None)


def test_equal_runs_are_a_known_duration() -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(10, 500, 30).tolist()
    runs = Durations.of([2.5 * H] * 5)
    found = likely_start(runs, site_of(values), window_of(30 * H), power_w=1000.0)
    job, site = job_of(2.5 * H, power_w=1000.0), site_of(values)
    best = min(emissions_g(run_through(job, site, h * H * S), [site]) for h in range(28))
    assert found.expected_g == pytest.approx(best)


@given(st.lists(st.integers(1, 6 * H), min_size=3, max_size=12), st.integers(0, 99))
def test_expectation_is_the_mean_over_the_runs(seconds: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).uniform(1, 500, 12).tolist()
    site, window = site_of(values), window_of(7 * H)
    found = likely_start(Durations.of(seconds), site, window, power_w=1000.0)
    jobs = [job_of(float(s), power_w=1000.0) for s in seconds]
    each = [emissions_g(run_through(job, site, found.start_ns), [site]) for job in jobs]
    assert found.expected_g == pytest.approx(float(np.mean(each)), rel=1e-9)
    in_time = sum(found.start_ns + s * S <= 7 * H * S for s in seconds) / len(seconds)
    assert found.p_done == pytest.approx(in_time)
    assert found.p_done >= 0.9
