"""``lowtide grid zones`` and ``lowtide grid providers``: where, and whom to ask."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from lowtide.cli.grid_options import settings
from lowtide.cli.options import emit_json, json_option, table

if TYPE_CHECKING:
    from lowtide.grid.registry import ProviderState
    from lowtide.grid.zones import ZoneMatch

__all__ = ["providers", "zones"]


@click.command(epilog="Example: lowtide grid zones texas")
@click.argument("words", nargs=-1)
@click.option("--near", metavar="LAT,LON", help="The zones of known places nearest to a point, in degrees.")
@json_option
def zones(words: tuple[str, ...], near: str | None, as_json: bool) -> None:
    """List zones whose key, name, country or cloud region holds all WORDS."""
    from lowtide.grid.zones import near_zones, parse_point, search_zones

    if near is not None:
        _show_near(near_zones(*parse_point(near), n=5), as_json)
        return
    found = search_zones(" ".join(words))
    if as_json:
        emit_json({"zones": [_zone_plain(match) for match in found]})
        return
    if not found:
        click.echo("no zone holds these words; try a country's name, or a cloud region like aws:us-west-2")
        return
    cells = []
    for match in found:
        g_per_kwh, kind = _typical(match.zone.key, match.zone.has_profile)
        typical = "-" if g_per_kwh is None else f"{g_per_kwh:.0f} g/kWh"
        cells.append((match.zone.key, match.zone.name, typical, kind, " ".join(r.key for r in match.regions)))
    click.echo(table(("zone", "name", "typical mean", "typical values", "cloud regions"), cells, right=(2,)))


def _typical(zone: str, has_profile: bool) -> tuple[float | None, str]:
    from lowtide.data.intensity import yearly_mean

    mean = yearly_mean(zone, "lifecycle")
    if mean is None:
        return None, "none"
    return mean.g_per_kwh, "hourly" if has_profile else "yearly mean only"


def _zone_plain(match: ZoneMatch) -> dict[str, Any]:
    g_per_kwh, kind = _typical(match.zone.key, match.zone.has_profile)
    return {
        "zone": match.zone.key,
        "name": match.zone.name,
        "country": match.zone.country,
        "typical_g_per_kwh": g_per_kwh,
        "typical": kind,
        "cloud_regions": [region.key for region in match.regions],
    }


def _show_near(found: Any, as_json: bool) -> None:
    if as_json:
        rows = [{"zone": p.zone, "place": p.place, "distance_km": round(p.distance_km, 1)} for p in found]
        emit_json({"near": rows})
        return
    cells = [(p.zone, p.place, f"{p.distance_km:.0f} km") for p in found]
    click.echo(table(("zone", "of the place", "away"), cells, right=(2,)))
    click.echo("A place near by may belong to another grid: borders of zones are not known to lowtide.")


@click.command(epilog="Example: lowtide grid providers")
@click.option(
    "--zone", metavar="KEY", help="Only those that have this zone, in the order in which they are asked."
)
@json_option
def providers(zone: str | None, as_json: bool) -> None:
    """List the sources of intensity: which are configured, which need a key and where to get it."""
    from lowtide.grid.keys import KeyRing
    from lowtide.grid.registry import states
    from lowtide.runtime.grid_access import named_providers

    config = settings(zone=zone)
    named = config.get("provider")
    keys = KeyRing(os.environ)
    found = states(named_providers(named.value if named else None), keys=keys)
    if zone is not None:
        from lowtide.data.zones import resolve_zone

        key = resolve_zone(zone)
        found = [state for state in found if state.provider is not None and state.provider.has(key)]
        found.sort(key=lambda state: not state.configured)
    if as_json:
        emit_json({"providers": [*map(_plain, found), _typical_plain()]})
        return
    for state in found:
        click.echo(_lines(state))
    click.echo(
        "typical: ready\n  zones of the world; average, month by hour or yearly mean; needs no network and no key"
    )


def _plain(state: ProviderState) -> dict[str, Any]:
    from lowtide.grid.keys import variables_of

    provider = state.provider
    told: dict[str, Any] = {
        "name": state.name,
        "configured": state.configured,
        "key_from": state.key_from or None,
        "advice": state.advice or None,
        "problem": state.problem or None,
    }
    if provider is not None:
        told |= {
            "title": provider.title,
            "covers": provider.covers,
            "basis": provider.basis,
            "offers": sorted(provider.offers),
            "attribution": provider.attribution,
            "keys": [
                {"name": key.name, "variables": list(variables_of(state.name, key)), "where": key.where}
                for key in provider.keys
            ],
        }
    return told


def _typical_plain() -> dict[str, Any]:
    return {"name": "typical", "configured": True, "key_from": None, "advice": None, "problem": None,
            "title": "typical profiles", "covers": "zones of the world, month by hour or yearly mean",
            "basis": "average", "offers": ["forecast", "history", "latest"], "keys": []}  # fmt: skip


def _lines(state: ProviderState) -> str:
    """Return a provider in two or three lines."""
    if state.problem:
        return f"{state.name}: cannot be used\n  {state.problem}"
    ready = f"ready, key from {state.key_from}" if state.key_from else "ready, no key needed"
    lines = [f"{state.name}: {ready if state.configured else 'not configured'}"]
    if state.provider is not None:
        lines.append(f"  {state.provider.covers}; {', '.join(sorted(state.provider.offers))}")
    if state.advice:
        lines.append(f"  {state.advice}")
    return "\n".join(lines)
