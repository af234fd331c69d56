"""Sweeps of a year: from files, constants, typical profiles and settings to rows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from lowtide.errors import CoverageError, DataFileError, InputError, ZoneError
from lowtide.model.grid_choice import GridChoice
from lowtide.planning import sweep as planned
from lowtide.planning.starts import Edge
from lowtide.planning.swept import Slack, SweepJob, SweepPolicy, SweepResult
from lowtide.quantities import format_instant, parse_asked_ns, parse_duration_s, parse_instant_ns
from lowtide.runtime.config import Config
from lowtide.runtime.user_table import read_user_table
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_S

__all__ = ["intensities_of", "read_jobs", "sweep"]

Intensity = planned.Series | str | os.PathLike[str] | float
"""A series, one a zone, a file, or a constant [g/kWh]."""

_JOB_COLUMNS = ("name", "duration_h", "energy_kwh")


def sweep(
    jobs: Iterable[SweepJob | str],
    intensity: Intensity | None = None,
    *,
    zones: Sequence[str] = (),
    slacks: Iterable[Slack | str | float] = ("24h",),
    policies: Sequence[SweepPolicy] = ("flexible-start", "pause-resume"),
    every: str | float | None = None,
    slot: str | float | None = None,
    starts_per_month: int | None = None,
    seed: int = 0,
    edge: Edge = "drop",
    with_pauses: bool = True,
    start: str | int | None = None,
    end: str | int | None = None,
    engine: planned.Engine = "auto",
) -> SweepResult:
    """Return what waiting and pausing would have saved at every start of a year.

    Parameters
    ----------
    jobs : iterable of SweepJob or str
        A text is a duration (``"24h"``); grams are then per kWh.
    intensity : IntensitySeries, mapping of zone to series, path-like, number or None
        A file with any number of zones, or a constant [g/kWh]; None takes the typical profiles of `zones`
        over the coming calendar year.
    zones : sequence of str
        Which zones; of a file or mapping all, when left out.
    slacks : iterable of Slack, str or float
        How much later a job may end: ``"24h"``, ``"50%"`` of its duration, or seconds.
    policies, edge, with_pauses, engine
        As for :func:`lowtide.planning.sweep.sweep`, which does the work.
    every, slot : str or float, optional
        Time between starts, and between the instants at which a run may start or resume: a duration or [s].
        Each step of the intensity when left out.
    starts_per_month, seed : int
        Draw so many starts from each month with that seed instead of taking all.
    start, end : str or int, optional
        Instants between which to sweep, ISO 8601 with offset or [ns].

    Returns
    -------
    SweepResult

    Raises
    ------
    InputError
        If a value or file is wrong, or nothing fits.

    Examples
    --------
    >>> result = sweep(["6h"], zones=["DE"], slacks=["24h"], policies=["flexible-start"])
    >>> result.rows[0].zone, result.rows[0].mean_saving_fraction > 0.1
    ('DE', True)
    """
    if seed < 0:
        raise InputError(f"a seed is a whole number from 0 on, not {seed}")
    window = _instant_ns(start), _instant_ns(end)
    return planned.sweep(
        jobs,
        _series_of(intensity, zones, window),
        slacks=slacks,
        policies=policies,
        every_s=_seconds(every),
        slot_s=_seconds(slot),
        starts_per_month=starts_per_month,
        rng=np.random.default_rng(seed),
        edge=edge,
        with_pauses=with_pauses,
        engine=engine,
        n_threads=_n_cores(),
    )


def intensities_of(
    config: Config, zones: Sequence[str], *, start: str | None = None, end: str | None = None
) -> dict[str | None, IntensitySeries]:
    """Return the configured intensity of each zone named, or of every zone of the configured file.

    Raises
    ------
    InputError
        If a setting or file is wrong, or no zone can be told.
    """
    from lowtide.runtime.prepare import grid_choice

    window = _instant_ns(start), _instant_ns(end)
    choices = [grid_choice(config.with_flags({"zone": zone})) for zone in zones] or [grid_choice(config)]
    known = [choice.zone for choice in choices if choice.zone is not None]
    choice = choices[0]
    if choice.intensity is None:
        named = (choice.provider or "typical").split(",")[0].strip() != "typical"
        return _fetched(known, window, choice, config) if named else _typical(known, window, choice)
    return _from_input(choice.intensity, known if zones else (), window, choice)


def read_jobs(path: str | os.PathLike[str]) -> list[SweepJob]:
    """Return the jobs of a CSV file with the columns ``name,duration_h,energy_kwh``.

    Raises
    ------
    DataFileError
        If a column is missing or a cell cannot be read; with the line.
    """
    rows = read_user_table(os.fspath(path), _JOB_COLUMNS, needs=_JOB_COLUMNS, others=True)
    jobs = [_job(row, path, line) for line, row in rows]
    if not jobs:
        raise DataFileError("no job; give one a line after the header", path=str(path))
    return jobs


def _job(row: Mapping[str, str], path: str | os.PathLike[str], line: int) -> SweepJob:
    name, hours, kwh = (row[column] for column in _JOB_COLUMNS)
    try:
        return SweepJob(name=name, duration_s=float(hours) * 3600.0, energy_kwh=float(kwh))
    except InputError as error:
        raise DataFileError(str(error), path=str(path), line=line) from error
    except ValueError as error:
        found = f"{hours!r} and {kwh!r}"
        raise DataFileError(
            f"duration_h and energy_kwh are numbers, not {found}", path=str(path), line=line
        ) from error


_Window = tuple[int | None, int | None]


def _series_of(
    given: Intensity | None, zones: Sequence[str], window: _Window
) -> dict[str | None, IntensitySeries]:
    """Return one series a zone."""
    if given is None:
        return _typical(zones, window, GridChoice())
    if isinstance(given, IntensitySeries | Mapping):
        by_zone = planned.by_zone(given)
        absent = [zone for zone in zones if zone not in by_zone]
        if absent:
            raise ZoneError(f"no zone {absent[0]!r} among {', '.join(map(str, by_zone))}")
        return {zone: _within(by_zone[zone], window) for zone in zones or by_zone}
    text = repr(float(given)) if isinstance(given, int | float) else os.fspath(given)
    return _from_input(text, zones, window, GridChoice())


def _from_input(
    text: str, zones: Sequence[str], window: _Window, choice: GridChoice
) -> dict[str | None, IntensitySeries]:
    """Return the zones of a file, or a constant."""
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.files import constant_g_per_kwh, constant_intensity, read_intensity_table

    g_per_kwh = None if os.path.exists(text) else constant_g_per_kwh(text)
    if g_per_kwh is not None:
        start_ns, end_ns = _year(window)
        flat = constant_intensity(
            g_per_kwh, start_ns=start_ns, end_ns=end_ns, basis=choice.basis or "average"
        )
        return dict.fromkeys(zones or (None,), flat)
    table = read_intensity_table(text, basis=choice.basis, factors=choice.factors)
    wanted = zones or table.zones
    picked = [(zone, table.pick(zone, resolve=resolve_zone)) for zone in wanted]
    return {series.signal.zone or zone: _within(series, window) for zone, series in picked}


def _fetched(
    zones: Sequence[str], window: _Window, choice: GridChoice, config: Config
) -> dict[str | None, IntensitySeries]:
    """Return what the named provider has of some zones, its stand-ins marked as such in the signal."""
    from lowtide.data.zones import resolve_zone
    from lowtide.runtime.grid_access import grid_access

    if not zones:
        raise ZoneError(f"which zones of {choice.provider}? give --zone DE (repeatable)")
    start_ns, end_ns = window
    if start_ns is None or end_ns is None:
        raise InputError(f"{choice.provider} gives history: say which with --start and --end")
    access = grid_access(config)
    basis, factors = choice.basis or "average", choice.factors or "lifecycle"
    found: dict[str | None, IntensitySeries] = {}
    for zone in map(resolve_zone, zones):
        found[zone] = access.find(zone, start_ns, end_ns, basis=basis, factors=factors).intensity
    return found


def _typical(zones: Sequence[str], window: _Window, choice: GridChoice) -> dict[str | None, IntensitySeries]:
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.typical import typical_intensity

    if not zones:
        raise ZoneError("no zone and no intensity to sweep; give --zone DE (zones), or --intensity FILE")
    start_ns, end_ns = _year(window)
    keys = [resolve_zone(zone) for zone in zones]
    return {
        key: typical_intensity(key, start_ns, end_ns, factors=choice.factors or "lifecycle") for key in keys
    }


def _year(window: _Window) -> tuple[int, int]:
    """Return the window: by default the coming calendar year (UTC), or a year from its start on."""
    start_ns, end_ns = window
    if start_ns is None:
        start_ns = _new_year_ns(datetime.fromtimestamp(time.time(), tz=UTC).year + 1)
    if end_ns is None:
        year = datetime.fromtimestamp(start_ns // NS_PER_S, tz=UTC).year
        end_ns = start_ns + _new_year_ns(year + 1) - _new_year_ns(year)
    if end_ns <= start_ns:
        raise InputError("the end of a sweep must come after its start; exchange --start and --end")
    return start_ns, end_ns


def _new_year_ns(year: int) -> int:
    return parse_instant_ns(f"{year}-01-01T00:00Z")


def _within(series: IntensitySeries, window: _Window) -> IntensitySeries:
    start_ns = series.start_ns if window[0] is None else window[0]
    end_ns = series.end_ns if window[1] is None else window[1]
    if max(start_ns, series.start_ns) >= min(end_ns, series.end_ns):
        zone = f" of {series.signal.zone}" if series.signal.zone else ""
        raise CoverageError(
            f"nothing to sweep{zone}: the intensity runs from {format_instant(series.start_ns)} to "
            f"{format_instant(series.end_ns)}, the sweep from {format_instant(start_ns)} to "
            f"{format_instant(end_ns)}; change --start or --end"
        )
    return series.clip(start_ns=start_ns, end_ns=end_ns)


def _instant_ns(given: str | int | None) -> int | None:
    return parse_asked_ns(given) if isinstance(given, str) else given


def _seconds(given: str | float | None) -> float | None:
    return parse_duration_s(given) if isinstance(given, str) else given


def _n_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
