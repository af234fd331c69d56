"""Every start of a year at once: what waiting and pausing save, by job, zone and slack.

For each arrival the exact plan of each policy is compared with run-now from the same instant; a row is the
mean over arrivals. It is hindsight on the intensity as it was: the most any forecast could reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Final, Literal, TypeVar, get_args

import numpy as np

from lowtide.arrays import IntArray
from lowtide.errors import InputError, near_matches
from lowtide.model.signal import STATUSES
from lowtide.planning.kernels.compiled import Compiled, compiled
from lowtide.planning.starts import Edge, SlotGrid, arrivals_every, arrivals_per_month, slot_grid
from lowtide.planning.sweep_rows import Task, rows_of_zone
from lowtide.planning.swept import POLICIES, Slack, SweepJob, SweepPolicy, SweepResult, SweepRow, SweptZone
from lowtide.quantities import format_duration
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_S, ns_from_s

__all__ = ["Engine", "Series", "by_zone", "sweep"]

Engine = Literal["auto", "numpy", "numba"]
_WORTH_COMPILING: Final = 4_000_000
"""Plans from which on compiling, some three seconds, pays."""

T = TypeVar("T")
Series = Mapping[str, IntensitySeries] | Mapping[str | None, IntensitySeries] | IntensitySeries
"""One series a zone, or one series, which says its zone itself."""


def sweep(
    jobs: Iterable[SweepJob | str],
    series_by_zone: Series,
    *,
    slacks: Iterable[Slack | str | float] = ("24h",),
    policies: Sequence[SweepPolicy] = ("flexible-start", "pause-resume"),
    every_s: float | None = None,
    slot_s: float | None = None,
    starts_per_month: int | None = None,
    rng: np.random.Generator | None = None,
    edge: Edge = "drop",
    with_pauses: bool = True,
    engine: Engine = "auto",
    n_threads: int = 1,
) -> SweepResult:
    """Return what each policy saves against run-now, over the starts of the intensity's time.

    Parameters
    ----------
    jobs : iterable of SweepJob or str
        A text is a duration: ``"24h"``.
    series_by_zone : mapping of str to IntensitySeries, or one IntensitySeries
        Zones are independent; each may have its own time and step.
    slacks : iterable of Slack, str or float
        How much later the job may end: ``"24h"``, ``"50%"`` of its duration, or seconds.
    policies : sequence of {"run-now", "flexible-start", "pause-resume"}
    every_s : float, optional
        Time between arrivals [s], a multiple of the slot; every slot without it.
    slot_s : float, optional
        Runs start and resume only every so often [s]; at the edges of the intensity without it.
    starts_per_month : int, optional
        Draw so many arrivals from each calendar month (UTC) instead of taking all; needs `rng`. Zones with
        the same slots get the same draw.
    rng : numpy.random.Generator, optional
    edge : {"drop", "cut"}
        At the end of the data: leave out arrivals whose window passes it, or cut their window there.
    with_pauses : bool
        Whether to count pauses, which takes longer than the emissions where many slots cost the same.
    engine : {"auto", "numpy", "numba"}
        ``auto`` compiles (numba, extra ``fast``) where the work is large; the results are the same.
    n_threads : int
        Zones worked on at once.

    Returns
    -------
    SweepResult
        A row for each job, zone, policy and slack, nested in that order.

    Raises
    ------
    InputError
        If a value is wrong, or no start of any job fits into any zone.
    MissingExtraError
        If `engine` is ``"numba"`` and it is not installed.

    Notes
    -----
    Arrivals whose run-now would meet unknown intensity are left out of every mean and counted in
    `n_unknown`; those whose run-now emits nothing or less have no saving fraction and are counted in
    `n_not_positive`. Cost for n slots, for each zone, job and slack: O(n log w) for flexible-start with
    windows of w slots, O(n log n) for pause-resume, however long the job. Source of the policies: Dodge et
    al. 2022 (arXiv 2206.05229), section 6.

    Examples
    --------
    >>> import numpy as np
    >>> from lowtide.units import NS_PER_H
    >>> from lowtide.series import IntensitySeries
    >>> edges_ns = np.arange(49) * NS_PER_H
    >>> night_and_day = np.tile(np.repeat([100.0, 300.0], 12), 2)
    >>> from lowtide.model.signal import Signal
    >>> series = IntensitySeries.of(edges_ns, night_and_day, signal=Signal(zone="DE", source="made up"))
    >>> row = sweep(["12h"], series, slacks=["12h"], policies=["pause-resume"]).rows[0]
    >>> row.n_starts, row.mean_emissions_g, row.mean_baseline_g
    (25, 100.0, 196.0)
    """
    series = by_zone(series_by_zone)
    grids = {zone: slot_grid(one, slot_s=slot_s) for zone, one in _some("zone", series.items())}
    arrivals = _arrivals(tuple(grids.values()), every_s, starts_per_month, rng)
    task = Task(
        jobs=_named_apart(SweepJob.lasting(job) if isinstance(job, str) else job for job in jobs),
        slacks=_some("slack", (given if isinstance(given, Slack) else Slack.of(given) for given in slacks)),
        policies=_some("policy", (_known("policy", policy, POLICIES) for policy in policies)),
        edge=_known("edge", edge, get_args(Edge)),
        with_pauses=with_pauses,
    )
    fast = _fast(_known("engine", engine, get_args(Engine)), task.n_plans(sum(map(len, arrivals))))
    zones = tuple(_swept(zone, series[zone], grid) for zone, grid in grids.items())
    rows = _in_threads(task, zones, tuple(grids.values()), arrivals, fast, n_threads)
    if not any(row.n_starts or row.n_unknown for row in rows):
        raise InputError(_nothing_fits(task, zones))
    return SweepResult(rows=rows, zones=zones, edge=edge)


def by_zone(series: Series) -> dict[str | None, IntensitySeries]:
    """Return one series a zone, in the order given."""
    if isinstance(series, IntensitySeries):
        return {series.signal.zone: series}
    found: dict[str | None, IntensitySeries] = {}
    found.update(series)
    return found


def _some(what: str, values: Iterable[T]) -> tuple[T, ...]:
    """Return what was given, which must not be nothing."""
    given = tuple(values)
    if not given:
        raise InputError(f"no {what} to sweep; give at least one")
    return given


def _named_apart(jobs: Iterable[SweepJob]) -> tuple[SweepJob, ...]:
    """Return jobs whose names tell them apart."""
    given = _some("job", jobs)
    names = [job.name for job in given]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two jobs are called {twice!r}; give each a name of its own")
    return given


def _known(what: str, value: T, known: Sequence[T]) -> T:
    if value not in known:
        hint = near_matches(str(value), map(str, known))
        raise InputError(f"no {what} {value!r}{hint}; there are {', '.join(map(str, known))}")
    return value


def _fast(engine: Engine, n_plans: int) -> Compiled | None:
    """Return the compiled kernels where they are asked for or worth it."""
    if engine == "numba" or (engine == "auto" and n_plans >= _WORTH_COMPILING and find_spec("numba")):
        return compiled()
    return None


def _arrivals(
    grids: Sequence[SlotGrid], every_s: float | None, per_month: int | None, rng: np.random.Generator | None
) -> list[IntArray]:
    """Return the arrivals of each zone, drawn once for all zones with the same slots."""
    if per_month is None:
        return [arrivals_every(grid, every_s) for grid in grids]
    if rng is None:
        raise InputError("starts_per_month draws at random; give an rng, like numpy.random.default_rng(1)")
    drawn: dict[tuple[int, int, int], IntArray] = {}
    for grid in grids:
        if grid.key not in drawn:
            drawn[grid.key] = arrivals_per_month(grid, every_s, n_per_month=per_month, rng=rng)
    return [drawn[grid.key] for grid in grids]


def _in_threads(
    task: Task,
    zones: Sequence[SweptZone],
    grids: Sequence[SlotGrid],
    arrivals: Sequence[IntArray],
    fast: Compiled | None,
    n_threads: int,
) -> tuple[SweepRow, ...]:
    """Return the rows of all zones, by job first."""

    def rows_of(i: int) -> list[list[SweepRow]]:
        return rows_of_zone(task, zones[i], grids[i], arrivals[i], fast)

    if n_threads > 1 and len(zones) > 1:
        with ThreadPoolExecutor(max_workers=n_threads) as pool:
            by_zone = list(pool.map(rows_of, range(len(zones))))
    else:
        by_zone = [rows_of(i) for i in range(len(zones))]
    return tuple(row for of_job in zip(*by_zone, strict=True) for rows in of_job for row in rows)


def _swept(zone: str | None, series: IntensitySeries, grid: SlotGrid) -> SweptZone:
    return SweptZone(
        zone=zone,
        basis=series.signal.basis,
        factors=series.signal.factors,
        source=series.signal.source,
        start_ns=grid.start_ns,
        end_ns=grid.end_ns,
        slot_s=grid.step_ns / NS_PER_S,
        n_slots=grid.n,
        n_unknown_slots=int(np.isnan(grid.values).sum()),
        statuses=tuple(STATUSES[code] for code in np.unique(series.status)),
        time_resolved=series.signal.time_resolved,
    )


def _nothing_fits(task: Task, zones: Sequence[SweptZone]) -> str:
    """Return what to say when no arrival has room."""
    job = min(task.jobs, key=lambda job: job.duration_s)
    slack = min(task.slacks, key=lambda slack: slack.ns_of(ns_from_s(job.duration_s)))
    longest_s = max(zone.end_ns - zone.start_ns for zone in zones) / NS_PER_S
    wanted = (
        f"no start of {job.name} with a slack of {slack.label} fits into {format_duration(longest_s)} of data"
    )
    if task.edge == "drop" and job.duration_s <= longest_s:
        return f"{wanted}; pass --edge cut (edge='cut') or a smaller slack"
    return f"{wanted}; give a longer series"
