"""Workloads that studies published, drawn again from their descriptions."""

from __future__ import annotations

import numpy as np

from lowtide.arrays import IntArray
from lowtide.units import NS_PER_H

__all__ = ["machine_learning_project"]

_HALF_HOUR_NS = NS_PER_H // 2


def machine_learning_project(*, n_jobs: int = 3387, seed: int = 0) -> tuple[IntArray, IntArray]:
    """Return when the jobs of a machine-learning project arrive in 2020, and how long they run.

    The second scenario of Wiesner et al. 2021, "Let's Wait Awhile": jobs are shared out to the 262 weekdays of the
    year with equal chance; those of a day arrive at half hours from 9:00 to 16:30; lengths are half hours from 4 h
    to below 90 h. With the seed 0 and the order of draws of its published simulator these are its very jobs.

    Parameters
    ----------
    n_jobs, seed : int

    Returns
    -------
    starts_ns, durations_ns : int64 arrays, shape (n_jobs,)
        In order of arrival [ns since 1970 UTC] and [ns].

    Examples
    --------
    >>> starts_ns, durations_ns = machine_learning_project()
    >>> len(starts_ns), float(durations_ns.sum() / NS_PER_H)
    (3387, 155626.0)
    """
    rng = np.random.default_rng(seed)
    midnight = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]")
    weekdays = midnight[np.is_busday(midnight)].astype("datetime64[ns]").astype(np.int64)
    n_of_day = rng.multinomial(n_jobs, np.full(len(weekdays), 1.0 / len(weekdays)))
    slots = np.arange(18, 34)  # half hours from 9:00, the last at 16:30
    of_day = [np.sort(rng.choice(slots, size=n)) for n in n_of_day]
    starts_ns = np.repeat(weekdays, n_of_day) + np.concatenate(of_day) * _HALF_HOUR_NS
    durations_ns = rng.choice(np.arange(8, 180), size=n_jobs) * _HALF_HOUR_NS
    return starts_ns, durations_ns
