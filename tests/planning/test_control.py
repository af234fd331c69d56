"""The controller: the deadline before everything, exact plans before it, and the same answer to the same view."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.model.planning import Job, OperatingPoint
from lowtide.model.signal import Signal
from lowtide.planning.control import View, decide
from lowtide.planning.simulate import Executed, simulate
from lowtide.planning.sites import SiteOption
from lowtide.series.types import IntensitySeries
from lowtide.testing.builders import START_NS, intensity_series
from lowtide.units import NS_PER_H

HOUR_S = 3600.0
POINT = OperatingPoint(throughput=1.0, power_w=1000.0)
JOB = Job(work_s=2 * HOUR_S, points=(POINT,))
UNKNOWN = float("nan")


def site(values: list[float]) -> SiteOption:
    return SiteOption(zone="DE", intensity=intensity_series(values))


def view(values: list[float], *, hour: float = 0.0, deadline_h: float | None = None, **changes: Any) -> View:
    deadline_h = len(values) if deadline_h is None else deadline_h
    given = View(
        now_ns=START_NS + round(hour * NS_PER_H), job=JOB, site=site(values),
        deadline_ns=START_NS + round(deadline_h * NS_PER_H), margin_fraction=0.0,
    )  # fmt: skip
    return replace(given, **changes)


def test_start_waits_for_the_best_hours() -> None:
    # of five hours, 2 and 3 are the cleanest
    decision = decide(view([300.0, 200.0, 100.0, 100.0, 300.0]))
    assert (decision.act, decision.until_ns) == ("hold", START_NS + 2 * NS_PER_H)
    assert "saves 60.0% against going on at once" in decision.why  # 200 instead of 500
    assert decide(view([300.0, 200.0, 100.0, 100.0, 300.0], hour=2)).act == "run"


def test_small_saving_is_not_waited_for() -> None:
    decision = decide(view([100.0, 99.0, 99.0, 100.0]))
    assert decision.act == "run"
    assert "waiting would save 0.5%, less than 3%" in decision.why  # 198 instead of 199


def test_no_slack_runs_whatever_the_grid_says() -> None:
    decision = decide(view([900.0, 1.0, 1.0, 1.0], deadline_h=2.0))
    assert (decision.act, decision.why) == ("run", "no slack is left before the deadline")
    late = decide(view([900.0, 1.0, 1.0, 1.0], deadline_h=2.0, hour=1))
    assert late.act == "run"  # it will be late, and later if it waits


def test_margin_is_kept_free() -> None:
    # two hours and half of that: 3 h before the deadline at 4 h, so from 1 h on
    assert view([1.0] * 4, margin_fraction=0.5).latest_ns == START_NS + NS_PER_H
    assert decide(view([9.0, 9.0, 1.0, 1.0], margin_fraction=0.5, hour=1)).act == "run"


def test_job_that_took_longer_than_its_margin_is_never_stopped() -> None:
    decision = decide(view([1.0] * 4, may_pause=True, begun="running", done_s=2 * HOUR_S))
    assert decision.act == "run"
    assert "longer than expected" in decision.why


def test_begun_job_that_may_not_pause_runs_on() -> None:
    decision = decide(view([900.0, 900.0, 1.0, 1.0, 1.0], begun="running", done_s=60.0))
    assert decision.act == "run"
    assert "not to be interrupted" in decision.why


def test_pause_is_worth_its_cost_or_not_made() -> None:
    values = [300.0, 100.0, 150.0, 300.0]
    free = decide(view(values, may_pause=True, begun="running"))
    assert (free.act, free.until_ns) == ("hold", START_NS + NS_PER_H)
    dear = decide(view(values, may_pause=True, begun="running", job=replace(JOB, resume_energy_kwh=2.0)))
    assert dear.act == "run"  # 450 against 400


def test_paused_job_is_resumed_in_time_for_its_resume() -> None:
    job = replace(JOB, resume_time_s=HOUR_S)
    values = [500.0, 500.0, 400.0, 400.0, 400.0]
    paused = view(values, may_pause=True, begun="paused", job=job)
    assert paused.latest_ns == START_NS + 2 * NS_PER_H  # an hour of resuming and two of work before 5 h
    assert decide(paused).until_ns <= paused.latest_ns
    assert decide(replace(paused, now_ns=paused.latest_ns)).act == "run"


def test_run_too_short_to_begin_is_left_out_and_done_later() -> None:
    # two hours of work, a minute of it in the first clean minute of now: [clean minute] dirty hours, clean hour
    hour, minute = NS_PER_H, NS_PER_H // 60
    edges = np.array([0, minute, 3 * hour, 5 * hour - minute, 8 * hour], dtype=np.int64) + START_NS
    series = IntensitySeries.of(
        edges, np.array([100.0, 500.0, 100.0, 500.0]), signal=Signal(zone="DE", source="a test")
    )
    given = replace(view([1.0] * 8, may_pause=True), site=SiteOption(zone="DE", intensity=series))
    eager = decide(given)
    assert (eager.act, eager.until_ns) == ("run", START_NS + minute)  # one minute, and off again
    calm = decide(replace(given, least_s=120.0))
    assert (calm.act, calm.until_ns) == ("hold", START_NS + 3 * hour)
    assert "a run of 1min is not worth its start" in calm.why or "not worth its start" in calm.why
    assert decide(replace(given, least_s=60.0)).act == "run"  # long enough
    no_slack = replace(given, least_s=120.0, deadline_ns=START_NS + 5 * hour - minute)
    assert decide(no_slack).act in ("run", "hold")
    assert decide(replace(given, least_s=120.0, deadline_ns=START_NS + 2 * hour)).act == "run"


def test_pause_too_short_to_make_is_run_through() -> None:
    minute = NS_PER_H // 60
    edges = np.array([0, minute, 5 * NS_PER_H], dtype=np.int64) + START_NS
    series = IntensitySeries.of(edges, np.array([900.0, 100.0]), signal=Signal(zone="DE", source="a test"))
    given = replace(
        view([1.0] * 5, may_pause=True, begun="running", job=replace(JOB, work_s=HOUR_S)),
        site=SiteOption(zone="DE", intensity=series), min_saving_fraction=0.0,
    )  # fmt: skip
    assert decide(given).act == "hold"
    calm = decide(replace(given, least_s=120.0))
    assert calm.act == "run"
    assert "a pause of less than" in calm.why
    assert decide(replace(given, least_s=120.0, begun="paused")).act == "hold"  # it stands already


def test_without_a_forecast_the_last_plan_is_followed_until_the_slack_ends() -> None:
    known = view([300.0, 200.0, 100.0, 100.0, 300.0])
    first = decide(known)
    blind = replace(known, site=site([UNKNOWN] * 5), plan=first.plan)
    decision = decide(blind)
    assert (decision.act, decision.until_ns) == ("hold", START_NS + 2 * NS_PER_H)
    assert "the last one is followed" in decision.why
    assert decide(replace(blind, now_ns=START_NS + 2 * NS_PER_H)).act == "run"
    assert decide(replace(blind, plan=None)).act == "run"  # nothing to go by: at once


def test_same_view_gets_the_same_answer() -> None:
    one = view([300.0, 200.0, 100.0, 100.0, 300.0], may_pause=True)
    assert decide(one) == decide(one)


# On a virtual clock


def carried_out(values: list[float], job: Job = JOB, *, deadline_h: float, **options: Any) -> Executed:
    truth = site(values)
    given: dict[str, Any] = {"known_at": lambda _: truth.intensity, "margin_fraction": 0.0} | options
    deadline_ns = START_NS + round(deadline_h * NS_PER_H)
    return simulate(job, truth, start_ns=START_NS, deadline_ns=deadline_ns, **given)


def test_perfect_knowledge_carries_out_its_first_plan_to_the_digit() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        values = rng.integers(50, 500, 24).astype(float).tolist()
        job = replace(JOB, work_s=6 * HOUR_S, resume_energy_kwh=float(rng.choice([0.0, 0.05])))
        done = carried_out(values, job, deadline_h=24, may_pause=True, min_saving_fraction=0.0)
        assert done.first is not None
        assert done.plan.emissions_g == pytest.approx(done.first.emissions_g, rel=1e-9)
        assert done.plan.work_s == pytest.approx(6 * HOUR_S)
        assert done.deadline_met


def stretches_s(done: Executed) -> list[tuple[str, float]]:
    """Return runs and pauses of a simulated job, in order [s]."""
    runs = [(s.start_ns, s.end_ns) for s in done.plan.segments if s.kind == "run"]
    joined = [runs[0]]
    for start, end in runs[1:]:
        joined[-1:] = [(joined[-1][0], end)] if start == joined[-1][1] else [joined[-1], (start, end)]
    found: list[tuple[str, float]] = []
    for i, (start, end) in enumerate(joined):
        if i:
            found.append(("pause", (start - joined[i - 1][1]) / 1e9))
        found.append(("run", (end - start) / 1e9))
    return found


@given(seed=st.integers(0, 10**6), work_min=st.integers(61, 200), slack_h=st.integers(1, 4))
@settings(max_examples=15)
def test_no_run_and_no_pause_is_too_short_and_the_deadline_is_met(
    seed: int, work_min: int, slack_h: int
) -> None:
    rng = np.random.default_rng(seed)
    step = NS_PER_H // 60 * int(rng.choice([4, 15, 60]))
    n = (int(work_min / 60) + slack_h + 2) * NS_PER_H // step
    edges = START_NS + np.arange(n + 1, dtype=np.int64) * step
    values = rng.integers(50, 500, n).astype(float)
    truth = SiteOption(
        zone="DE", intensity=IntensitySeries.of(edges, values, signal=Signal(zone="DE", source="a test"))
    )
    job, least_s = Job(work_s=60.0 * work_min, points=(POINT,)), 300.0
    deadline_ns = START_NS + work_min * NS_PER_H // 60 + slack_h * NS_PER_H
    options: dict[str, Any] = {
        "known_at": lambda _: truth.intensity,
        "margin_fraction": 0.0,
        "may_pause": True,
    }
    done = simulate(job, truth, start_ns=START_NS, deadline_ns=deadline_ns, least_s=least_s, **options)
    assert done.deadline_met
    assert done.plan.work_s == pytest.approx(job.work_s)
    found = stretches_s(done)
    assert all(length_s >= least_s - 1e-6 for kind, length_s in found if kind == "pause")
    assert all(length_s >= least_s - 1e-6 for kind, length_s in found[:-1] if kind == "run")


def test_wrong_forecasts_never_miss_a_deadline_within_the_margin() -> None:
    rng = np.random.default_rng(6)
    for _ in range(25):
        values = rng.integers(50, 500, 48).astype(float).tolist()
        work_h, slack_h = int(rng.integers(1, 10)), int(rng.integers(1, 20))
        job = Job(
            work_s=work_h * HOUR_S, points=(POINT,), resume_time_s=float(rng.choice([0.0, 600.0])),
            resume_energy_kwh=float(rng.choice([0.0, 0.2])), idle_power_w=float(rng.choice([0.0, 200.0])),
        )  # fmt: skip

        def lies(now_ns: int) -> IntensitySeries:
            told = np.random.default_rng(now_ns % 2**32).integers(1, 999, 48).astype(float)
            told[np.random.default_rng(now_ns % 97).random(48) < 0.2] = np.nan
            return intensity_series(told.tolist())

        deadline_h = 1.1 * work_h + slack_h
        done = carried_out(
            values, job, deadline_h=min(deadline_h, 47.0), known_at=lies, margin_fraction=0.1,
            true_work_s=job.work_s * rng.uniform(0.5, 1.1), may_pause=bool(rng.integers(2)),
            issues_ns=[START_NS + h * NS_PER_H // 2 for h in range(1, 96)],
        )  # fmt: skip
        assert done.deadline_met, (work_h, slack_h, job)


def test_new_forecast_changes_what_is_done() -> None:
    truth = [300.0, 300.0, 300.0, 300.0, 100.0, 100.0, 300.0, 300.0]
    wrong = [300.0, 300.0, 100.0, 100.0, 300.0, 300.0, 300.0, 300.0]

    def known_at(now_ns: int) -> IntensitySeries:
        return intensity_series(wrong if now_ns < START_NS + NS_PER_H else truth)

    blind = carried_out(truth, deadline_h=8, known_at=lambda _: intensity_series(wrong))
    told = carried_out(truth, deadline_h=8, known_at=known_at, issues_ns=[START_NS + NS_PER_H])
    assert blind.plan.emissions_g == 600.0
    assert told.plan.emissions_g == 200.0
    assert len(told.decisions) > len(blind.decisions) - 1
