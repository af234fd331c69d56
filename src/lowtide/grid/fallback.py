"""The fallback chain: an intensity for every window, and every step down the chain visible in it.

A configured provider, another one, what the cache has of anybody, the values of the days before, the typical
profile: each fills what the ones above it left unknown. The signal's source says for how many hours and why, the
status of each step says what it is, and the range grows by the share of what stood in.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from lowtide.errors import ProviderError, ZoneError
from lowtide.grid.cache import Cache, Window
from lowtide.grid.fetching import fetch, kept_values
from lowtide.grid.mixture import Kind, Mixture, Part, mixed_signal, part_words
from lowtide.grid.spreads import DAYS_BEFORE, other_spread
from lowtide.model.signal import Basis, Signal
from lowtide.quantities import format_instant
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_H

if TYPE_CHECKING:
    from lowtide.data.intensity import KnownFactors
    from lowtide.doors import Provider
    from lowtide.grid.driver import Http

__all__ = ["Found", "StandIn", "find_intensity"]

_MOST_DAYS_BACK: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """One step down the chain.

    Attributes
    ----------
    kind : str
        ``other provider``, ``last cached``, ``days before`` or ``typical``.
    hours : float
        For how long it stands in.
    what : str
        In words fit for a report.
    """

    kind: Kind
    hours: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """An intensity with how it came about.

    Attributes
    ----------
    intensity : IntensitySeries
        Over the window asked for; unknown where nothing is known.
    provider : str
        Whose values most of it are, ``typical`` where nobody's are.
    stand_ins : tuple of StandIn
        The steps down, none when one provider has known everything.
    problems : tuple of str
        Why providers gave nothing, in their own words.
    notes : tuple of str
        What the providers want known.
    """

    intensity: IntensitySeries
    provider: str
    stand_ins: tuple[StandIn, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_intensity(
    zone: str,
    window: Window,
    *,
    providers: Sequence[Provider],
    cache: Cache | None,
    http: Http | None,
    now_ns: int,
    basis: Basis = "average",
    factors: KnownFactors = "lifecycle",
    until_s: float | None = None,
    why_offline: str = "offline",
    known_problems: Sequence[str] = (),
    only: bool = False,
) -> Found:
    """Return the best intensity of a zone over a window.

    Parameters
    ----------
    zone : str
    window : (int, int)
        ``[start, end)`` [ns].
    providers : sequence of Provider
        Those configured for the zone, the best first.
    cache : Cache or None
        None when nothing can have been cached: there is no provider.
    http : Http or None
        None to ask nobody.
    now_ns : int
    basis, factors
    until_s : float, optional
        Instant of `http.monotonic` at which asking ends.
    why_offline : str
        Why nobody is asked.
    known_problems : sequence of str
        Why providers that were named are not among `providers`.
    only : bool
        Whether nobody else's values may stand in; the typical profile may.

    Raises
    ------
    ZoneError
        If nothing at all is known of the zone, or nothing on that basis.
    """
    mixture = Mixture(edges=np.array(window, dtype=np.int64))
    problems = list(known_problems)
    notes: list[str] = []
    for i, provider in enumerate(providers):
        if cache is None or mixture.is_full:
            break
        if http is not None:
            try:
                notes += fetch(provider, zone, window, cache=cache, http=http, now_ns=now_ns, factors=factors,
                               until_s=until_s)  # fmt: skip
            except ProviderError as error:
                problems.append(str(error))
        n_before = len(mixture.parts)
        _fill_from(mixture, provider, zone, window, cache, now_ns, factors, is_first=i == 0 or n_before == 0)
    if cache is not None and not mixture.is_full:
        if http is None and providers:
            problems.append(f"{why_offline}: the cache lacks {_lacking(mixture)}")
        own = {provider.name for provider in providers} if only else None
        _fill_last_cached(mixture, zone, window, cache, basis, factors, own)
        _fill_days_before(mixture, zone, window, cache, basis, factors, own)
    if basis == "average" and not mixture.is_full:
        _fill_typical(mixture, zone, window, factors, problems)
    if not mixture.parts:
        raise ZoneError(_nothing(zone, basis, problems))
    return _found(mixture, problems, notes)


def _nothing(zone: str, basis: str, problems: Sequence[str]) -> str:
    why = f" ({'; '.join(problems)})" if problems else ""
    if basis == "marginal":
        return (
            f"no marginal intensity of {zone} is known{why}; typical intensity is average only: give one with "
            "--intensity FILE, or configure a provider that has it (lowtide grid providers)"
        )
    return f"no intensity of {zone} is known{why}; give one with --intensity FILE"


def _lacking(mixture: Mixture) -> str:
    """Return which time is unknown, in words."""
    unknown = np.isnan(mixture.g)
    hours = float(np.diff(mixture.edges)[unknown].sum()) / NS_PER_H
    first = format_instant(int(mixture.edges[:-1][unknown][0]))
    return f"{hours:.4g} h of the time asked for, from {first} on"


def _fill_from(
    mixture: Mixture,
    provider: Provider,
    zone: str,
    window: Window,
    cache: Cache,
    now_ns: int,
    factors: KnownFactors,
    *,
    is_first: bool,
) -> None:
    """Fill from what a provider has: values, and its newest forecast for what is to come."""
    kind: Kind = "provider" if is_first else "other provider"
    kept = kept_values(cache, zone, window, provider=provider.name, basis=provider.basis, factors=factors)
    if kept is not None:
        mixture.fill(kept.intensity, _part(kind, provider.name, kept.intensity.signal, kept.intensity))
    ahead = max(window[0], now_ns), window[1]
    if ahead[0] >= ahead[1]:
        return
    for series in _newest_forecasts(cache, provider, zone, ahead, factors):
        mixture.fill(series, _part(kind, provider.name, series.signal, series))


def _newest_forecasts(
    cache: Cache, provider: Provider, zone: str, window: Window, factors: KnownFactors
) -> list[IntensitySeries]:
    """Return a provider's forecasts with the factors asked for, or what it has; those issued last first."""
    keys = cache.series(zone, provider=provider.name, basis=provider.basis)
    fitting = [key for key in keys if key.factors in (factors, "unknown")] or keys
    found = [issue for key in fitting if (issue := cache.forecast(key, window)) is not None]
    return [series for _, series in sorted(found, key=lambda issue: issue[0], reverse=True)]


def _part(kind: Kind, name: str, signal: Signal, series: IntensitySeries) -> Part:
    spread = signal.spread if kind == "provider" else other_spread(signal, series)
    return Part(kind=kind, name=name, signal=signal, spread=spread)


def _fill_last_cached(
    mixture: Mixture,
    zone: str,
    window: Window,
    cache: Cache,
    basis: Basis,
    factors: KnownFactors,
    only: Set[str] | None,
) -> None:
    """Fill from anybody's values and forecasts that are kept, or from those of `only`."""
    used = {part.name for part in mixture.parts}
    for key in sorted(
        cache.series(zone, basis=basis), key=lambda key: (key.provider not in used, key.step_ns)
    ):
        if key.factors not in (factors, "unknown") or (only is not None and key.provider not in only):
            continue
        if key.provider not in used:
            kept = cache.get(key, window)
            if kept is not None:
                kind: Kind = "last cached" if used else "provider"
                series = kept.intensity
                mixture.fill(series, _part(kind, key.provider, series.signal, series))
        found = cache.forecast(key, window)
        if found is not None:
            part = Part(kind="last cached", name=key.provider, signal=found[1].signal,
                         spread=DAYS_BEFORE[basis])  # fmt: skip
            mixture.fill(found[1], part)


def _fill_days_before(
    mixture: Mixture,
    zone: str,
    window: Window,
    cache: Cache,
    basis: Basis,
    factors: KnownFactors,
    only: Set[str] | None,
) -> None:
    """Fill with the values of the day before at the same time, of the day before that, up to a week."""
    day_ns = 24 * NS_PER_H
    before = window[0] - _MOST_DAYS_BACK * day_ns, window[1]
    main = mixture.parts[0].name if mixture.parts else None
    if main is None and only is not None:
        main = next((key.provider for key in cache.series(zone, basis=basis) if key.provider in only), "")
    kept = kept_values(cache, zone, before, provider=main, basis=basis, factors=factors)
    if kept is None:
        return
    for days in range(1, _MOST_DAYS_BACK + 1):
        if mixture.is_full:
            return
        shifted = replace(
            kept.intensity,
            edges_ns=kept.intensity.edges_ns + days * day_ns,
            status=np.maximum(kept.intensity.status, 1),  # at best an estimate
        )
        mixture.fill(
            shifted,
            Part(kind="days before", name=kept.key.provider, signal=kept.intensity.signal,
                  spread=DAYS_BEFORE[basis], factor=sqrt(days)),
        )  # fmt: skip


def _fill_typical(
    mixture: Mixture, zone: str, window: Window, factors: KnownFactors, problems: list[str]
) -> None:
    from lowtide.grid.typical import typical_intensity

    base = mixture.parts[0].signal.factors if mixture.parts else factors
    wanted: KnownFactors = "direct" if base == "direct" else "lifecycle"
    try:
        typical = typical_intensity(zone, *window, factors=wanted)
    except ZoneError as error:
        if not mixture.parts and not problems:
            raise
        problems.append(str(error))
        return
    mixture.fill(
        typical, Part(kind="typical", name="typical", signal=typical.signal, spread=typical.signal.spread)
    )


def _found(mixture: Mixture, problems: Sequence[str], notes: Sequence[str]) -> Found:
    hours = [mixture.hours(i) for i in range(len(mixture.parts))]
    main = max(range(len(hours)), key=lambda i: (mixture.parts[i].kind == "provider", hours[i]))
    stand_ins = tuple(
        StandIn(kind=part.kind, hours=hours[i], what=part_words(part))
        for i, part in enumerate(mixture.parts)
        if part.kind != "provider"
    )
    intensity = IntensitySeries(
        edges_ns=mixture.edges,
        intensity_g_per_kwh=mixture.g,
        status=mixture.status.astype(np.uint8),
        signal=mixed_signal(mixture, main, hours, problems),
    )
    return Found(
        intensity=intensity,
        provider=mixture.parts[main].name,
        stand_ins=stand_ins,
        problems=tuple(dict.fromkeys(problems)),
        notes=tuple(dict.fromkeys(notes)),
    )
