"""The places of promises as an agent over an executor knows them: read now and then, unknown where nobody answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lowtide.errors import LowtideError
from lowtide.model.planning import Plan, Segment
from lowtide.model.signal import Signal
from lowtide.planning.promise import promise as priced
from lowtide.planning.sites import SiteOption
from lowtide.runtime.config import load_config
from lowtide.runtime.submitting_elsewhere import text_spans
from lowtide.runtime.submitting_start import site_of
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_S

if TYPE_CHECKING:
    from lowtide.doors import TaggedJob
    from lowtide.runtime.submitting_promise import Promise

__all__ = ["PromisedSites", "ReadSite", "kept_plan", "site_of_promise"]

_AGAIN_NS: Final = 60 * NS_PER_S
"""A source that did not answer is asked again so soon."""
ReadSite = Callable[["Promise", int], SiteOption]


@dataclass(frozen=True, slots=True)
class _Read:
    """A place as it was read, None where it could not be, when, and how far ahead it was asked for."""

    site: SiteOption | None
    at_ns: int
    until_ns: int

    def is_stale(self, now_ns: int, until_ns: int, every_ns: int) -> bool:
        again_ns = _AGAIN_NS if self.site is None else every_ns
        return now_ns - self.at_ns >= again_ns or (self.site is not None and until_ns > self.until_ns)


class PromisedSites:
    """The places of promises, each read once for all jobs that ask for the same intensity.

    Parameters
    ----------
    read_site : callable, optional
        ``(promise, now_ns) -> SiteOption``; by default :func:`site_of_promise`.
    every_ns : int
        Read anew after that time [ns].
    fail : callable
        Gets a line when a place that could be read no longer can.
    """

    def __init__(self, read_site: ReadSite | None, *, every_ns: int, fail: Callable[[str], None]) -> None:
        self._read_site = site_of_promise if read_site is None else read_site
        self._every_ns, self._fail = every_ns, fail
        self._found: dict[str, _Read] = {}

    def of(self, promise: Promise, now_ns: int) -> SiteOption:
        """Return the place of a promise; of unknown intensity where it cannot be read."""
        key = repr((sorted(promise.settings.items()), promise.history))
        had = self._found.get(key)
        if had is None or had.is_stale(now_ns, _until_ns(promise, now_ns), self._every_ns):
            site = None
            try:
                site = self._read_site(promise, now_ns)
            except (LowtideError, OSError, ValueError) as error:
                if had is None or had.site is not None:
                    self._fail(
                        f"intensity of {promise.zone} cannot be read, the last plans are followed: {error}"
                    )
            had = self._found[key] = _Read(site, now_ns, _until_ns(promise, now_ns))
        return _unknown_site(promise, now_ns) if had.site is None else had.site


def kept_plan(job: TaggedJob, promise: Promise, site: SiteOption) -> Plan | None:
    """Return the plan that is kept with a job, for when none can be made now."""
    power_w = promise.job.points[0].power_w
    segments = [
        Segment(zone=site.zone, start_ns=a, end_ns=b, throughput=1.0, power_w=power_w)
        for a, b in text_spans(job.data.get("plan", ""))
    ]
    return priced("kept", segments, [site]) if segments else None


def site_of_promise(promise: Promise, now_ns: int) -> SiteOption:
    """Return the place of a promise with its intensity as known now.

    Raises
    ------
    LowtideError
        If it cannot be read.
    """
    config = load_config().with_flags(dict(promise.settings), origin="the promise")
    return site_of(config, promise.history, promise.job, now_ns=now_ns, until_ns=_until_ns(promise, now_ns))[
        0
    ]


def _until_ns(promise: Promise, now_ns: int) -> int:
    return max(promise.deadline_ns, now_ns + 2 * promise.job.work_ns)


def _unknown_site(promise: Promise, now_ns: int) -> SiteOption:
    end_ns = max(promise.deadline_ns, now_ns) + 2 * promise.job.work_ns
    edges = np.array([min(promise.submitted_ns, now_ns), end_ns])
    signal = Signal(zone=promise.zone, source="nothing could be read")
    return SiteOption(
        zone=promise.zone, intensity=IntensitySeries.of(edges, np.array([np.nan]), signal=signal)
    )
