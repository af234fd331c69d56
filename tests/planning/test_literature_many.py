"""Many jobs at once are what the policy says of each, and refuse what they cannot be."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from planning_cases import NAN, intensity_of

from lowtide.errors import InputError
from lowtide.model.planning import Job, Plan, Window
from lowtide.planning.policies.literature.calendar import RULES
from lowtide.planning.policies.literature.many import wait_awhile_many
from lowtide.planning.policies.literature.wait_awhile import WaitAwhile
from lowtide.planning.sites import SiteOption
from lowtide.quantities import parse_instant_ns
from lowtide.units import NS_PER_H, NS_PER_S

START = parse_instant_ns("2020-03-25T00:00Z")  # the Wednesday before clocks change in Europe


@pytest.mark.parametrize("tz", [UTC, ZoneInfo("Europe/Berlin")], ids=str)
@pytest.mark.parametrize("interrupting", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_each_job_is_the_policy_of_that_job(rule, interrupting: bool, tz) -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(50, 90, 14 * 48).astype(float)  # ties, often
    series = intensity_of(values.tolist(), step_s=1800, start_ns=START)
    starts_ns = START + rng.integers(0, 4 * 48, 60) * (NS_PER_H // 2)
    durations_ns = rng.integers(1, 100, 60) * (NS_PER_H // 2)
    many = wait_awhile_many(series, starts_ns, durations_ns, rule=rule, interrupting=interrupting, tz=tz)
    policy, site = (
        WaitAwhile(rule=rule, interrupting=interrupting, tz=tz),
        SiteOption(zone="A", intensity=series),
    )
    for i, (start_ns, duration_ns) in enumerate(zip(starts_ns.tolist(), durations_ns.tolist(), strict=True)):
        job = Job.constant(duration_s=duration_ns / NS_PER_S, power_w=1000.0)
        plan = policy.plan(job, [site], Window(start_ns=start_ns, deadline_ns=series.end_ns))
        assert isinstance(plan, Plan)
        assert many.waiting[i] == pytest.approx(plan.emissions_g, rel=1e-12)
        first = (start_ns - START) * 2 // NS_PER_H
        assert many.run_now[i] == pytest.approx(values[first : first + duration_ns * 2 // NS_PER_H].sum() / 2)


def test_saving_is_of_all_jobs_together() -> None:
    # Wednesday 17:00, 1 h, after hours: until Thursday 9:00. 300 now, 100 at 20:00; the second at 10:00 stays: 300
    values = [300.0] * 48
    values[20] = 100.0
    series = intensity_of(values, start_ns=START)
    starts = START + np.array([17, 10]) * NS_PER_H
    many = wait_awhile_many(
        series, starts, np.array([NS_PER_H, NS_PER_H]), rule="next-workday", interrupting=False
    )
    assert many.run_now.tolist() == [300.0, 300.0]
    assert many.waiting.tolist() == [100.0, 300.0]
    assert many.saving_fraction == pytest.approx(1 / 3)


def test_unknown_intensity_is_unknown() -> None:
    series = intensity_of([300.0] * 18 + [NAN] + [100.0] * 29, start_ns=START)
    starts = START + np.array([18, 19]) * NS_PER_H
    for interrupting in (False, True):
        many = wait_awhile_many(
            series, starts, np.array([NS_PER_H, NS_PER_H]), rule="next-workday", interrupting=interrupting
        )
        assert np.isnan(many.run_now).tolist() == np.isnan(many.waiting).tolist() == [True, False]
        assert np.isnan(many.saving_fraction)


def test_what_is_not_on_slots_is_refused() -> None:
    series = intensity_of([300.0] * 48, start_ns=START)
    start, hour = np.array([START]), np.array([NS_PER_H])
    with pytest.raises(InputError, match="on slots of 1h; round it"):
        wait_awhile_many(series, start, hour // 2, rule="next-workday", interrupting=True)
    with pytest.raises(InputError, match="on slots of 1h; round it"):
        wait_awhile_many(series, start + 1, hour, rule="next-workday", interrupting=True)
    with pytest.raises(InputError, match="1 starts and 0 durations"):
        wait_awhile_many(series, start, hour[:0], rule="next-workday", interrupting=True)
    with pytest.raises(InputError, match="job 0 runs for 49 h from 2020-03-25T00:00"):
        wait_awhile_many(series, start, hour * 49, rule="next-workday", interrupting=True)
    nepal = timezone(timedelta(hours=5, minutes=45))
    with pytest.raises(InputError, match="falls inside a slot of 1h; give a shorter slot_s"):
        wait_awhile_many(series, start, hour, rule="next-monday", interrupting=True, tz=nepal)
    quarter = wait_awhile_many(
        series, start, hour, rule="next-monday", interrupting=True, tz=nepal, slot_s=900.0
    )
    assert quarter.waiting.tolist() == [300.0]
