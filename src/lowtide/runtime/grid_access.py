"""The grid as a command or a bill reaches it: providers that are configured, the cache, and how long to ask."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    "background_s",
    "cached_only",
    "grid_access",
    "is_offline",
    "named_providers",
    "in_background",
    "run_end_s",
]

AT_ONCE_S: Final = 0.05
"""How long whoever waits for a bill waits for the network [s]."""
_RUN_END_S: Final = 5.0
_BACKGROUND_MOST_S: Final = 60.0
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
    within_s : float or None
        Most time for the network, from the first question on [s].
    until_s : float or None
        Instant of `http.monotonic` at which asking ends; set by the first question.
    asked : bool
        Whether there was somebody to ask.
    only : bool
        Whether nobody but those named may fill the account: a flag names them.
    now_ns : callable
        The wall clock.
    """

    cache: Cache
    keys: KeyRing
    env: Mapping[str, str]
    named: tuple[str, ...] = ()
    http: Http | None = None
    why_offline: str = "offline"
    within_s: float | None = None
    until_s: float | None = None
    asked: bool = False
    only: bool = False
    now_ns: Callable[[], int] = time.time_ns
    _candidates: dict[tuple[str, str, tuple[str, ...]], list[Provider]] = field(default_factory=dict)

    def __enter__(self) -> GridAccess:
        return self

    def __exit__(self, *_trouble: object) -> None:
        self.cache.close()
        if self.http is not None:
            self.http.transport.close()

    @property
    def silent(self) -> tuple[str, ...]:
        """Providers that were asked and did not answer in time."""
        return () if self.http is None else self.http.silent

    def providers(
        self, zone: str, basis: Basis, named: Sequence[str] | None = None, *, only: bool | None = None
    ) -> list[Provider]:
        """Return the providers configured for a zone, the best first; imported files come after keys.

        With `only` (by default as the settings have it) those that are named and no others.

        Raises
        ------
        InputError
            If a provider that was named does not exist.
        """
        from lowtide.grid.imported import imported_names
        from lowtide.grid.registry import TYPICAL, is_imported

        names = self.named if named is None else tuple(named)
        others = tuple(name for name in names if not is_imported(name))
        found = self._configured(zone, basis, others)
        by_name: dict[str, Provider] = {provider.name: provider for provider in found}
        wanted = [name for name in names if is_imported(name)]
        if TYPICAL not in names:
            wanted += imported_names(self.cache, zone, basis)
        for name in wanted:
            by_name.setdefault(name, self._imported(name, zone, basis))
        order = [*(name for name in names if name in by_name), *(n for n in by_name if n not in names)]
        is_only = self.only if only is None else only
        return [by_name[name] for name in order if name in names or not (is_only and names)]

    def _configured(self, zone: str, basis: Basis, named: tuple[str, ...]) -> Sequence[Provider]:
        """Return the providers that are configured; found once: a bill asks several times."""
        from lowtide.grid.registry import candidates

        asked = zone, basis, named
        if asked not in self._candidates:
            self._candidates[asked] = candidates(zone, basis, named=named, keys=self.keys, env=self.env)
        return self._candidates[asked]

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
        only: bool | None = None,
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
        is_only = bool(names) and (self.only if only is None else only)
        providers, now_ns = self.providers(zone, basis, names, only=is_only), self.now_ns()
        if not only_typical:
            self._begin(providers, zone, (start_ns, end_ns), now_ns, factors)
        return find_intensity(
            zone,
            (start_ns, end_ns),
            providers=providers,
            cache=None if only_typical else self.cache,
            http=self.http,
            now_ns=now_ns,
            basis=basis,
            factors=factors,
            until_s=self.until_s,
            why_offline=self.why_offline,
            known_problems=self.unused(zone, basis, names),
            only=is_only,
        )

    def unused(self, zone: str, basis: Basis, named: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return why those of the named providers that cannot be used cannot, a line each."""
        names = self.named if named is None else tuple(named)
        if not names:
            return ()
        from lowtide.runtime.grid_named import unused

        lacks = unused(names, zone, basis, cache=self.cache, keys=self.keys, env=self.env)
        return tuple(lacks.values())

    def _begin(
        self,
        providers: Sequence[Provider],
        zone: str,
        window: tuple[int, int],
        now_ns: int,
        factors: KnownFactors,
    ) -> None:
        """Let the time for the network begin, once something is to be asked and all is loaded for that."""
        if self.http is None or not providers:
            return
        self.asked = True
        if self.within_s is None or self.until_s is not None:
            return
        from lowtide.grid.fetching import is_due

        if any(is_due(p, zone, window, cache=self.cache, now_ns=now_ns, factors=factors) for p in providers):
            ready = getattr(self.http.transport, "open", None)
            if ready is not None:
                ready()
            self.until_s = self.http.monotonic() + self.within_s


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
    """Return how long the network may take for a run that has ended, in the background [s].

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
        Most time for the network, over all questions, from the first one on [s]; 0 for none of it.
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
        only=provider is not None and provider.origin == "flag",
    )
    if is_offline(config) or within_s == 0.0:
        return access
    from lowtide.grid.driver import Http, Limits

    # Who has little time tries twice at most: what is down stays down for some seconds.
    limits = Limits() if within_s is None else Limits(attempts=2)
    access.http = Http(keys=keys, limits=limits, record=env.get("LOWTIDE_RECORD_REPLIES", ""))
    access.within_s = within_s
    return access


def cached_only(config: Config | None = None) -> GridAccess:
    """Return the grid without the network, for looks that must not wait."""
    access = grid_access(config, within_s=0.0)
    access.why_offline = "nobody was asked"
    return access


def at_run_end() -> GridAccess:
    """Return the grid for a bill that somebody waits for: a moment of network, and no mistake in a setting.

    Who answers within :data:`AT_ONCE_S` is in the bill; the others are asked by :mod:`~lowtide.runtime.pending`.
    """
    return _access_within(AT_ONCE_S)


def background_s() -> float:
    """Return how long nobody's process may ask for bills that wait [s]; 0 where a setting is mistaken."""
    try:
        return min(run_end_s(load_config()), _BACKGROUND_MOST_S)
    except (InputError, ConfigError):
        return 0.0


def in_background() -> GridAccess:
    """Return the grid for bills that nobody waits for: the setting `grid_timeout` is the time it has."""
    return _access_within(_BACKGROUND_MOST_S)


def _access_within(most_s: float) -> GridAccess:
    try:
        config = load_config()
        return grid_access(config, within_s=min(most_s, run_end_s(config)))
    except (InputError, ConfigError) as error:
        _say(f"{error}; the bill asks nobody")
        return cached_only(Config(settings={}, sites={}))


def _say(line: str) -> None:
    try:
        print(f"lowtide: {line}", file=sys.stderr)
    except OSError:
        return  # a closed standard error must not cost the bill
