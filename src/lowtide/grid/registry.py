"""Which providers there are: lowtide's own and those of other packages, loaded when asked for.

A provider without a key is asked only when somebody names it: a zone alone never causes traffic that nobody
has set up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import InputError, LowtideError, near_matches
from lowtide.grid.keys import KeyRing, variables_of

if TYPE_CHECKING:
    from lowtide.doors import Provider
    from lowtide.model.signal import Basis

__all__ = [
    "BUILT_IN",
    "IMPORTED_PREFIX",
    "TYPICAL",
    "ProviderState",
    "candidates",
    "is_imported",
    "load_provider",
    "provider_names",
    "state_of",
    "states",
]

TYPICAL: Final = "typical"
"""The name of the profiles that ship with lowtide; they need no provider."""
IMPORTED_PREFIX: Final = "file:"
"""With which the name of a source begins that was imported from a file."""
BUILT_IN: Final[dict[str, str]] = {
    "electricitymaps": "lowtide.grid.providers.electricitymaps:V4",
    "electricitymaps-v3": "lowtide.grid.providers.electricitymaps:V3",
    "watttime": "lowtide.grid.providers.watttime:PROVIDER",
    "entsoe": "lowtide.grid.providers.entsoe:PROVIDER",
    "eia": "lowtide.grid.providers.eia:PROVIDER",
    "openelectricity": "lowtide.grid.providers.openelectricity:PROVIDER",
    "carbon-aware-sdk": "lowtide.grid.providers.carbon_aware_sdk:PROVIDER",
    "gb": "lowtide.grid.providers.gb:PROVIDER",
    "energy-charts": "lowtide.grid.providers.energy_charts:PROVIDER",
}
"""lowtide's own providers and where each lives, the best one first where several cover a zone."""
_GROUP: Final = "lowtide.providers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """A provider with what is known of it here.

    Attributes
    ----------
    name : str
    provider : Provider or None
        None when it could not be loaded.
    configured : bool
        Whether it is asked when a zone of its own needs values: its key is set, or it has been named.
    key_from : str
        Where its key was found.
    advice : str
        What to do to use it; empty when nothing is missing.
    problem : str
        Why it could not be loaded.
    """

    name: str
    provider: Provider | None
    configured: bool
    key_from: str = ""
    advice: str = ""
    problem: str = ""


def is_imported(name: str) -> bool:
    """Return whether a provider's name is that of an imported source.

    >>> is_imported("file:year"), is_imported("gb")
    (True, False)
    """
    return name.startswith(IMPORTED_PREFIX) and len(name) > len(IMPORTED_PREFIX)


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers, lowtide's own first, ``typical`` last.

    >>> provider_names()[-1]
    'typical'
    """
    from lowtide.plugins import find_plugins

    ours = [name for name, place in BUILT_IN.items() if find_spec(place.partition(":")[0]) is not None]
    return (*dict.fromkeys((*ours, *find_plugins(_GROUP))), TYPICAL)


def load_provider(name: str, *, env: Mapping[str, str] | None = None) -> Provider:
    """Return a provider by name.

    Parameters
    ----------
    name : str
    env : mapping, optional
        ``LOWTIDE_NAME_URL`` there takes the place of the service's own address: a mirror, or a server of
        yours.

    Raises
    ------
    InputError
        If there is none of that name.
    LowtideError
        If it cannot be loaded.
    """
    if name not in BUILT_IN:
        found = _plugin(name)
    else:
        module, _, attribute = BUILT_IN[name].partition(":")
        found = getattr(import_module(module), attribute)
    provider: Any = found if hasattr(found, "ask") and not isinstance(found, type) else found()
    url = (os.environ if env is None else env).get(_url_variable(name))
    if url and is_dataclass(provider) and hasattr(provider, "base_url"):
        change: Any = replace  # a class has no `ask` of its own here: it was called above
        provider = change(provider, base_url=url.rstrip("/"))
    loaded: Provider = provider
    return loaded


def _plugin(name: str) -> Any:
    from lowtide.plugins import find_plugins

    plugins = find_plugins(_GROUP)
    if name not in plugins:
        names = provider_names()
        raise InputError(f"no provider {name!r}{near_matches(name, names)}; there are {', '.join(names)}")
    try:
        return plugins[name].load()
    except Exception as error:
        raise LowtideError(
            f"the provider {name} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _url_variable(name: str) -> str:
    return f"LOWTIDE_{''.join(c if c.isalnum() else '_' for c in name).upper()}_URL"


def states(
    named: Sequence[str] = (), *, keys: KeyRing, env: Mapping[str, str] | None = None
) -> list[ProviderState]:
    """Return every provider with whether it is configured, those named first in their order.

    Parameters
    ----------
    named : sequence of str
        What the setting ``provider`` names.
    keys : KeyRing
    env : mapping, optional
    """
    names = [name for name in provider_names() if name != TYPICAL]
    order = [*(name for name in named if name in names), *(name for name in names if name not in named)]
    return [_state(name, name in named, keys, env) for name in order]


def state_of(name: str, *, keys: KeyRing, env: Mapping[str, str] | None = None) -> ProviderState:
    """Return one provider that has been named, with whether it can be asked.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in provider_names():
        load_provider(name, env=env)  # raises, with near names
    return _state(name, True, keys, env)


def _state(name: str, is_named: bool, keys: KeyRing, env: Mapping[str, str] | None) -> ProviderState:
    try:
        provider = load_provider(name, env=env)
    except LowtideError as error:
        return ProviderState(name=name, provider=None, configured=False, problem=str(error))
    except Exception as error:  # a part of another package must not hide the rest
        problem = f"{type(error).__name__}: {error}"
        return ProviderState(name=name, provider=None, configured=False, problem=problem)
    origins, missing = [], []
    for key in provider.keys:
        try:
            found = keys.find(name, key)
        except LowtideError as error:
            return ProviderState(name=name, provider=provider, configured=False, problem=str(error))
        if found is None:
            missing.append(f"set {variables_of(name, key)[0]}; get one at {key.where}")
        else:
            origins.append(found.origin)
    has_key = bool(provider.keys) and not missing
    advice = "; ".join(missing)
    if not provider.keys and not is_named:
        advice = f'no key needed: name it, --provider {name} or provider = "{name}" in lowtide.toml'
    return ProviderState(
        name=name,
        provider=provider,
        configured=not missing and (has_key or is_named),
        key_from=", ".join(origins),
        advice=advice,
    )


def candidates(
    zone: str,
    basis: Basis,
    *,
    named: Sequence[str] = (),
    keys: KeyRing,
    env: Mapping[str, str] | None = None,
) -> list[Provider]:
    """Return the configured providers that have a zone on a basis, the best first.

    Raises
    ------
    InputError
        If a provider that was named does not exist.
    """
    for name in named:
        if name != TYPICAL and name not in provider_names():
            load_provider(name, env=env)  # raises, with near names
    if named and TYPICAL in named:
        named = named[: list(named).index(TYPICAL)]  # what comes after the built-in values is never reached
        if not named:
            return []
    found = [state.provider for state in states(named, keys=keys, env=env) if state.configured]
    fitting = [p for p in found if p is not None and p.basis == basis and p.has(zone)]
    if any(p.name == "electricitymaps" for p in fitting) and "electricitymaps-v3" not in named:
        fitting = [p for p in fitting if p.name != "electricitymaps-v3"]  # the same service, an older door
    return fitting
