"""What the tests of the agent over executors share: promises, days, and time that goes by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lowtide.doors import Executor
from lowtide.errors import LowtideError
from lowtide.model.planning import Job
from lowtide.model.signal import Signal
from lowtide.planning.sites import SiteOption
from lowtide.runtime.agent_jobs import JobsAgent
from lowtide.runtime.submitting_promise import Promise, StartPlan
from lowtide.series.types import IntensitySeries
from lowtide.testing.fakes import FakeClock
from lowtide.units import NS_PER_H, NS_PER_S, ns_from_s

START_NS = 1_767_225_600 * NS_PER_S
"""2026-01-01T00:00Z, where FakeClock begins."""


def make_promise(*, hours: float, within_h: float, now_ns: int = START_NS, **changes: Any) -> Promise:
    """Return the promise of a job submitted now."""
    deadline_ns = now_ns + round(within_h * NS_PER_H)
    start = StartPlan(
        made_ns=now_ns, start_ns=now_ns, end_ns=now_ns + round(hours * NS_PER_H), emissions_g=None, at_once_g=None,
        saving_fraction=None, why="",
    )  # fmt: skip
    plain = Promise(
        job_id=0, name="train", script="job.yaml", submitted_ns=now_ns, deadline_ns=deadline_ns,
        latest_start_ns=deadline_ns, bound="within", job=Job.constant(duration_s=hours * 3600.0, power_w=1000.0),
        power_known=True, duration_from="given", margin_fraction=0.1, min_saving_fraction=0.03, pause="checkpoint",
        zone="DE", basis="average", settings={}, history=None, first=start, last=start,
    )  # fmt: skip
    return replace(plain, **changes)


def site_of_hours(values: Sequence[float], *, start_ns: int = START_NS) -> SiteOption:
    """Return a place with hourly intensity."""
    edges = start_ns + np.arange(len(values) + 1, dtype=np.int64) * NS_PER_H
    series = IntensitySeries.of(edges, [float(v) for v in values], signal=Signal(zone="DE", source="example"))
    return SiteOption(zone="DE", intensity=series)


def live(
    executor: Executor, clock: FakeClock, agent: Callable[[], JobsAgent], *, hours: float, look_s: float = 300.0,
    every_kill: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Let an agent do rounds as its clock goes; a killed one is replaced by another that knows nothing."""
    end_ns = clock.now().wall_ns + round(hours * NS_PER_H)
    found = agent()
    while clock.now().wall_ns < end_ns:
        now_ns = clock.now().wall_ns
        until_ns = now_ns + ns_from_s(look_s)
        try:
            with found:
                until_ns = min(until_ns, found.round())
        except LowtideError:
            until_ns = now_ns + 10 * NS_PER_S
        if every_kill():
            found = agent()
        clock.advance(max(until_ns - now_ns, NS_PER_S) / 1e9)
