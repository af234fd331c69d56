"""From zones, ``--sites FILE`` and ``[site.NAME]`` tables to the sites a plan may choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lowtide.errors import BoundaryError, InputError, near_matches
from lowtide.model.planning import Job, OperatingPoint, Window
from lowtide.planning.sites import SiteOption, Transfer
from lowtide.runtime.config import Config, Setting
from lowtide.runtime.grid_choices import setting_from
from lowtide.runtime.planning_job import read_points
from lowtide.runtime.planning_series import read_price, read_pue
from lowtide.runtime.site_tables import SiteTable, read_sites

if TYPE_CHECKING:
    from lowtide.planning.pue import PueSeries
    from lowtide.runtime.planning import PlanRequest
    from lowtide.series.types import IntensitySeries, PriceSeries

__all__ = ["sites_of"]


def sites_of(request: PlanRequest, config: Config, window: Window, job: Job) -> tuple[SiteOption, ...]:
    """Return the sites of a request, the home first: zones as flags, or the tables of ``--sites``.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.
    """
    tables = _tables(request, config)
    twice = Counter(table.zone for table in tables)
    found = []
    for table in tables:
        site = _site(request, config, table, window, job)
        distinct = bool(table.name) and twice[table.zone] > 1
        found.append(replace(site, zone=table.name) if distinct else site)
    _check_zones(request, tables, found)
    return tuple(found)


def _check_zones(request: PlanRequest, tables: Sequence[SiteTable], found: Sequence[SiteOption]) -> None:
    """Refuse a PUE or price of a zone that is not planned for.

    Raises
    ------
    InputError
        Names the zones there are.
    """
    known = {name for table in tables for name in (table.zone, table.name)} | {site.zone for site in found}
    names = sorted(name for name in known if name)
    for flag, texts in (("--pue", request.pues), ("--price", request.prices)):
        for text in texts:
            zone, equals, _ = text.partition("=")
            if equals and zone not in known:
                raise InputError(
                    f"{flag} {text}: {zone} is not in this plan{near_matches(zone, names)}; its zones are "
                    f"{', '.join(names)}"
                )


def _tables(request: PlanRequest, config: Config) -> Sequence[SiteTable]:
    if request.sites is not None:
        tables = read_sites(request.sites, config)
        if not request.zones:
            return tables
        chosen = {table.zone: table for table in tables} | {table.name: table for table in tables}
        return [_named(zone, chosen) for zone in request.zones]
    if request.zones:
        return [SiteTable(name="", zone=zone) for zone in request.zones]
    configured = config.get("zone")
    if configured is not None:
        return [SiteTable(name="", zone=configured.value)]
    if config.get("intensity") is not None:
        return [SiteTable(name="")]
    raise InputError(
        "where? give at least one --zone (DE, US-CAL-CISO, aws:us-west-2), --sites FILE or an --intensity FILE"
    )


def _named(zone: str, tables: Mapping[str | None, SiteTable]) -> SiteTable:
    if zone not in tables:
        names = [name for name in tables if name is not None]
        raise InputError(
            f"no site {zone!r} in --sites{near_matches(zone, names)}; there are {', '.join(names)}"
        )
    return tables[zone]


def _site(request: PlanRequest, config: Config, table: SiteTable, window: Window, job: Job) -> SiteOption:
    from lowtide.runtime.grid_choices import grid_choice
    from lowtide.runtime.grid_signals import intensities_for

    # a configured site stands in place of one that a file chose for everything
    site = table.name if request.sites == "config" else None
    flags = config.with_flags({"site": site, "zone": table.zone, "intensity": table.intensity})
    choice = grid_choice(flags)
    end_ns = max(window.deadline_ns, window.start_ns + job.work_ns)
    found = intensities_for(choice, start_ns=window.start_ns, end_ns=end_ns)
    intensity = found.location or found.marginal
    if intensity is None:
        raise InputError(f"no intensity for {table.zone or table.name}; give --intensity FILE")
    zone = choice.zone or intensity.signal.zone or table.name or "given"
    names = (zone, table.zone, table.name)
    return SiteOption(
        zone=zone,
        intensity=intensity,
        marginal=_marginal(request, table, zone, intensity, found.marginal, (window.start_ns, end_ns)),
        market=found.market,
        pue=_pue(request, config, table, names),
        points=_points(table, job),
        price=_price(request, table, names, (window.start_ns, end_ns)),
        regions=table.region,
        transfer=_transfer(request, table),
        submits=table.submit is not None,
    )


def _marginal(
    request: PlanRequest,
    table: SiteTable,
    zone: str,
    intensity: IntensitySeries,
    beside: IntensitySeries | None,
    window_ns: tuple[int, int],
) -> IntensitySeries | None:
    """Return the marginal intensity of a site beside the one that is planned on."""
    text = table.marginal or request.marginal
    if intensity.signal.basis == "marginal":
        if text is not None:
            raise InputError("--marginal is a second account beside the average; leave out --basis marginal")
        return None
    if text is None:
        return beside
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.files import constant_g_per_kwh, read_intensity

    named = None if constant_g_per_kwh(text) is not None else zone
    return read_intensity(text, zone=named, basis="marginal", resolve=resolve_zone, window_ns=window_ns)


def _pue(
    request: PlanRequest, config: Config, table: SiteTable, names: Sequence[str | None]
) -> float | PueSeries | None:
    from lowtide.model.pue import PueSteps
    from lowtide.runtime.pue import is_pue_file, pue_of

    everywhere = config.get("pue")
    text = _for(request.pues, names)
    if text is None and table.pue is not None:
        text = table.pue
    if text is None and everywhere is None:
        return None
    setting = Setting(value=text, origin="flag") if text is not None else everywhere
    assert setting is not None
    if request.boundary not in (None, "node"):
        what = (
            "the facility's already"
            if request.boundary == "facility"
            else f"at boundary {request.boundary!r}"
        )
        raise BoundaryError(
            f"PUE applies to a node, once, and this power is {what}; leave out the PUE "
            f"({setting_from(setting)}), or --boundary for the power of whole nodes"
        )
    if is_pue_file(setting.value):
        return read_pue(setting.value, zone=names[0])
    pue = pue_of(setting)
    assert not isinstance(pue, PueSteps)
    return pue


def _for(texts: Sequence[str], names: Sequence[str | None]) -> str | None:
    """Return the value for a site out of ``ZONE=value`` and ``value``; one that names the site wins."""
    everywhere = None
    for text in texts:
        zone, equals, value = text.partition("=")
        if not equals:
            everywhere = text
        elif zone in names:
            return value
    return everywhere


def _points(table: SiteTable, job: Job) -> tuple[OperatingPoint, ...] | None:
    """Return the menu of a job at a site: a file's, or the job's own, relative to home."""
    if table.points is not None:
        return read_points(table.points)
    if table.throughput is None and table.power is None:
        return None
    speed, draw = table.throughput or 1.0, 1.0 if table.power is None else table.power
    return tuple(
        replace(point, throughput=point.throughput * speed, power_w=point.power_w * draw)
        for point in job.points
    )


def _price(
    request: PlanRequest, table: SiteTable, names: Sequence[str | None], window_ns: tuple[int, int]
) -> PriceSeries | None:
    text = _for(request.prices, names)
    text = table.price if text is None else text
    return None if text is None else read_price(text, zone=names[0], window_ns=window_ns)


def _transfer(request: PlanRequest, table: SiteTable) -> Transfer | None:
    """Return the way of the data to a site; what its table leaves out the command line says."""
    keys = ("transfer_gb", "transfer_kwh_per_gb", "transfer_gbit_per_s")
    values = [
        getattr(table, key) if getattr(table, key) is not None else getattr(request, key) for key in keys
    ]
    data_gb, kwh_per_gb, gbit_per_s = values
    if not data_gb:
        return None
    if kwh_per_gb is None or gbit_per_s is None:
        raise InputError(
            f"{data_gb:g} GB must travel to {table.zone or table.name}: say with what energy and how fast, "
            "--transfer-kwh-per-gb 0.01 --transfer-gbit-per-s 10"
        )
    return Transfer(data_gb=data_gb, kwh_per_gb=kwh_per_gb, gbit_per_s=gbit_per_s)
