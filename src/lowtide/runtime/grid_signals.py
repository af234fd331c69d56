"""From a grid choice to the signals a bill or plan is made with: files, constants, providers, stand-ins."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lowtide.accounting.intensities import Intensities
from lowtide.errors import InputError, ZoneError
from lowtide.model.grid_choice import GridChoice
from lowtide.model.signal import STATUSES
from lowtide.runtime.grid_access import named_providers
from lowtide.series.types import IntensitySeries

if TYPE_CHECKING:
    from lowtide.runtime.grid_access import GridAccess

__all__ = ["check_intensity", "fill_with_typical", "foretold", "intensities_for"]

_FactorsAsked = Literal["lifecycle", "direct"] | None


def _from_input(
    text: str, choice: GridChoice, factors: _FactorsAsked, start_ns: int, end_ns: int
) -> IntensitySeries:
    """Return the intensity of a file or constant as the user gave it."""
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.files import constant_g_per_kwh, read_intensity

    is_number = constant_g_per_kwh(text) is not None and not os.path.exists(text)
    series = read_intensity(
        text,
        zone=None if is_number else choice.zone,
        basis=choice.basis,
        factors=factors,
        resolve=resolve_zone,
        window_ns=(start_ns, end_ns),
    )
    if is_number:
        return series if choice.zone is None else _of_zone(series, choice.zone)
    return foretold(series, text)


def _of_zone(series: IntensitySeries, zone: str) -> IntensitySeries:
    return replace(series, signal=replace(series.signal, zone=zone))


def foretold(series: IntensitySeries, path: str) -> IntensitySeries:
    """Return a file's values, those of steps that began after it was written as the forecast they are.

    Nobody can have measured them. A bill keeps them as a forecast until it is made again with a newer file.
    """
    written_ns = min(os.stat(path).st_mtime_ns, time.time_ns())
    ahead = (series.edges_ns[:-1] > written_ns) & (series.status < STATUSES.index("forecast"))
    if not ahead.any():
        return series
    return replace(series, status=np.where(ahead, STATUSES.index("forecast"), series.status).astype(np.uint8))


def intensities_for(
    choice: GridChoice, *, start_ns: int, end_ns: int, access: GridAccess | None = None
) -> Intensities:
    """Return the signals for a window, each None where there is none.

    Parameters
    ----------
    choice : GridChoice
    start_ns, end_ns : int
        The window [ns].
    access : GridAccess, optional
        How providers and the cache are reached; by default with the settings in force, network included.

    Raises
    ------
    InputError
        If a file cannot be read, or the zone has no values.
    """
    window = start_ns, end_ns
    market = None
    if choice.market is not None:
        given = replace(choice, zone=None, basis=None)
        market = _from_input(choice.market, given, None, *window)
    if choice.intensity is not None:
        return replace(_from_file(choice, window), market=market)
    if choice.zone is None:
        return Intensities(market=market)
    if access is not None:
        return replace(_from_grid(choice, window, access), market=market)
    from lowtide.runtime.grid_access import grid_access

    with grid_access() as opened:
        return replace(_from_grid(choice, window, opened), market=market)


def _from_file(choice: GridChoice, window: tuple[int, int]) -> Intensities:
    """Return the signals of a file or constant, direct factors beside where it has them."""
    text = str(choice.intensity)
    main = _from_input(text, choice, choice.factors, *window)
    if main.signal.basis == "marginal":
        return Intensities(marginal=main)
    direct = None
    if main.signal.factors == "lifecycle" and choice.factors != "direct":
        try:
            direct = _from_input(text, choice, "direct", *window)
        except InputError:
            direct = None  # the figure beside is simply not there
    return Intensities(location=main, direct=_if_direct(direct), marginal=_marginal_of_file(text, choice))


def _marginal_of_file(text: str, choice: GridChoice) -> IntensitySeries | None:
    """Return the marginal intensity of a file that has both, None where it has not, or not of the zone."""
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.files import constant_g_per_kwh, read_marginal_beside

    if constant_g_per_kwh(text) is not None and not os.path.exists(text):
        return None
    try:
        found = read_marginal_beside(text, zone=choice.zone, resolve=resolve_zone)
        return None if found is None else foretold(found, text)
    except InputError:
        return None  # the figure beside is simply not there


def _from_grid(choice: GridChoice, window: tuple[int, int], access: GridAccess) -> Intensities:
    """Return the signals of the providers that are configured, and what stands in for them."""
    zone, named = str(choice.zone), named_providers(choice.provider) or None
    only = choice.provider_from == "flag" if named else None
    if choice.basis == "marginal":
        found = access.find(zone, *window, basis="marginal", named=named, only=only)
        return Intensities(marginal=found.intensity)
    factors = choice.factors or "lifecycle"
    location = access.find(zone, *window, factors=factors, named=named, only=only).intensity
    direct = None
    if location.signal.factors == "lifecycle" and choice.factors != "direct":
        try:
            direct = access.find(zone, *window, factors="direct", named=named, only=only).intensity
        except InputError:
            direct = None  # the figure beside is simply not there
    return Intensities(
        location=location, direct=_if_direct(direct), marginal=_marginal_beside(zone, window, access)
    )


def _if_direct(series: IntensitySeries | None) -> IntensitySeries | None:
    return series if series is not None and series.signal.factors == "direct" else None


def _marginal_beside(zone: str, window: tuple[int, int], access: GridAccess) -> IntensitySeries | None:
    """Return the marginal intensity where a provider of it is configured, None where none is."""
    if not access.providers(zone, "marginal", only=False):
        return None
    try:
        return access.find(zone, *window, basis="marginal", only=False).intensity
    except InputError:
        return None  # nothing is known of it; the account stands on the average


def check_intensity(choice: GridChoice) -> None:
    """Read the file a run would be billed with, so that a mistake shows before the run.

    Providers are not asked: no job waits for the network, and what they do not have is stood in for.

    Raises
    ------
    InputError
        As :func:`intensities_for`.
    """
    from lowtide.runtime.grid_access import cached_only

    window = {"start_ns": (now_ns := time.time_ns()), "end_ns": now_ns + 3_600_000_000_000}
    with cached_only() as access:
        if choice.intensity is not None or choice.market is not None:
            files = choice if choice.intensity is not None else replace(choice, zone=None)
            intensities_for(files, **window, access=access)
        if choice.intensity is not None or choice.zone is None or choice.provider not in (None, "typical"):
            return
        if choice.basis == "marginal" and access.providers(choice.zone, "marginal"):
            return
        try:
            intensities_for(replace(choice, market=None, provider="typical"), **window, access=access)
        except ZoneError:
            if not access.providers(choice.zone, choice.basis or "average"):
                raise


def fill_with_typical(intensity: IntensitySeries, start_ns: int, end_ns: int) -> IntensitySeries:
    """Return the series over the window with unknown steps filled from the zone's typical profile.

    Raises
    ------
    InputError
        If the series has no zone, or its basis is not the average.
    """
    from lowtide.grid.mixture import Mixture, Part, mixed_signal
    from lowtide.grid.typical import typical_intensity

    given, zone = intensity.signal, intensity.signal.zone
    if zone is None or given.basis != "average":
        raise InputError(
            "only an average intensity with a zone can be filled with typical values; pass --gaps partial"
        )
    factors: Literal["lifecycle", "direct"] = "direct" if given.factors == "direct" else "lifecycle"
    typical = typical_intensity(zone, start_ns, end_ns, factors=factors)
    mixture = Mixture(edges=np.array([start_ns, end_ns], dtype=np.int64))
    mixture.fill(intensity, Part(kind="provider", name="", signal=given, spread=given.spread))
    mixture.fill(
        typical, Part(kind="typical", name="typical", signal=typical.signal, spread=typical.signal.spread)
    )
    hours = [mixture.hours(i) for i in range(len(mixture.parts))]
    return IntensitySeries(
        edges_ns=mixture.edges,
        intensity_g_per_kwh=mixture.g,
        status=mixture.status.astype(np.uint8),
        signal=mixed_signal(mixture, 0, hours, ()),
    )
