"""``lowtide grid``: zones and their intensity."""

from __future__ import annotations

import click

from lowtide.cli.options import emit_json, json_option, table


@click.group()
def grid() -> None:
    """Zones and their intensity."""


@grid.command("zones", epilog="Example: lowtide grid zones texas")
@click.argument("words", nargs=-1)
@json_option
def zones(words: tuple[str, ...], as_json: bool) -> None:
    """List zones whose key, name, country or cloud region holds all WORDS."""
    from lowtide.grid.zones import ZoneMatch, search_zones

    def level(match: ZoneMatch) -> tuple[float | None, str]:
        mean = yearly_mean(match.zone.key, "lifecycle")
        if mean is None:
            return None, "none"
        return mean.g_per_kwh, "hourly" if match.zone.has_profile else "yearly mean only"

    from lowtide.data.intensity import yearly_mean

    found = search_zones(" ".join(words))
    if as_json:
        rows = []
        for match in found:
            g_per_kwh, kind = level(match)
            rows.append(
                {
                    "zone": match.zone.key,
                    "name": match.zone.name,
                    "country": match.zone.country,
                    "typical_g_per_kwh": g_per_kwh,
                    "typical": kind,
                    "cloud_regions": [region.key for region in match.regions],
                }
            )
        emit_json({"zones": rows})
        return
    if not found:
        click.echo("no zone holds these words; try a country's name, or a cloud region like aws:us-west-2")
        return
    cells = []
    for match in found:
        g_per_kwh, kind = level(match)
        typical = "-" if g_per_kwh is None else f"{g_per_kwh:.0f} g/kWh"
        cells.append((match.zone.key, match.zone.name, typical, kind, " ".join(r.key for r in match.regions)))
    click.echo(table(("zone", "name", "typical mean", "typical values", "cloud regions"), cells, right=(2,)))
