"""Where a provider's key comes from: the environment, the system's keyring, or a file nobody else may read.

A key is a :class:`~lowtide.model.exchange.Secret` from the moment it is found; only the driver unwraps it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import AccessError
from lowtide.model.exchange import Secret

if TYPE_CHECKING:
    from lowtide.doors import Key

__all__ = ["FoundKey", "KeyRing", "keys_file", "variables_of"]

_USUAL: Final[dict[str, tuple[str, ...]]] = {
    "electricitymaps": ("ELECTRICITYMAPS_API_KEY", "ELECTRICITY_MAPS_API_KEY"),
    "watttime": ("WATTTIME_USER", "WATTTIME_PASSWORD"),
    "eia": ("EIA_API_KEY",),
    "entsoe": ("ENTSOE_API_KEY", "ENTSOE_API_TOKEN"),
    "openelectricity": ("OPENELECTRICITY_API_KEY",),
}
"""Variables people already have for other clients of the same service; user and password go together."""
_SHARED: Final = {"electricitymaps-v3": "electricitymaps"}
"""Providers that take another one's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """A key and where it was found: a variable's name, ``keyring``, or a file's path."""

    secret: Secret
    origin: str


def keys_file(env: Mapping[str, str]) -> str:
    """Return the file of keys: ``LOWTIDE_KEYS``, else ``keys.toml`` in the user's configuration folder."""
    from platformdirs import user_config_dir

    default = os.path.join(user_config_dir("lowtide", appauthor=False), "keys.toml")
    return env.get("LOWTIDE_KEYS") or default


def variables_of(provider: str, key: Key) -> tuple[str, ...]:
    """Return the variables that may hold a key, lowtide's own first.

    >>> from lowtide.doors import Key
    >>> variables_of("eia", Key(name="eia", where="https://www.eia.gov/opendata/register.php"))
    ('LOWTIDE_EIA_KEY', 'EIA_API_KEY')
    """
    owner = _SHARED.get(provider, provider)
    names = [_variable(owner, key)]
    if key.name.isupper():
        names.append(key.name)
    if not _is_pair(owner):
        names += _USUAL.get(owner, ())
    return tuple(dict.fromkeys(names))


def _variable(owner: str, key: Key) -> str:
    """Return lowtide's variable; a provider with several keys names them apart."""
    middle, name = _words(owner), _words(key.name)
    return f"LOWTIDE_{middle}_KEY" if name in (middle, "KEY", "TOKEN") else f"LOWTIDE_{middle}_{name}"


def _words(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).upper()


def _is_pair(owner: str) -> bool:
    return any(name.endswith("_PASSWORD") for name in _USUAL.get(owner, ()))


class KeyRing:
    """Finds keys, each once.

    Parameters
    ----------
    env : mapping
        The environment.
    path : str, optional
        The file of keys.
    use_keyring : bool
        Whether to ask the system's keyring, where the extra is installed.
    """

    def __init__(self, env: Mapping[str, str], *, path: str | None = None, use_keyring: bool = True) -> None:
        self._env, self._path, self._use_keyring = env, path or keys_file(env), use_keyring
        self._found: dict[tuple[str, str], FoundKey | None] = {}

    def find(self, provider: str, key: Key) -> FoundKey | None:
        """Return a key, or None where nobody has set one.

        Raises
        ------
        AccessError
            If the file of keys may be read by others, or is no TOML.
        """
        place = provider, key.name
        if place not in self._found:
            self._found[place] = (
                self._from_env(provider, key)
                or self._from_keyring(provider)
                or self._from_file(provider, key)
            )
        return self._found[place]

    def advice(self, provider: str, key: Key) -> str:
        """Return how to give lowtide this key and where people get one."""
        return f"set {variables_of(provider, key)[0]} (or put it into {self._path}); get one at {key.where}"

    def _from_env(self, provider: str, key: Key) -> FoundKey | None:
        for name in variables_of(provider, key):
            if self._env.get(name):
                return FoundKey(secret=Secret(self._env[name].strip()), origin=name)
        owner = _SHARED.get(provider, provider)
        if _is_pair(owner):
            user, password = (self._env.get(name) for name in _USUAL[owner])
            if user and password:
                return FoundKey(secret=Secret(f"{user}:{password}"), origin=" and ".join(_USUAL[owner]))
        return None

    def _from_keyring(self, provider: str) -> FoundKey | None:
        if not self._use_keyring:
            return None
        try:
            import keyring
        except ImportError:
            return None  # the extra is not installed, so nobody keeps keys there
        try:
            value = keyring.get_password("lowtide", _SHARED.get(provider, provider))
        except keyring.errors.KeyringError:
            return None  # no keyring on this machine, or locked: the file is next
        return FoundKey(secret=Secret(value), origin="keyring") if value else None

    def _from_file(self, provider: str, key: Key) -> FoundKey | None:
        table = self._table(provider)
        for name in dict.fromkeys((provider, _SHARED.get(provider, provider), key.name)):
            value = _value(table.get(name), key.name)
            if value:
                return FoundKey(secret=Secret(value), origin=self._path)
        return None

    def _table(self, provider: str) -> dict[str, Any]:
        import tomllib

        try:
            with open(self._path, "rb") as file:
                _check_private(os.fstat(file.fileno()), self._path, provider)
                return tomllib.load(file)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise AccessError(
                f"the file of keys {self._path} cannot be read ({error.strerror})", provider=provider
            ) from error
        except tomllib.TOMLDecodeError:
            # the parser's message quotes the file, which holds keys
            message = f'{self._path} is no TOML; write lines like {provider} = "KEY"'
            raise AccessError(message, provider=provider) from None


def _check_private(found: os.stat_result, path: str, provider: str) -> None:
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise AccessError(f"others may read the keys in {path}; run: chmod 600 {path}", provider=provider)


def _value(entry: object, name: str) -> str | None:
    """Return a key of an entry: a text, a table with user and password, or a table of named keys."""
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict):
        if "user" in entry and "password" in entry:
            return f"{entry['user']}:{entry['password']}"
        inner: Sequence[object] = [entry.get(name), entry.get("key")]
        return next((value for value in inner if isinstance(value, str)), None)
    return None
