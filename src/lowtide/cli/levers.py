"""``lowtide levers``: what would lower a footprint, by how much, and at what price."""

from __future__ import annotations

from typing import Any

import click

from lowtide.cli.options import config_with, emit_json, json_option, say_unused
from lowtide.errors import InputError


@click.command(
    epilog="Example: lowtide levers --lever fp16 --lever less-data=2 --zone DE --zone FR --duration 36h"
)
@click.option("--lever", "names", multiple=True, metavar="NAME[=FACTOR]",
              help="Pull it, with a factor of your own; repeatable. Without any, all levers are listed.")  # fmt: skip
@click.option("--phase", type=click.Choice(["training", "inference"]), help="List levers of that phase only.")
@click.option("--zone", "zones", multiple=True, metavar="KEY",
              help="Compute the map lever for your zones, the first is where you run; repeatable.")  # fmt: skip
@click.option("--duration", metavar="D", help="How long the job runs, for the map lever.")
@click.option("--slack", metavar="D", default="24h", show_default=True, help="How much later it may end.")
@click.option("--start", metavar="T", help="Not before (default now).")
@click.option("--emissions", metavar="G", help="Where to start from, like 553t; else shares are shown.")
@click.option("--intensity", metavar="FILE", help="A CSV or Parquet file instead of typical profiles.")
@click.option("--provider", metavar="NAME", help="Where intensity comes from (default: typical).")
@click.option("--basis", metavar="average|marginal", help="Average (default) or marginal intensity.")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@click.option("--plot", metavar="FILE", help="A picture of the waterfall; .png, .svg or .pdf.")
@json_option
def levers(
    names: tuple[str, ...],
    phase: str | None,
    zones: tuple[str, ...],
    duration: str | None,
    slack: str,
    start: str | None,
    emissions: str | None,
    plot: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """List what lowers a footprint, or pull levers: a waterfall over model, machine, mechanization and map."""
    from lowtide.data.levers import levers as all_levers
    from lowtide.estimation.claims import parse_grams
    from lowtide.estimation.levers import parse_pull, waterfall
    from lowtide.reporting.estimates_levers import levers_plain, levers_text, waterfall_text

    pulls = [parse_pull(name) for name in names]
    mapped = None
    if zones:
        from lowtide.runtime.estimating_map import map_lever

        if duration is None:
            raise InputError("how long does the job run? the map lever needs --duration, like 36h")
        config = config_with(**flags)
        mapped = map_lever(zones, config, duration=duration, slack=slack, start=start)
        say_unused(config, zones)
        pulls = [p for p in pulls if p.lever.name not in ("clean-region", "clean-hours")]
        pulls += [pull for pull in (mapped.region, mapped.hours) if pull is not None]
    found = waterfall(pulls) if pulls else None
    if plot is not None:
        from lowtide.reporting.estimates_plots import waterfall_plot
        from lowtide.runtime.estimating_inputs import write_picture

        if found is None:
            raise InputError("nothing to draw: pull at least one --lever, or give --zone and --duration")
        write_picture(plot, lambda form: waterfall_plot(found, image_format=form))
    listed = [lever for lever in all_levers() if phase is None or lever.phase in (phase, "both")]
    if as_json:
        emit_json(levers_plain(listed, found, mapped))
    elif found is None:
        click.echo(levers_text(listed))
    else:
        click.echo(waterfall_text(found, mapped, None if emissions is None else parse_grams(emissions)))
