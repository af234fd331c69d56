"""What the grid commands answer: the value now, the past, files in and out of the cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lowtide.errors import DataFileError, InputError, MissingExtraError, ProviderError, ZoneError
from lowtide.model.signal import STATUSES, Basis, Signal, Status
from lowtide.quantities import parse_asked_ns, parse_duration_s
from lowtide.runtime.config import Config
from lowtide.runtime.grid_choices import grid_choice
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, NS_PER_S

if TYPE_CHECKING:
    from lowtide.data.intensity import KnownFactors
    from lowtide.doors import Provider
    from lowtide.grid.fallback import Found
    from lowtide.runtime.grid_access import GridAccess

__all__ = ["NowValue", "history", "value_now", "window_of", "write_export", "zone_asked"]

_FRESH_NS: Final = 5 * 60 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class NowValue:
    """The newest known intensity of a zone.

    Attributes
    ----------
    start_ns, end_ns : int
        The step it holds for [ns].
    g_per_kwh : float
    status : str
    signal : Signal
    provider : str
    problems : tuple of str
        Why better sources gave nothing.
    """

    start_ns: int
    end_ns: int
    g_per_kwh: float
    status: Status
    signal: Signal
    provider: str
    problems: tuple[str, ...] = ()


def zone_asked(config: Config) -> tuple[str, Basis, KnownFactors]:
    """Return the zone, basis and factors that the settings ask for.

    Raises
    ------
    InputError
        If no zone is set, or a word is wrong.
    """
    choice = grid_choice(config)
    if choice.zone is None:
        raise InputError(
            "which zone? give --zone DE, or set LOWTIDE_ZONE; `lowtide grid zones WORDS` finds keys"
        )
    return choice.zone, choice.basis or "average", choice.factors or "lifecycle"


def window_of(start: str | None, end: str | None, last: str | None, *, now_ns: int) -> tuple[int, int]:
    """Return the window that was asked for: from `start` to `end`, or the last while.

    Raises
    ------
    InputError
        If both are given, or the end comes before the start.
    """
    if last is not None and (start is not None or end is not None):
        raise InputError("give either --last D, or --start T with --end T")
    end_ns = now_ns if end is None else parse_asked_ns(end)
    before_ns = round(parse_duration_s(last or "24h") * NS_PER_S)
    start_ns = end_ns - before_ns if start is None else parse_asked_ns(start)
    if end_ns <= start_ns:
        raise InputError("the end must come after the start; exchange --start and --end")
    return start_ns, end_ns


def value_now(access: GridAccess, zone: str, *, basis: Basis, factors: KnownFactors) -> NowValue:
    """Return the newest value of a zone, from the best source that answers.

    Raises
    ------
    ZoneError
        If nothing is known.
    """
    problems: list[str] = list(access.unused(zone, basis))
    for provider in access.providers(zone, basis):
        try:
            found = _newest(access, provider, zone, factors)
        except ProviderError as error:
            problems.append(str(error))
            continue
        if found is not None:
            return NowValue(**found, provider=provider.name, problems=tuple(problems))
    now_ns = access.now_ns()
    other = access.find(zone, now_ns - NS_PER_H, now_ns + NS_PER_H, basis=basis, factors=factors)
    step = _step_at(other.intensity, now_ns)
    if step is None:
        raise ZoneError(f"nothing is known of {zone} now; {'; '.join((*problems, *other.problems))}")
    told = tuple(dict.fromkeys((*problems, *other.problems)))
    return NowValue(**step, provider=other.provider, problems=told)


def _newest(
    access: GridAccess, provider: Provider, zone: str, factors: KnownFactors
) -> dict[str, Any] | None:
    """Return the newest step of a provider: what was fetched within minutes, else what it says now."""
    from lowtide.doors import Query
    from lowtide.grid.driver import converse
    from lowtide.grid.fetching import keep_answer, kept_values

    now_ns = access.now_ns()
    query = Query(what="latest", zone=zone, start_ns=now_ns - NS_PER_H, end_ns=now_ns, now_ns=now_ns,
                  factors=factors)  # fmt: skip
    recent = now_ns - 6 * NS_PER_H, now_ns
    kept = kept_values(
        access.cache, zone, recent, provider=provider.name, basis=provider.basis, factors=factors
    )
    fresh = kept is not None and int(kept.fetched_ns.max()) > now_ns - _FRESH_NS
    if access.http is None or "latest" not in provider.offers or fresh:
        return None if kept is None else _last_step(kept.intensity, now_ns)
    answer = converse(provider, query, http=access.http)
    keep_answer(access.cache, provider, query, answer, access.http.wall_ns())
    return _last_step(answer.intensity, now_ns)


def _last_step(series: IntensitySeries, now_ns: int) -> dict[str, Any] | None:
    """Return the last known step that has begun."""
    known = np.flatnonzero(~np.isnan(series.intensity_g_per_kwh) & (series.edges_ns[:-1] <= now_ns))
    return _step(series, int(known[-1])) if len(known) else None


def _step_at(series: IntensitySeries, t_ns: int) -> dict[str, Any] | None:
    i = int(np.searchsorted(series.edges_ns, t_ns, side="right")) - 1
    inside = 0 <= i < len(series.status) and not np.isnan(series.intensity_g_per_kwh[i])
    return _step(series, i) if inside else None


def _step(series: IntensitySeries, i: int) -> dict[str, Any]:
    return {
        "start_ns": int(series.edges_ns[i]),
        "end_ns": int(series.edges_ns[i + 1]),
        "g_per_kwh": float(series.intensity_g_per_kwh[i]),
        "status": STATUSES[int(series.status[i])],
        "signal": series.signal,
    }


def history(
    access: GridAccess,
    zone: str,
    window: tuple[int, int],
    *,
    basis: Basis,
    factors: KnownFactors,
    as_of: str | None = None,
) -> Found:
    """Return the intensity of a window, now or as it was known at an earlier instant.

    Raises
    ------
    InputError
        If nothing is known.
    """
    if as_of is None:
        return access.find(zone, *window, basis=basis, factors=factors)
    from lowtide.grid.fallback import Found
    from lowtide.grid.fetching import kept_values

    then_ns = parse_asked_ns(as_of)
    names: list[str | None] = [provider.name for provider in access.providers(zone, basis)]
    for name in names or [None]:
        kept = kept_values(
            access.cache, zone, window, provider=name, basis=basis, factors=factors, as_of_ns=then_ns
        )
        if kept is not None:
            return Found(intensity=kept.intensity, provider=kept.key.provider, stand_ins=(), problems=())
    raise ZoneError(f"the cache held nothing of {zone} in that window at {as_of}")


def write_export(path: str, series: Sequence[IntensitySeries]) -> None:
    """Write series to a CSV or Parquet file, by its ending, as a whole or not at all.

    Raises
    ------
    InputError
        If the ending is neither, or the series have different signals.
    DataFileError
        If it cannot be written.
    """
    from lowtide.reporting.grid_values import export_csv

    kinds = {(part.signal.basis, part.signal.factors) for part in series}
    if len(kinds) > 1:
        told = " and ".join(sorted(f"{basis} {factors}" for basis, factors in kinds))
        raise InputError(f"{told} intensity do not go into one column; export them apart")
    if path.lower().endswith(".csv"):
        data = export_csv(series).encode()
    elif path.lower().endswith(".parquet"):
        data = _parquet(series)
    else:
        raise InputError(f"{path}: exports are written as FILE.csv or FILE.parquet")
    write_whole(path, data)


def write_whole(path: str, data: bytes) -> None:
    """Write a file under another name first, so that nobody sees half of it.

    Raises
    ------
    DataFileError
        If it cannot be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        handle, part = tempfile.mkstemp(dir=folder, prefix=".lowtide-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except OSError as error:
        raise DataFileError(f"cannot be written ({error.strerror})", path=path) from error


def _parquet(series: Sequence[IntensitySeries]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("writing Parquet", extra="parquet") from error
    from lowtide.reporting.grid_values import export_rows

    column, rows = export_rows(series)
    instant = pa.timestamp("us", tz="UTC")
    edges = [(part.edges_ns[:-1] // 1000, part.edges_ns[1:] // 1000) for part in series]
    starts, ends = (np.concatenate([pair[i] for pair in edges]) for i in (0, 1))
    table = pa.table(
        {
            "ts_utc": pa.array(starts, type=instant),
            "end_utc": pa.array(ends, type=instant),
            "zone": pa.array([row[2] for row in rows]),
            column: pa.array([row[3] for row in rows], type=pa.float64()),
            "status": pa.array([row[4] for row in rows]),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data
