"""A job whose duration is not known: start times judged over the durations of its past runs.

A run of constant power that may end at any of its past durations draws, on average, its power times the share
of runs that lasted longer. That is a power profile over work, so the expected emissions of a start are those of
the profile: exact, by the same function that prices a recorded run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Final

import numpy as np

from lowtide.arrays import FloatArray
from lowtide.errors import InputError
from lowtide.model.planning import Job, OperatingPoint, Window, WorkProfile
from lowtide.planning.policies.flexible_start import start_costs
from lowtide.planning.sites import SiteOption
from lowtide.planning.window import decision_instants
from lowtide.quantities import format_duration
from lowtide.units import J_PER_KWH, NS_PER_S, ns_from_s

__all__ = ["N_LEAST", "Durations", "LikelyStart", "likely_start"]

N_LEAST: Final = 3
"""Past runs below which nothing is said of the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long past runs of the same job took, each as likely for the next one.

    Attributes
    ----------
    seconds : tuple of float
        Increasing [s].
    """

    seconds: tuple[float, ...]

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Durations:
        """Return the distribution of past durations [s].

        Raises
        ------
        InputError
            If there are fewer than three, or one is not a time above 0.
        """
        found = tuple(sorted(float(s) for s in seconds))
        if len(found) < N_LEAST:
            raise InputError(
                f"{len(found)} past runs do not tell how long the next one takes; "
                f"finish at least {N_LEAST}, or give a duration"
            )
        if not all(isfinite(s) and ns_from_s(s) > 0 for s in found):
            raise InputError(f"a past run of {found[0]:g} s cannot be; leave runs without a duration out")
        return cls(seconds=found)

    def quantile_s(self, q: float) -> float:
        """Return the shortest past duration that at least a share `q` of the runs did not exceed [s].

        >>> Durations.of([3600.0, 7200.0, 5400.0]).quantile_s(0.5)
        5400.0
        """
        if not 0.0 < q <= 1.0:
            raise InputError(f"a share of {q:g} of the runs cannot be; give one above 0 and up to 1")
        n = len(self.seconds)
        return self.seconds[max(1, ceil(q * n - 1e-9)) - 1]  # 0.9 * 10 runs is the ninth, not the tenth

    @property
    def p90_s(self) -> float:
        """What nine runs in ten did not exceed [s]."""
        return self.quantile_s(0.9)

    @property
    def mean_s(self) -> float:
        """Mean duration [s]."""
        return sum(self.seconds) / len(self.seconds)

    def within(self, duration_s: float) -> float:
        """Return the share of past runs that took no longer."""
        return sum(ns_from_s(s) <= ns_from_s(duration_s) for s in self.seconds) / len(self.seconds)

    def survival(self) -> tuple[FloatArray, FloatArray]:
        """Return edges [s], from 0, and between them the share of runs that lasted beyond."""
        seconds = np.unique(np.array(self.seconds))
        lasting = 1.0 - np.searchsorted(np.array(self.seconds), seconds, side="right") / len(self.seconds)
        return np.concatenate(([0.0], seconds)), np.concatenate(([1.0], lasting[:-1]))

    def job(self, power_w: float) -> Job:
        """Return the job of constant power that draws, at each instant, what a run draws on average."""
        edges_s, share = self.survival()
        profile = WorkProfile(edges_s=tuple(edges_s.tolist()), power_w=tuple((power_w * share).tolist()))
        point = OperatingPoint(throughput=1.0, power_w=profile.mean_power_w, label="expected")
        return Job(work_s=profile.work_s, points=(point,), profile=profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelyStart:
    """The best start of a job of unknown duration.

    Attributes
    ----------
    start_ns : int
    expected_g, expected_now_g : float or None
        Mean emissions over the durations from there and from the window's start [g], PUE included; None where
        the intensity is not known until the longest of them would end.
    p_done : float
        Share of past durations with which it ends by the deadline.
    p90_s : float
        Nine runs in ten took no longer [s].
    n_runs, n_starts : int
        Past runs, and starts that were compared.
    """

    start_ns: int
    expected_g: float | None
    expected_now_g: float | None
    p_done: float
    p90_s: float
    n_runs: int
    n_starts: int

    @property
    def saving_fraction(self) -> float | None:
        """1 - expected emissions over those of starting at once; None where unknown or not positive."""
        if self.expected_g is None or self.expected_now_g is None or not self.expected_now_g > 0.0:
            return None
        return 1.0 - self.expected_g / self.expected_now_g

    @property
    def words(self) -> str:
        """What is known of the duration, in a sentence."""
        return (
            f"duration learnt from {self.n_runs} runs: nine in ten took {format_duration(self.p90_s)} or less; "
            f"done by the deadline with {self.p_done:.0%} of them"
        )


def likely_start(
    durations: Durations,
    site: SiteOption,
    window: Window,
    *,
    power_w: float,
    confidence: float = 0.9,
    slot_s: float | None = None,
) -> LikelyStart:
    """Return the start of least expected emissions that is done by the deadline likely enough.

    Parameters
    ----------
    durations : Durations
    site : SiteOption
        Its intensity has to be known until the longest duration from a start would end; starts for which it
        is not are left out.
    window : Window
    power_w : float
        Power while it runs [W].
    confidence : float
        Least share of past durations that end by the deadline.
    slot_s : float, optional
        Spacing of starts [s]; the edges of the intensity without it.

    Returns
    -------
    LikelyStart
        The window's start where no start is likely enough to be done in time, or none can be priced; `p_done`
        then says how likely it is. Ties go to the earliest.

    Raises
    ------
    InputError
        If the site has no instant to start at before the deadline.

    Examples
    --------
    >>> from lowtide.testing.builders import START_NS, intensity_series
    >>> site = SiteOption(zone="DE", intensity=intensity_series([300.0, 100.0, 200.0, 400.0, 400.0]))
    >>> runs = Durations.of([3600.0, 3600.0, 7200.0])
    >>> window = Window(start_ns=START_NS, deadline_ns=START_NS + 5 * 3600 * NS_PER_S)
    >>> found = likely_start(runs, site, window, power_w=1000.0)
    >>> (found.start_ns - START_NS) // NS_PER_S, round(found.expected_g, 6)  # 100 + 200 / 3
    (3600, 166.666667)
    """
    latest_ns = window.deadline_ns - ns_from_s(durations.quantile_s(confidence))
    starts = decision_instants(site, window, slot_s=slot_s)
    if not len(starts):
        raise InputError(f"nothing can start at {site.zone} before the deadline; give a later one")
    in_time = starts[starts <= latest_ns]
    tried = in_time if len(in_time) else starts[:1]
    job = durations.job(power_w)
    costs = start_costs(job, site, tried) * (site.overhead / J_PER_KWH)
    known = np.flatnonzero(~np.isnan(costs))
    chosen = 0
    if len(known):
        margin = 1e-12 * float(np.max(np.abs(costs[known])))
        chosen = int(known[np.flatnonzero(costs[known] <= np.min(costs[known]) + margin)[0]])
    return LikelyStart(
        start_ns=int(tried[chosen]),
        expected_g=_known(costs[chosen]),
        expected_now_g=_known(costs[0]),
        p_done=durations.within((window.deadline_ns - int(tried[chosen])) / NS_PER_S),
        p90_s=durations.p90_s,
        n_runs=len(durations.seconds),
        n_starts=len(known),
    )


def _known(g: float) -> float | None:
    return None if np.isnan(g) else float(g)
