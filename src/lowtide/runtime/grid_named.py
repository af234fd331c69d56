"""Providers that somebody named: what each lacks to be used, in words, so that none is passed over in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lowtide.errors import InputError
from lowtide.model.grid_choice import GridChoice

if TYPE_CHECKING:
    from lowtide.grid.cache import Cache
    from lowtide.grid.keys import KeyRing
    from lowtide.grid.registry import ProviderState
    from lowtide.model.signal import Basis
    from lowtide.runtime.config import Config

__all__ = ["check_named", "unused", "unused_words"]


def unused(
    names: Sequence[str],
    zone: str,
    basis: Basis,
    *,
    cache: Cache,
    keys: KeyRing,
    env: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return those of the named providers that cannot be used for a zone on a basis, each with why and what to do.

    What comes after ``typical`` is never reached and not looked at. A provider of the other basis alone is left
    out where another one that was named can be used: it then serves its own account.

    Raises
    ------
    InputError
        If there is no provider of a name.
    """
    from lowtide.grid.registry import TYPICAL, is_imported, state_of

    reached = names[: names.index(TYPICAL)] if TYPICAL in names else names
    why: dict[str, str] = {}
    other_basis: dict[str, str] = {}
    for name in reached:
        if is_imported(name):
            if not cache.series(zone, provider=name, basis=basis):
                why[name] = f"{name} holds no {basis} values of {zone}; `lowtide grid import` keeps a file's"
            continue
        state = state_of(name, keys=keys, env=env)
        if state.provider is not None and state.provider.basis != basis and state.provider.has(zone):
            other_basis[name] = (
                f"{name} has {state.provider.basis} intensity and {basis} is asked for; "
                f"pass --basis {state.provider.basis}, or name another provider"
            )
            continue
        lack = _lack(state, zone)
        if lack:
            why[name] = lack
    is_served = len(why) + len(other_basis) < len(reached)
    return why if is_served else {name: (why | other_basis)[name] for name in reached}


def _lack(state: ProviderState, zone: str) -> str:
    """Return what a provider lacks for a zone, empty when nothing."""
    if state.provider is None:
        return f"{state.name} cannot be used: {state.problem}"
    if not state.provider.has(zone):
        return (
            f"{state.name} does not cover {zone} ({state.provider.covers}); `lowtide grid providers --zone {zone}` "
            "lists who does"
        )
    if not state.configured:
        return f"{state.name} cannot be used: {state.problem or state.advice}"
    return ""


def check_named(choice: GridChoice, config: Config) -> None:
    """Refuse a provider that a flag names and that cannot be used.

    One that a file or variable names is stood in for; see :func:`unused_words`.

    Raises
    ------
    InputError
        Says what each lacks, and what to do.
    """
    from lowtide.grid.registry import TYPICAL
    from lowtide.runtime.grid_access import named_providers

    names = named_providers(choice.provider)
    if choice.provider_from != "flag" or TYPICAL in names:
        return
    lacks = _unused_of(choice, config)
    if lacks and len(lacks) == len(names):
        raise InputError(
            f"{'; '.join(lacks.values())} (--provider was given; without it the best source stands in)"
        )


def unused_words(choice: GridChoice, config: Config) -> list[str]:
    """Return a line for each provider that is named and cannot be used, with what stands in."""
    lacks = _unused_of(choice, config)
    ours = "typical intensity stands in" if choice.provider_from == "flag" else "another source stands in"
    return [f"{why} ({_from(choice)}); {ours}" for why in lacks.values()]


def _from(choice: GridChoice) -> str:
    return (
        "a flag names it"
        if choice.provider_from == "flag"
        else f"{choice.provider_from or 'the run'} names it"
    )


def _unused_of(choice: GridChoice, config: Config) -> dict[str, str]:
    from lowtide.runtime.grid_access import cached_only, named_providers

    names = named_providers(choice.provider)
    if not names or choice.zone is None or choice.intensity is not None:
        return {}
    with cached_only(config) as access:
        return unused(
            names,
            choice.zone,
            choice.basis or "average",
            cache=access.cache,
            keys=access.keys,
            env=access.env,
        )
