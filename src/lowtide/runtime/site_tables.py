"""``[site.NAME]`` tables for planning, from a TOML file or the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import ConfigError, near_matches
from lowtide.runtime.config import Config, number_problem

if TYPE_CHECKING:
    from lowtide.model.site import Site

__all__ = ["SiteTable", "read_sites"]

_NUMBERS: Final = ("throughput", "power", "transfer_gb", "transfer_kwh_per_gb", "transfer_gbit_per_s")
_TEXTS: Final = ("zone", "intensity", "marginal", "points", "submit")
_EITHER: Final = ("pue", "price", "price_usd_per_kwh")
_LISTS: Final = ("region", "residency")
_KEYS: Final = (*_TEXTS, *_EITHER, *_LISTS, *_NUMBERS)
_OF_RUNS: Final = ("hardware", "queue", "marginal_region", "embodied_kg", "lifetime_years", "utilization")
"""Keys of ``lowtide.toml`` that say nothing to a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTable:
    """A ``[site.NAME]`` table as written; None is for the command line to say."""

    name: str
    zone: str | None = None
    intensity: str | None = None
    marginal: str | None = None
    points: str | None = None
    submit: str | None = None
    pue: str | None = None
    price: str | None = None
    region: tuple[str, ...] = ()
    throughput: float | None = None
    power: float | None = None
    transfer_gb: float | None = None
    transfer_kwh_per_gb: float | None = None
    transfer_gbit_per_s: float | None = None


def read_sites(path: str, config: Config) -> tuple[SiteTable, ...]:
    """Return the ``[site.NAME]`` tables of a TOML file, or of the configuration where the path is ``config``.

    Raises
    ------
    ConfigError
        If the file cannot be read, has no such table, or a key or value that cannot be; names it.
    """
    if path == "config":
        if not config.sites:
            raise ConfigError("--sites config: no [site.NAME] table is configured; write one in lowtide.toml")
        return tuple(_configured(site) for site in config.sites.values())
    tables = _toml(path).get("site")
    if not isinstance(tables, dict) or not tables:
        raise ConfigError(f"{path}: no [site.NAME] table; write one a site, with zone = ...")
    return tuple(_table(path, name, table) for name, table in tables.items())


def _toml(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error


def _configured(site: Site) -> SiteTable:
    price = site.price or site.price_usd_per_kwh
    return SiteTable(
        name=site.name,
        zone=site.zone,
        intensity=site.intensity,
        marginal=site.marginal,
        points=site.points,
        submit=site.submit,
        pue=None if site.pue is None else str(site.pue),
        price=None if price is None else str(price),
        region=() if site.residency is None else (site.residency,),
        throughput=site.throughput,
        power=site.power,
        transfer_gb=site.transfer_gb,
        transfer_kwh_per_gb=site.transfer_kwh_per_gb,
        transfer_gbit_per_s=site.transfer_gbit_per_s,
    )


def _table(path: str, name: str, table: object) -> SiteTable:
    where = f"{path}: [site.{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table, got {table!r}")
    for key in table:
        if key not in _KEYS and key not in _OF_RUNS:
            raise ConfigError(
                f"{where} has an unknown key {key!r}{near_matches(key, _KEYS)}; keys: {', '.join(_KEYS)}"
            )
    return SiteTable(
        name=name,
        zone=_text(where, table, "zone"),
        intensity=_text(where, table, "intensity"),
        marginal=_text(where, table, "marginal"),
        points=_text(where, table, "points"),
        submit=_text(where, table, "submit"),
        pue=_text(where, table, "pue"),
        price=_text(where, table, "price") or _text(where, table, "price_usd_per_kwh"),
        region=tuple(text for key in _LISTS for text in _texts(where, table, key)),
        throughput=_number(where, table, "throughput"),
        power=_number(where, table, "power"),
        transfer_gb=_number(where, table, "transfer_gb"),
        transfer_kwh_per_gb=_number(where, table, "transfer_kwh_per_gb"),
        transfer_gbit_per_s=_number(where, table, "transfer_gbit_per_s"),
    )


def _text(where: str, table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is None:
        return None
    numeric = key in _EITHER or key in ("intensity", "marginal")
    if isinstance(value, str) or (numeric and isinstance(value, int | float) and not isinstance(value, bool)):
        return str(value)
    raise ConfigError(f"{where}: {key} must be {'a number or ' * numeric}a text, got {value!r}")


def _texts(where: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, ())
    found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else (0,)
    if not all(isinstance(text, str) for text in found):
        raise ConfigError(f"{where}: {key} must be a text or a list of texts, got {value!r}")
    return found


def _number(where: str, table: Mapping[str, Any], key: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{where}: {key} must be a number, got {value!r}")
    if why := number_problem(key, value):
        raise ConfigError(f"{where}: {key} {value:g} {why}")
    return float(value)
