"""Filling the cache from a provider: what is missing or may have been revised, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from lowtide.doors import Answer, Query
from lowtide.errors import ReplyError, UnreachableError
from lowtide.grid.cache import Cache, Kept, Window
from lowtide.grid.cache_rows import overlaid
from lowtide.grid.driver import Http, converse
from lowtide.series import steps
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H, NS_PER_S

if TYPE_CHECKING:
    from lowtide.data.intensity import KnownFactors
    from lowtide.doors import Provider

__all__ = ["due_windows", "fetch", "is_due", "kept_values", "keep_answer"]

_DAY_NS: Final = 24 * NS_PER_H
_ESTIMATE_AGAIN_NS: Final = 6 * NS_PER_H
_MEASURED_AGAIN_NS: Final = _DAY_NS
_ESTIMATES_SETTLE_NS: Final = 30 * _DAY_NS
_MEASURED_SETTLE_NS: Final = 3 * _DAY_NS
_EMPTY_AGAIN_NS: Final = NS_PER_H
_NEWEST_AGAIN_NS: Final = 5 * 60 * NS_PER_S
_FORECAST_AGAIN_NS: Final = 30 * 60 * NS_PER_S
_FORECAST: Final = "forecast "
"""Before the factors, where the cache notes a question for a forecast."""
_JOINED_NS: Final = 2 * _DAY_NS
"""Windows that lie closer are asked for at once: a request costs more than two days of values."""


def fetch(
    provider: Provider,
    zone: str,
    window: Window,
    *,
    cache: Cache,
    http: Http,
    now_ns: int,
    factors: KnownFactors = "lifecycle",
    until_s: float | None = None,
) -> tuple[str, ...]:
    """Ask a provider for what the cache lacks in a window, past and future, and keep it.

    Parameters
    ----------
    provider : Provider
    zone : str
    window : (int, int)
        ``[start, end)`` [ns].
    cache : Cache
    http : Http
    now_ns : int
        The present [ns].
    factors : {"lifecycle", "direct"}
    until_s : float, optional
        Instant of `http.monotonic` by which all of it must have ended.

    Returns
    -------
    tuple of str
        Notes of the provider.

    Raises
    ------
    ProviderError
        The first that went wrong; what came before is kept.
    """
    notes: list[str] = []
    past = window[0], min(window[1], now_ns)
    query = Query(what="history", zone=zone, start_ns=past[0], end_ns=past[1], now_ns=now_ns, factors=factors)
    if past[0] < past[1] and "history" in provider.offers:
        for start_ns, end_ns in _due(provider, zone, past, cache, now_ns, factors):
            part = replace(query, start_ns=start_ns, end_ns=end_ns)
            answer = _converse(provider, part, http, until_s)
            keep_answer(cache, provider, part, answer, http.wall_ns())
            notes += answer.notes
    ahead = max(window[0], now_ns), window[1]
    if (
        ahead[0] < ahead[1]
        and "forecast" in provider.offers
        and not _has_forecast(provider, zone, ahead, cache, now_ns, factors)
    ):
        part = replace(query, what="forecast", start_ns=ahead[0], end_ns=ahead[1])
        answer = _converse(provider, part, http, until_s)
        keep_answer(cache, provider, part, answer, http.wall_ns())
        notes += answer.notes
    return tuple(dict.fromkeys(notes))


def is_due(
    provider: Provider, zone: str, window: Window, *, cache: Cache, now_ns: int, factors: KnownFactors
) -> bool:
    """Return whether :func:`fetch` would ask anything."""
    past, ahead = (window[0], min(window[1], now_ns)), (max(window[0], now_ns), window[1])
    wants_past = past[0] < past[1] and "history" in provider.offers
    if wants_past and _due(provider, zone, past, cache, now_ns, factors):
        return True
    wants_forecast = ahead[0] < ahead[1] and "forecast" in provider.offers
    return wants_forecast and not _has_forecast(provider, zone, ahead, cache, now_ns, factors)


def _converse(provider: Provider, query: Query, http: Http, until_s: float | None) -> Answer:
    if until_s is None:
        return converse(provider, query, http=http)
    left_s = until_s - http.monotonic()
    if left_s <= 0.0:
        raise UnreachableError("not asked: the time for the network is used up", provider=provider.name)
    return converse(provider, query, http=http, within_s=left_s)


def keep_answer(cache: Cache, provider: Provider, query: Query, answer: Answer, fetched_ns: int) -> None:
    """Keep what a provider answered: past values by step, forecasts whole and by their issue.

    Raises
    ------
    ReplyError
        If the answer is for another zone or basis than was asked.
    """
    signal = answer.intensity.signal
    if signal.zone != query.zone or signal.basis != provider.basis:
        raise ReplyError(
            f"answered with {signal.basis} intensity of {signal.zone} where {provider.basis} of {query.zone} "
            "was asked for; nothing of it was used",
            provider=provider.name,
        )
    if query.what in ("latest", "history"):
        past = _until(answer.intensity, query.now_ns)
        if past is not None:
            updated = None if answer.updated_ns is None else answer.updated_ns[: len(past.status)]
            cache.put(provider.name, past, fetched_ns=fetched_ns, updated_ns=updated)
        if query.what == "history":
            window = query.start_ns, query.end_ns
            cache.note_asked(provider.name, query.zone, signal.basis, query.factors, window, fetched_ns)
        return
    if query.what == "forecast":
        window = query.start_ns, query.end_ns
        cache.note_asked(
            provider.name, query.zone, signal.basis, _FORECAST + query.factors, window, fetched_ns
        )
    issued_ns = query.now_ns if answer.issued_ns is None else answer.issued_ns
    issues = answer.past or ((issued_ns, answer.intensity),)
    for issue_ns, forecast in issues:
        cache.put_forecast(provider.name, forecast, issued_ns=issue_ns, fetched_ns=fetched_ns)


def _until(intensity: IntensitySeries, now_ns: int) -> IntensitySeries | None:
    """Return the whole steps that have begun, None where there are none: the future is no history."""
    n = int(np.searchsorted(intensity.edges_ns[:-1], now_ns))
    if n == 0:
        return None
    return replace(
        intensity,
        edges_ns=intensity.edges_ns[: n + 1],
        intensity_g_per_kwh=intensity.intensity_g_per_kwh[:n],
        status=intensity.status[:n],
    )


def kept_values(
    cache: Cache,
    zone: str,
    window: Window,
    *,
    provider: str | None = None,
    basis: str = "average",
    factors: str = "lifecycle",
    as_of_ns: int | None = None,
    strict: bool = False,
) -> Kept | None:
    """Return the cached series that knows most of a window, of those with the factors asked for.

    What it does not know is filled from series of the same source in other steps. A provider that has no
    series with such factors gives what it has, unless `strict`; its signal says what that is.
    """
    keys = cache.series(zone, provider=provider, basis=basis)
    fitting = [key for key in keys if key.factors in (factors, "unknown")]
    if provider is not None and not strict:
        fitting = fitting or keys
    found = [kept for key in fitting if (kept := cache.get(key, window, as_of_ns=as_of_ns)) is not None]
    ends = np.array(window, dtype=np.int64)

    def known_s(kept: Kept) -> tuple[float, int]:
        series = kept.intensity
        covered = steps.covered_s(series.edges_ns, series.intensity_g_per_kwh, ends)
        return float(covered[0]), -kept.key.step_ns

    best = max(found, key=known_s, default=None)
    for other in found:
        if (
            best is not None
            and other.key != best.key
            and replace(other.key, step_ns=0) == replace(best.key, step_ns=0)
        ):
            best = overlaid(best, other)
    return best


def _due(
    provider: Provider, zone: str, window: Window, cache: Cache, now_ns: int, factors: str
) -> list[Window]:
    asked = cache.asked(provider.name, zone, provider.basis, factors, window)
    # A source without the factors asked for answered with what it has: that is what it will say again.
    kept = kept_values(
        cache, zone, window, provider=provider.name, basis=provider.basis, factors=factors, strict=not asked
    )
    return due_windows(kept, window, asked=asked, now_ns=now_ns)


def due_windows(
    kept: Kept | None, window: Window, *, asked: Iterable[tuple[int, int, int]], now_ns: int
) -> list[Window]:
    """Return which parts of a past window should be asked for.

    Missing steps, unless the source has just said that it has none; estimates every six hours until they are
    measured, or a month old; measured values once a day for three days, as sources revise them.

    Parameters
    ----------
    kept : Kept or None
        What is known.
    window : (int, int)
    asked : iterable of (start, end, when)
        Earlier questions that were answered.
    now_ns : int
    """
    if kept is None:
        missing, again = [window], []
    else:
        missing, again = _holes(kept, window), _revisable(kept, now_ns)
    questions = list(asked)
    due = [hole for hole in missing if not _just_asked(hole, questions, now_ns)]
    return _joined(sorted([*due, *again]))


def _holes(kept: Kept, window: Window) -> list[Window]:
    edges, unknown = kept.intensity.edges_ns, np.isnan(kept.intensity.intensity_g_per_kwh)
    holes = [(int(edges[i]), int(edges[i + 1])) for i in np.flatnonzero(unknown)]
    holes += [(window[0], int(edges[0])), (int(edges[-1]), window[1])]
    return [(max(a, window[0]), min(b, window[1])) for a, b in holes if max(a, window[0]) < min(b, window[1])]


def _revisable(kept: Kept, now_ns: int) -> list[Window]:
    edges, fetched = kept.intensity.edges_ns, kept.fetched_ns
    measured = kept.intensity.status == 0
    settled_ns = np.where(measured, _MEASURED_SETTLE_NS, _ESTIMATES_SETTLE_NS)
    again_ns = np.where(measured, _MEASURED_AGAIN_NS, _ESTIMATE_AGAIN_NS)
    due = (fetched >= 0) & (fetched < edges[1:] + settled_ns) & (fetched <= now_ns - again_ns)
    return [(int(edges[i]), int(edges[i + 1])) for i in np.flatnonzero(due)]


def _just_asked(hole: Window, asked: Iterable[tuple[int, int, int]], now_ns: int) -> bool:
    """Return whether asking for a hole again is of no use yet."""
    if hole[1] > now_ns - _DAY_NS:
        again_ns = _NEWEST_AGAIN_NS
    else:
        again_ns = _EMPTY_AGAIN_NS if hole[1] > now_ns - _ESTIMATES_SETTLE_NS else _DAY_NS
    return any(a <= hole[0] and hole[1] <= b and at_ns > now_ns - again_ns for a, b, at_ns in asked)


def _joined(windows: Iterable[Window]) -> list[Window]:
    joined: list[Window] = []
    for start_ns, end_ns in windows:
        if joined and start_ns - joined[-1][1] <= _JOINED_NS:
            joined[-1] = joined[-1][0], max(end_ns, joined[-1][1])
        else:
            joined.append((start_ns, end_ns))
    return joined


def _has_forecast(
    provider: Provider, zone: str, window: Window, cache: Cache, now_ns: int, factors: str
) -> bool:
    """Return whether a forecast up to the window's end, or as far as the source goes, has just been fetched."""
    asked = cache.asked(provider.name, zone, provider.basis, _FORECAST + factors, window)
    return any(end_ns >= window[1] and at_ns > now_ns - _FORECAST_AGAIN_NS for _, end_ns, at_ns in asked)
