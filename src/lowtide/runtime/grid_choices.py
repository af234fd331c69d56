"""Which intensity the settings ask for, its words checked; nothing is read or asked yet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, cast

from lowtide.errors import InputError, ZoneError, near_matches
from lowtide.model.grid_choice import GridChoice
from lowtide.runtime.config import Config, Setting

__all__ = ["choice_of", "grid_choice", "setting_from"]

_BasisGiven = Literal["average", "marginal"] | None
_FactorsGiven = Literal["lifecycle", "direct"] | None


def grid_choice(config: Config, *, is_lenient: bool = False) -> GridChoice:
    """Return which intensity the configuration asks for, its words checked.

    Parameters
    ----------
    config : Config
    is_lenient : bool
        Whether a provider that a flag names may be one that cannot be used.

    Raises
    ------
    InputError
        If a zone, provider or choice is unknown, or a provider that a flag names cannot be used.
    """
    choice = _choice(config)
    if not is_lenient and choice.provider_from == "flag":
        from lowtide.runtime.grid_named import check_named

        check_named(choice, config)
    if choice.basis == "marginal" and choice.intensity is None and choice.zone is not None:
        _check_marginal(config, choice.zone)
    return choice


def _choice(config: Config) -> GridChoice:
    zone = config.get("zone")
    intensity, provider, market = (
        config.get("intensity"),
        config.get("provider"),
        config.get("market"),
    )
    if provider is not None:
        _check_providers(provider)
    basis = _choice_or_none("basis", config.get("basis"), ("average", "marginal"))
    return GridChoice(
        zone=None if zone is None else _zone(zone, in_file=intensity is not None, provider=provider),
        zone_from=None if zone is None else zone.origin,
        provider=None if provider is None else provider.value,
        provider_from=None if provider is None else provider.origin,
        intensity=None if intensity is None else _absolute(intensity.value),
        basis=cast(_BasisGiven, basis),
        factors=cast(
            _FactorsGiven, _choice_or_none("factors", config.get("factors"), ("lifecycle", "direct"))
        ),
        market=None if market is None else _absolute(market.value),
    )


def _check_marginal(config: Config, zone: str) -> None:
    """Refuse the marginal basis where nobody is configured who has it."""
    from lowtide.runtime.grid_access import cached_only

    with cached_only(config) as access:
        if not access.providers(zone, "marginal") and not access.cache.series(zone, basis="marginal"):
            raise InputError(
                f"typical intensity is average only, and no provider of marginal intensity is configured for {zone} "
                "(lowtide grid providers); give one with --intensity FILE"
            )


def _check_providers(setting: Setting) -> None:
    """Refuse a provider that does not exist; whether it can be used is found out when it is asked."""
    from lowtide.grid.registry import is_imported, provider_names
    from lowtide.runtime.grid_access import named_providers

    known = provider_names()
    for name in named_providers(setting.value):
        if name not in known and not is_imported(name):
            raise InputError(
                f"no provider {name!r} ({setting_from(setting)}){near_matches(name, known)}; there are "
                f"{', '.join(known)}, and file:NAME for what `lowtide grid import` kept"
            )


def _zone(setting: Setting, *, in_file: bool, provider: Setting | None) -> str:
    """Return the zone's key; with a file a zone is valid when the file has it, which is checked there."""
    from lowtide.data.zones import resolve_zone

    try:
        return resolve_zone(setting.value)
    except ZoneError as error:
        if in_file or (provider is not None and _has_zone(provider.value, setting.value)):
            return setting.value
        raise ZoneError(
            f"{error} ({setting_from(setting)})" if setting.origin != "flag" else str(error)
        ) from error


def _has_zone(providers: str, zone: str) -> bool:
    """Return whether a provider that was named has a zone of its own by that key."""
    from lowtide.grid.registry import TYPICAL, is_imported, load_provider
    from lowtide.runtime.grid_access import named_providers

    names = [name for name in named_providers(providers) if name != TYPICAL]
    return any(is_imported(name) or load_provider(name).has(zone) for name in names)


def _absolute(intensity: str) -> str:
    """Return a file's absolute path, or a constant as it is: the run may end in another folder."""
    return os.path.abspath(intensity) if os.path.exists(intensity) else intensity


def choice_of(name: str, setting: Setting | None, known: Sequence[str], default: str) -> str:
    """Return a setting that must be one of some words.

    Raises
    ------
    InputError
        If it is none of them.
    """
    if setting is None:
        return default
    if setting.value not in known:
        hint = near_matches(setting.value, known)
        raise InputError(
            f"{name} {setting.value!r} ({setting_from(setting)}) is unknown{hint}; use one of {', '.join(known)}"
        )
    return setting.value


def _choice_or_none(name: str, setting: Setting | None, known: Sequence[str]) -> str | None:
    return None if setting is None else choice_of(name, setting, known, "")


def setting_from(setting: Setting) -> str:
    """Return where a setting came from, for a message."""
    return "a flag" if setting.origin == "flag" else f"from {setting.origin}"
