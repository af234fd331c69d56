"""Settings: flags, then ``LOWTIDE_*``, then ``lowtide.toml`` of the project, of the user, of the machine.

Every value knows where it came from; ``lowtide config show`` prints that.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from lowtide.errors import ConfigError, InputError, near_matches
from lowtide.model.site import Site

__all__ = ["SETTINGS", "Config", "Setting", "load_config", "number_problem"]

SETTINGS: Final[dict[str, str]] = {
    "attribution": "share, dynamic or machine",
    "basis": "average or marginal",
    "cache": "file that keeps fetched intensity",
    "embodied_kg": "manufacture of the machine, kg CO2e",
    "factors": "lifecycle or direct",
    "grid_timeout": "how long providers are asked after a run, in the background, e.g. 5s; 0 for not at all",
    "intensity": "a file, or g/kWh",
    "interval": "time between readings, e.g. 1s",
    "ledger": "folder of the runs",
    "lifetime_years": "service life of the machine, years",
    "market": "a file, or g/kWh, for the market-based account",
    "offline": "yes: ask no provider, use what the cache has",
    "provider": "where intensity comes from, e.g. electricitymaps; several by commas, the best first",
    "pue": "power usage effectiveness of the site",
    "sensors": "auto, or names separated by commas",
    "site": "a [site.NAME] table of the configuration; default_site in a file",
    "utilization": "share of its life the machine works, 0 to 1",
    "zone": "where the power is drawn, e.g. DE or aws:eu-central-1",
}
"""Settings by name, with what they hold."""

_FILE_NAME: Final = "lowtide.toml"
_DEFAULT_SITE: Final = "default_site"
"""How a file chooses a site: TOML has no place for ``site = "a"`` beside the tables ``[site.a]``."""
_SITE_KEYS: Final = tuple(f.name for f in fields(Site) if f.name != "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value with where it came from: ``flag``, a variable's name, a file's path, or a site's table.

    Attributes
    ----------
    value, origin : str
    rank : int
        0 for a flag, more for what is weaker: variables, then files.
    under : Setting or None
        The weaker value that a chosen site took the place of.
    """

    value: str
    origin: str
    rank: int = field(default=0, compare=False)
    under: Setting | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings in force, and the sites."""

    settings: Mapping[str, Setting]
    sites: Mapping[str, Site]

    def get(self, name: str, flag: str | None = None) -> Setting | None:
        """Return a setting; a flag that was given wins."""
        if flag is not None:
            return Setting(value=flag, origin="flag")
        if name in self.settings:
            return self.settings[name]
        return None

    def with_flags(self, flags: Mapping[str, str | None], *, origin: str = "flag") -> Config:
        """Return the configuration with flags on top.

        The values of the chosen site rank right below those of the place that chose it: a site that a flag names
        beats all variables and files, one that a file names beats the weaker files. `origin` is another one for values
        that rank as flags and were given earlier.
        """
        given = {name: Setting(value=v, origin=origin) for name, v in flags.items() if v is not None}
        kept = _without_site(self.settings) if "site" in given else dict(self.settings)
        merged = {**kept, **given}
        if "site" in merged:
            chosen = merged["site"]
            merged = _with_site(merged, self.site(chosen.value), chosen.rank)
        if "provider" in given and "intensity" not in given:
            merged.pop(
                "intensity", None
            )  # a file of the configuration must not silence the provider asked for
        return Config(settings=merged, sites=self.sites)

    def site(self, name: str) -> Site:
        """Return a configured site.

        Raises
        ------
        ConfigError
            If there is none of that name.
        """
        if name not in self.sites:
            known = ", ".join(self.sites) or "none are configured"
            raise ConfigError(f"no site {name!r}{near_matches(name, self.sites)}; sites: {known}")
        return self.sites[name]


def _with_site(settings: Mapping[str, Setting], site: Site, rank: int) -> dict[str, Setting]:
    """Return settings with those of a site that was chosen at a rank."""
    merged = dict(settings)
    for key in _SITE_KEYS:
        value, kept = getattr(site, key), settings.get(key)
        if value is not None and key in SETTINGS and (kept is None or kept.rank > rank):
            merged[key] = Setting(value=str(value), origin=f"[site.{site.name}]", rank=rank, under=kept)
    return merged


def _without_site(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return settings as they were before a site was chosen."""
    found = {name: s.under if s.origin.startswith("[site.") else s for name, s in settings.items()}
    return {name: setting for name, setting in found.items() if setting is not None}


def load_config(*, cwd: str | None = None, env: Mapping[str, str] | None = None) -> Config:
    """Return the settings of files and environment.

    Raises
    ------
    ConfigError
        If a file cannot be read or holds an unknown key; names the file and the key.
    """
    env = os.environ if env is None else env
    settings: dict[str, Setting] = {}
    sites: dict[str, Site] = {}
    files = config_files(cwd or os.getcwd(), env)
    for rank, path in reversed(list(enumerate(files, start=2))):
        table = _read_toml(path)
        _read_sites(path, table.pop("site", {}) if isinstance(table.get("site"), dict) else {}, sites)
        for key, value in table.items():
            name = "site" if key == _DEFAULT_SITE else key
            _check_key(name, value, path)
            settings[name] = Setting(value=str(value), origin=path, rank=rank)
    for name in SETTINGS:
        variable = f"LOWTIDE_{name.upper()}"
        if env.get(variable):
            settings[name] = Setting(value=env[variable], origin=variable, rank=1)
    return Config(settings=settings, sites=sites)


def config_files(cwd: str, env: Mapping[str, str]) -> list[str]:
    """Return the configuration files there are, the strongest first."""
    from platformdirs import user_config_dir

    found = []
    folder = os.path.abspath(cwd)
    while True:
        path = os.path.join(folder, _FILE_NAME)
        if os.path.isfile(path):
            found.append(path)
            break
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    user = env.get("LOWTIDE_CONFIG") or os.path.join(user_config_dir("lowtide", appauthor=False), _FILE_NAME)
    machine = f"/etc/{_FILE_NAME}"
    found += [path for path in (user, machine) if os.path.isfile(path) and path not in found]
    return found


def _read_toml(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = ""
        if re.search(rb"(?m)^\s*site\s*=", data) and re.search(rb"(?m)^\s*\[site\.", data):
            hint = f'; beside [site.NAME] tables the one to use is chosen with {_DEFAULT_SITE} = "NAME"'
        raise ConfigError(f"{path} is no TOML: {error}{hint}") from error


def _check_key(key: str, value: Any, path: str) -> None:
    if key not in SETTINGS:
        raise ConfigError(
            f"{path}: unknown setting {key!r}{near_matches(key, SETTINGS)}; settings: {', '.join(SETTINGS)}"
        )
    if isinstance(value, dict | list):
        raise ConfigError(f"{path}: {key} holds one value, got {value!r}")


def _read_sites(path: str, tables: Mapping[str, Any], sites: dict[str, Site]) -> None:
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: [site.{name}] must be a table, got {table!r}")
        for key in table:
            if key not in _SITE_KEYS:
                raise ConfigError(
                    f"{path}: [site.{name}] has an unknown key {key!r}{near_matches(key, _SITE_KEYS)}"
                )
        try:
            sites[name] = Site(name=name, **{key: _site_value(key, value) for key, value in table.items()})
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{path}: [site.{name}]: {error}") from error


_TABLES: Final = (".csv", ".parquet", ".pq")
_SITE_NUMBERS: Final = (
    "price_usd_per_kwh",
    "embodied_kg",
    "lifetime_years",
    "utilization",
    "throughput",
    "power",
    "transfer_gb",
    "transfer_kwh_per_gb",
    "transfer_gbit_per_s",
)


def _site_value(key: str, value: Any) -> Any:
    if key in _SITE_NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{key} must be a number, got {value!r}")
        if why := number_problem(key, value):
            raise InputError(f"{key} {value:g} {why}")
        return float(value)
    if key == "pue" and not isinstance(value, bool) and isinstance(value, int | float):
        return float(value)
    if key == "pue" and not (isinstance(value, str) and value.casefold().endswith(_TABLES)):
        raise InputError(f"pue must be a number or a file like pue.csv, got {value!r}")
    return str(value)


def number_problem(name: str, value: float) -> str:
    """Return why a number cannot be the value of a setting or of a site's key; empty where it can.

    >>> number_problem("utilization", 85.0)
    'must be above 0 and at most 1; write 85% as 0.85'
    """
    if not math.isfinite(value):
        return "must be a finite number"
    if name == "utilization" and not 0.0 < value <= 1.0:
        return "must be above 0 and at most 1; write 85% as 0.85"
    if name in ("lifetime_years", "throughput", "power") and not value > 0.0:
        return "must be above 0"
    return "must not be negative" if name == "embodied_kg" and value < 0.0 else ""
