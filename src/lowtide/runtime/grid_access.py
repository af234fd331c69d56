"""The grid as a command or a bill reaches it: providers that are configured, the cache, and how long to ask."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lowtide.errors import ConfigError, InputError
from lowtide.quantities import parse_duration_s
from lowtide.runtime.config import Config, Setting, load_config

if TYPE_CHECKING:
    from lowtide.data.intensity import KnownFactors
    from lowtide.doors import Provider
    from lowtide.grid.cache import Cache
    from lowtide.grid.driver import Http
    from lowtide.grid.fallback import Found
    from lowtide.grid.keys import KeyRing
    from lowtide.model.signal import Basis

__all__ = [
    "GridAccess",
    "at_run_end",
    "cached_only",
    "grid_access",
    "is_offline",
    "named_providers",
    "run_end_s",
]

_RUN_END_S: Final = 5.0
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(slots=True, kw_only=True)
class GridAccess:
    """What intensities are found with.

    Attributes
    ----------
    cache : Cache
    keys : KeyRing
    env : mapping
    named : tuple of str
        Providers that the setting names, in order.
    http : Http or None
        None to ask nobody.
    why_offline : str
        Why nobody is asked.
    until_s : float or None
        Instant of `http.monotonic` at which asking ends.
    now_ns : callable
        The wall clock.
    """

    cache: Cache
    keys: KeyRing
    env: Mapping[str, str]
    named: tuple[str, ...] = ()
    http: Http | None = None
    why_offline: str = "offline"
    until_s: float | None = None
    now_ns: Callable[[], int] = time.time_ns

    def __enter__(self) -> GridAccess:
        return self

    def __exit__(self, *_trouble: object) -> None:
        self.cache.close()
        if self.http is not None:
            self.http.transport.close()

    def providers(self, zone: str, basis: Basis, named: Sequence[str] | None = None) -> list[Provider]:
        """Return the providers configured for a zone, the best first; imported files come after keys.

        Raises
        ------
        InputError
            If a provider that was named does not exist.
        """
        from lowtide.grid.imported import imported_names
        from lowtide.grid.registry import TYPICAL, candidates, is_imported

        names = self.named if named is None else tuple(named)
        others = [name for name in names if not is_imported(name)]
        found = candidates(zone, basis, named=others, keys=self.keys, env=self.env)
        by_name: dict[str, Provider] = {provider.name: provider for provider in found}
        wanted = [name for name in names if is_imported(name)]
        if TYPICAL not in names:
            wanted += imported_names(self.cache, zone, basis)
        for name in wanted:
            by_name.setdefault(name, self._imported(name, zone, basis))
        order = [*(name for name in names if name in by_name), *(n for n in by_name if n not in names)]
        return [by_name[name] for name in order]

    def _imported(self, name: str, zone: str, basis: Basis) -> Provider:
        from lowtide.grid.imported import ImportedFile

        known = {zone} if self.cache.series(zone, provider=name, basis=basis) else set()
        return ImportedFile(name=name, zones=frozenset(known), basis=basis)

    def find(
        self,
        zone: str,
        start_ns: int,
        end_ns: int,
        *,
        basis: Basis = "average",
        factors: KnownFactors = "lifecycle",
        named: Sequence[str] | None = None,
    ) -> Found:
        """Return the best intensity of a zone over a window; see :func:`lowtide.grid.fallback.find_intensity`.

        Raises
        ------
        ZoneError
            If nothing is known.
        InputError
            If a provider that was named does not exist.
        """
        from lowtide.grid.fallback import find_intensity
        from lowtide.grid.registry import TYPICAL

        names = self.named if named is None else tuple(named)
        only_typical = bool(names) and names[0] == TYPICAL
        return find_intensity(
            zone,
            (start_ns, end_ns),
            providers=self.providers(zone, basis, names),
            cache=None if only_typical else self.cache,
            http=self.http,
            now_ns=self.now_ns(),
            basis=basis,
            factors=factors,
            until_s=self.until_s,
            why_offline=self.why_offline,
        )


def named_providers(text: str | None) -> tuple[str, ...]:
    """Return the providers that a setting names.

    >>> named_providers("electricitymaps, gb")
    ('electricitymaps', 'gb')
    """
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def is_offline(config: Config) -> bool:
    """Return whether the setting `offline` is on.

    Raises
    ------
    ConfigError
        If it is neither on nor off.
    """
    setting = config.get("offline")
    word = "" if setting is None else setting.value.strip().lower()
    if word not in (*_YES, *_NO):
        assert setting is not None
        raise ConfigError(f"offline {setting.value!r} (from {setting.origin}) is neither yes nor no")
    return word in _YES


def run_end_s(config: Config) -> float:
    """Return how long a run's end may wait for the network [s].

    Raises
    ------
    QuantityError
        If the setting `grid_timeout` is no duration.
    """
    setting = config.get("grid_timeout")
    return _RUN_END_S if setting is None else parse_duration_s(setting.value, bare_unit_s=1.0)


def grid_access(
    config: Config | None = None,
    *,
    within_s: float | None = None,
    env: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> GridAccess:
    """Return the grid with the settings in force.

    Parameters
    ----------
    config : Config, optional
        Read from files and environment when left out.
    within_s : float, optional
        Most time for the network, over all questions [s]; 0 for none of it.
    env : mapping, optional
    say : callable, optional
        Takes a line about the cache; standard error when left out.
    """
    from lowtide.grid.cache import Cache
    from lowtide.grid.cache_file import default_cache_path
    from lowtide.grid.keys import KeyRing

    env = os.environ if env is None else env
    config = load_config(env=env) if config is None else config
    path = config.get("cache")
    keys = KeyRing(env)
    provider: Setting | None = config.get("provider")
    access = GridAccess(
        cache=Cache(os.path.expanduser(path.value) if path else default_cache_path(), say=say or _say),
        keys=keys,
        env=env,
        named=named_providers(provider.value if provider else None),
    )
    if is_offline(config) or within_s == 0.0:
        return access
    from lowtide.grid.driver import Http, Limits

    # Who has little time tries twice at most: what is down stays down for some seconds.
    limits = Limits() if within_s is None else Limits(attempts=2)
    access.http = Http(keys=keys, limits=limits, record=env.get("LOWTIDE_RECORD_REPLIES", ""))
    if within_s is not None:
        access.until_s = access.http.monotonic() + within_s
    return access


def cached_only(config: Config | None = None) -> GridAccess:
    """Return the grid without the network, for looks that must not wait."""
    access = grid_access(config, within_s=0.0)
    access.why_offline = "nobody was asked"
    return access


def at_run_end() -> GridAccess:
    """Return the grid for a run that has just ended: some seconds of network, and no mistake in a setting."""
    try:
        config = load_config()
        return grid_access(config, within_s=run_end_s(config))
    except (InputError, ConfigError) as error:
        _say(f"{error}; the bill asks nobody")
        return cached_only(Config(settings={}, sites={}))


def _say(line: str) -> None:
    try:
        print(f"lowtide: {line}", file=sys.stderr)
    except OSError:
        return  # a closed standard error must not cost the bill
