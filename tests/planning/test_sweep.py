"""Sweeps worked by hand, and what must hold of any."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.errors import InputError, QuantityError
from lowtide.model.signal import Signal
from lowtide.planning.starts import arrivals_every, arrivals_per_month, slot_grid
from lowtide.planning.sweep import sweep
from lowtide.planning.swept import Slack, SweepJob, SweepResult, SweepRow
from lowtide.quantities import parse_instant_ns
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H

ALL = ("run-now", "flexible-start", "pause-resume")
START_NS = parse_instant_ns("2026-01-01T00:00Z")


def series_of(
    values: object,
    *,
    zone: str | None = "DE",
    step_ns: int = NS_PER_H,
    start_ns: int = START_NS,
    **signal: object,
) -> IntensitySeries:
    array = np.asarray(values, dtype=np.float64)
    edges_ns = start_ns + np.arange(len(array) + 1) * step_ns
    return IntensitySeries.of(edges_ns, array, signal=Signal(zone=zone, source="made up", **signal))


def one(result: SweepResult, policy: str) -> SweepRow:
    (row,) = [row for row in result.rows if row.policy == policy]
    return row


# By hand


def test_means_of_a_small_year() -> None:
    # 2 h within 1 h more, of 100 200 400 100: windows 100 200 400 and 200 400 100
    # run-now 300, 600; flexible start 300, 500; pause-resume 300 (100 200), 300 (200 . 100)
    result = sweep(["2h"], series_of([100, 200, 400, 100]), slacks=["1h"], policies=ALL)
    now, start, pause = (one(result, policy) for policy in ALL)
    assert (now.n_starts, start.n_starts, pause.n_starts) == (2, 2, 2)
    assert now.mean_baseline_g == start.mean_baseline_g == 225.0  # (150 + 300) / 2 per kWh
    assert (now.mean_emissions_g, start.mean_emissions_g, pause.mean_emissions_g) == (225.0, 200.0, 150.0)
    assert now.mean_saving_fraction == now.ratio_saving_fraction == 0.0
    assert start.mean_saving_fraction == pytest.approx((0 + 1 / 6) / 2)
    assert start.ratio_saving_fraction == pytest.approx(1 - 200 / 225)
    assert pause.mean_saving_fraction == pytest.approx((0 + 1 / 2) / 2)
    assert pause.pauses_per_hour == pytest.approx((0 + 1) / 2 / 3)  # of 3 h of slack + duration
    assert (now.pauses_per_hour, start.pauses_per_hour) == (0.0, 0.0)


def test_grams_are_of_the_energy_of_the_job() -> None:
    job = SweepJob(name="fine-tuning", duration_s=7200.0, energy_kwh=3.0)
    row = sweep([job], series_of([100, 300]), slacks=[0], policies=["run-now"]).rows[0]
    assert (row.job, row.mean_baseline_g, row.energy_kwh) == ("fine-tuning", 600.0, 3.0)


def test_last_step_counts_by_its_part() -> None:
    # 1 h 30 of 100 400 100: 100 + 200 and 400 + 50 over 1.5 h, and the last start does not fit
    row = sweep(["1h30m"], series_of([100, 400, 100]), slacks=["0h"], policies=["run-now"]).rows[0]
    assert row.n_starts == 2
    assert row.mean_baseline_g == pytest.approx((300 + 450) / 1.5 / 2)


@pytest.mark.parametrize(("edge", "n_starts"), [("drop", 10 - 5 + 1), ("cut", 10 - 2 + 1)])
def test_edges_of_the_data(edge: str, n_starts: int) -> None:
    result = sweep(["2h"], series_of(range(10, 0, -1)), slacks=["3h"], policies=ALL, edge=edge)
    assert {row.n_starts for row in result.rows} == {n_starts}


def test_cut_windows_end_with_the_data() -> None:
    # the last start of falling values has no room to wait, the one before it an hour
    row = sweep(["1h"], series_of([3, 2, 1]), slacks=["9h"], policies=["flexible-start"], edge="cut").rows[0]
    assert row.mean_emissions_g == 1.0
    assert row.mean_baseline_g == 2.0


def test_unknown_slots_are_never_chosen_and_starts_that_meet_them_are_left_out() -> None:
    nan = float("nan")
    # starts at 0 (10), 2 (30), 3 (20); the one at 1 is unknown; 1 h within 1 h more
    result = sweep(["1h"], series_of([10, nan, 30, 20, 50]), slacks=["1h"], policies=ALL)
    for policy, mean_g in (("run-now", 20.0), ("flexible-start", 50 / 3), ("pause-resume", 50 / 3)):
        row = one(result, policy)
        assert (row.n_starts, row.n_unknown) == (3, 1)
        assert row.mean_emissions_g == pytest.approx(mean_g)  # 10, 20 and 20
    assert result.zones[0].n_unknown_slots == 1


def test_nothing_known_is_unknown_everywhere() -> None:
    row = sweep(["1h"], series_of([float("nan")] * 3), slacks=["1h"]).rows[0]
    assert (row.n_starts, row.n_unknown) == (0, 2)
    assert row.mean_saving_fraction is row.ratio_saving_fraction is row.mean_emissions_g is None
    assert row.mean_baseline_g is row.pauses_per_hour is None


def test_starts_that_emit_nothing_save_no_fraction_of_it() -> None:
    # run-now 0, -2, 4; best within 1 h more -2, -2, 4 (the last hour is 5)
    values, slacks = [0.0, -2.0, 4.0, 5.0], ["1h"]
    row = sweep(["1h"], series_of(values, basis="marginal"), slacks=slacks, policies=["flexible-start"]).rows[
        0
    ]
    assert (row.n_starts, row.n_not_positive) == (3, 2)
    assert row.mean_saving_fraction == 0.0  # of the only start with a positive run-now
    assert row.ratio_saving_fraction == pytest.approx(1 - 0 / (2 / 3))
    row = sweep(["1h"], series_of([-1.0, -2.0], basis="marginal"), slacks=["0h"]).rows[0]
    assert row.mean_saving_fraction is row.ratio_saving_fraction is None
    assert row.mean_emissions_g == -1.5


def test_yearly_mean_says_nothing_about_time() -> None:
    result = sweep(["2h"], series_of([300] * 9, time_resolved=False), slacks=["3h"], policies=ALL)
    assert one(result, "run-now").mean_saving_fraction == 0.0
    for policy in ALL[1:]:
        row = one(result, policy)
        assert row.mean_saving_fraction is row.ratio_saving_fraction is row.mean_emissions_g is None
        assert (row.mean_baseline_g, row.n_starts) == (300.0, 5)


def test_slack_in_percent_is_of_each_job() -> None:
    rows = sweep(["2h", "4h"], series_of(range(100)), slacks=["50%"], policies=["run-now"]).rows
    assert [(row.slack, row.slack_h, row.n_starts) for row in rows] == [("50%", 1.0, 98), ("50%", 2.0, 95)]


def test_rows_nest_job_zone_policy_slack() -> None:
    zones = {"A": series_of(range(50), zone="A"), "B": series_of(range(50), zone="B")}
    result = sweep(["1h", "2h"], zones, slacks=["1h", "2h"], policies=ALL[1:])
    keys = [(row.job, row.zone, row.policy, row.slack) for row in result.rows]
    assert keys == sorted(keys)
    assert len(keys) == 16
    assert sweep(["1h", "2h"], zones, slacks=["1h", "2h"], policies=ALL[1:], n_threads=2) == result


def test_means_over_zones_count_zones_alike() -> None:
    zones = {
        "A": series_of([100, 50]),
        "B": series_of([200, 200]),
        "C": series_of([7, 7], time_resolved=False),
    }
    (mean,) = sweep(["1h"], zones, slacks=["1h"], policies=["flexible-start"]).over_zones()
    assert (mean.n_zones, mean.mean_saving_fraction) == (2, 0.25)
    assert (mean.mean_baseline_g, mean.mean_emissions_g) == (150.0, 125.0)


def test_pauses_can_be_left_uncounted() -> None:
    rows = sweep(["2h"], series_of([1, 9, 1, 9]), slacks=["1h"], with_pauses=False).rows
    assert [row.pauses_per_hour for row in rows] == [0.0, None]


def test_engines_agree() -> None:
    pytest.importorskip("numba")
    values = np.random.default_rng(1).normal(300, 100, 500).round()
    results = [
        sweep(["3h", "5h30m"], series_of(values), slacks=["12h", "45%"], policies=ALL, engine=engine)
        for engine in ("numpy", "numba")
    ]
    assert results[0] == results[1]


# Slots and starts


def test_a_slot_shorter_than_the_step_holds_its_value() -> None:
    series = series_of([100, 200])
    assert slot_grid(series, slot_s=1200.0).values.tolist() == [100] * 3 + [200] * 3
    fine = sweep(["20m"], series, slacks=["1h"], slot_s=1200.0, policies=["flexible-start"]).rows[0]
    assert (fine.n_starts, fine.mean_emissions_g) == (3, 100.0)


def test_steps_of_different_length_share_the_shortest() -> None:
    edges_ns = START_NS + np.array([0, 2, 3, 4]) * NS_PER_H
    series = IntensitySeries.of(edges_ns, [1.0, 2.0, 3.0], signal=Signal(zone="GB", source="made up"))
    grid = slot_grid(series)
    assert (grid.step_ns, grid.values.tolist()) == (NS_PER_H, [1.0, 1.0, 2.0, 3.0])


def test_slots_that_cut_a_step_are_refused_with_one_that_works() -> None:
    with pytest.raises(InputError, match=r"step of 1h .* no whole number of slots of 7m; give --slot 1h"):
        slot_grid(series_of([1, 2]), slot_s=420.0)
    with pytest.raises(InputError, match="too short"):
        slot_grid(series_of([1, 2]), slot_s=0.0)


def test_starts_every_so_often() -> None:
    grid = slot_grid(series_of(range(10)))
    assert arrivals_every(grid, 3 * 3600.0).tolist() == [0, 3, 6, 9]
    with pytest.raises(InputError, match="every 1h30m do not all fall on slots of 1h"):
        arrivals_every(grid, 5400.0)


def test_starts_are_drawn_from_each_month_once() -> None:
    grid = slot_grid(series_of(np.zeros(365 * 24)))
    drawn = arrivals_per_month(grid, None, n_per_month=5, rng=np.random.default_rng(3))
    months = (np.datetime64("2026-01-01T00") + drawn).astype("datetime64[M]")
    assert np.unique(months, return_counts=True)[1].tolist() == [5] * 12
    assert (np.diff(drawn) > 0).all()
    daily = arrivals_per_month(grid, 86400.0, n_per_month=40, rng=np.random.default_rng(3))
    assert daily.tolist() == list(range(0, 365 * 24, 24))  # months have fewer, and are taken whole


def test_zones_with_the_same_slots_get_the_same_draw() -> None:
    values = np.random.default_rng(1).normal(300, 50, 2000)
    zones = {"A": series_of(values), "B": series_of(values)}
    rows = sweep(["6h"], zones, starts_per_month=9, rng=np.random.default_rng(5), policies=["run-now"]).rows
    assert rows[0].mean_baseline_g == rows[1].mean_baseline_g


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"jobs": []}, "no job to sweep"),
        ({"slacks": []}, "no slack to sweep"),
        ({"policies": []}, "no policy to sweep"),
        ({"series_by_zone": {}}, "no zone to sweep"),
        ({"jobs": ["1h", "1h"]}, "two jobs are called '1h'"),
        ({"jobs": ["0h"]}, "lasts 0 s"),
        ({"policies": ["flexible"]}, "no policy 'flexible'; did you mean flexible-start"),
        ({"edge": "wrap"}, "no edge 'wrap'"),
        ({"engine": "gpu"}, "no engine 'gpu'"),
        ({"slacks": [-1.0]}, "a slack of -1.0 s cannot be"),
        ({"slacks": ["9h"]}, "fits into 4h of data; pass --edge cut"),
        ({"jobs": ["5h"], "edge": "cut"}, "fits into 4h of data; give a longer series"),
        ({"starts_per_month": 5}, "give an rng"),
        ({"starts_per_month": 0, "rng": np.random.default_rng(1)}, "give 1 or more"),
    ],
)
def test_wrong_values_are_refused(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {
        "jobs": ["1h"],
        "series_by_zone": series_of([1, 2, 3, 4]),
        "slacks": ["1h"],
    }
    arguments |= change
    with pytest.raises(InputError, match=message):
        sweep(arguments.pop("jobs"), arguments.pop("series_by_zone"), **arguments)  # type: ignore[arg-type]


def test_slack_without_a_unit_is_refused() -> None:
    with pytest.raises(QuantityError, match="write it like"):
        Slack.of("24")


# Laws

signals = st.lists(st.floats(1.0, 1000.0), min_size=8, max_size=60).map(lambda values: series_of(values))


@given(signals, st.integers(1, 90), st.lists(st.integers(0, 90), min_size=2, max_size=4, unique=True))
@settings(max_examples=60)
def test_more_slack_never_costs_and_pausing_never_does(
    series: IntensitySeries, job_10min: int, slacks_10min: list[int]
) -> None:
    job = SweepJob(name="job", duration_s=min(job_10min * 600.0, series.duration_s))
    slacks = [slack * 600.0 for slack in sorted(slacks_10min)]
    result = sweep([job], series, slacks=slacks, policies=ALL, edge="cut")
    grams = {p: [row.mean_emissions_g for row in result.rows if row.policy == p] for p in ALL}
    for policy in ALL:
        assert all(more <= less * (1 + 1e-12) for less, more in pairwise(grams[policy]))
    for now, start, pause in zip(*grams.values(), strict=True):
        assert pause <= start * (1 + 1e-12) <= now * (1 + 2e-12)


@given(st.floats(0.001, 5000.0), st.integers(1, 100), st.integers(0, 100))
@settings(max_examples=40)
def test_flat_intensity_saves_exactly_nothing(value: float, job_10min: int, slack_10min: int) -> None:
    job = SweepJob(name="job", duration_s=job_10min * 600.0)
    rows = sweep([job], series_of([value] * 40), slacks=[slack_10min * 600.0], edge="cut").rows
    assert [row.mean_saving_fraction for row in rows] == [0.0, 0.0]
    assert [row.pauses_per_hour for row in rows] == [0.0, 0.0]


@given(signals, st.floats(0.01, 100.0))
@settings(max_examples=30)
def test_scaled_intensity_scales_emissions_and_leaves_savings(series: IntensitySeries, factor: float) -> None:
    scaled = series_of(series.intensity_g_per_kwh * factor)
    for row, other in zip(
        sweep(["2h30m"], series, slacks=["3h"], edge="cut").rows,
        sweep(["2h30m"], scaled, slacks=["3h"], edge="cut").rows,
        strict=True,
    ):
        assert other.mean_emissions_g == pytest.approx(row.mean_emissions_g * factor, rel=1e-12)
        assert other.mean_saving_fraction == pytest.approx(row.mean_saving_fraction, abs=1e-12)


def test_shifting_time_shifts_nothing_else() -> None:
    values = np.random.default_rng(8).normal(300, 50, 100)
    later = series_of(values, start_ns=START_NS + 17 * NS_PER_H)
    assert sweep(["3h"], later).rows == sweep(["3h"], series_of(values)).rows
