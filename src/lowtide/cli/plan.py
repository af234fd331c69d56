"""``lowtide plan``: the greenest way to run one job."""

from __future__ import annotations

from typing import Any

import click

from lowtide.cli.options import config_with, emit_json, json_option, ledger_option


@click.command(epilog="Example: lowtide plan --duration 6h --power 300W --zone DE --within 24h")
@click.option("--duration", metavar="D", help="How long the job takes at throughput 1.")
@click.option("--power", metavar="W", help="Power of the whole job at the node, like 300W or 2.4kW.")
@click.option(
    "--points", metavar="FILE", help="A menu: CSV with throughput,power_w; throughput 1 is the baseline."
)
@click.option("--like", metavar="RUN", help="Duration and power over work as a run of the ledger had them.")
@click.option("--start", metavar="T", help="Not before (default now), like 2026-03-01T05:00Z.")
@click.option("--slack", metavar="D|PCT", help="May end that much later than start + duration.")
@click.option("--within", metavar="D", help="Done within that time of the start.")
@click.option("--deadline", metavar="T", help="Done by then.")
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME", help="Repeatable; default all that apply."
)
@click.option("--resume-energy", metavar="KWH", help="Energy of each resume, like 0.3kWh.")
@click.option("--resume-time", metavar="D", help="Time of each resume, at running power without progress.")
@click.option("--idle-power", metavar="W", help="Power while paused.")
@click.option("--migrate-energy", metavar="KWH", help="Energy of a move to another zone.")
@click.option("--migrate-time", metavar="D", help="Time of a move.")
@click.option("--max-pauses", type=click.IntRange(0), metavar="N", help="How often it may be interrupted.")
@click.option(
    "--slot", metavar="D", help="Start and resume on a grid of that step instead of the intensity's."
)
@click.option(
    "--zone",
    "zones",
    multiple=True,
    metavar="KEY",
    help="Where it may run; repeatable, the first is the baseline's.",
)
@click.option(
    "--pue", "pues", multiple=True, metavar="[ZONE=]X", help="PUE, of one zone or of all; repeatable."
)
@click.option("--intensity", metavar="FILE|G", help="A CSV or Parquet file, or a constant in g/kWh.")
@click.option("--provider", metavar="NAME", help="Where intensity comes from (default: typical).")
@click.option("--basis", metavar="average|marginal", help="What to minimise (default: average).")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@json_option
@ledger_option
def plan(as_json: bool, **options: Any) -> None:
    """Say when, where and how hard to run a job so that it emits least, and what that saves."""
    from lowtide.reporting.plans import plans_plain, plans_text
    from lowtide.runtime.planning import PlanRequest, plan_request
    from lowtide.runtime.prepare import ledger_of

    flags = {name: options.pop(name) for name in ("intensity", "provider", "basis", "factors", "ledger")}
    config = config_with(**flags)
    found, sites, window = plan_request(PlanRequest(**options), config, ledger=ledger_of(config))
    if as_json:
        emit_json(plans_plain(found))
    else:
        click.echo(plans_text(found, sites[0].intensity, window))
