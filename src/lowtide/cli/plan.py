"""``lowtide plan``: the greenest way to run one job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lowtide.cli.options import config_with, emit_json, json_option, ledger_option, say_unused
from lowtide.model.energy import BOUNDARIES

if TYPE_CHECKING:
    from lowtide.runtime.config import Config
    from lowtide.runtime.planning import Planned
    from lowtide.stores.ledger import Ledger


@click.command(epilog="Example: lowtide plan --duration 6h --power 300W --zone DE --within 24h")
@click.option("--duration", metavar="D", help="How long the job takes at throughput 1.")
@click.option("--power", metavar="W", help="Power of the whole job, like 300W or 2.4kW.")
@click.option(
    "--boundary", type=click.Choice(BOUNDARIES), help="What --power or --points contains (default: node)."
)
@click.option("--gpus", metavar="NxNAME", help="Estimate the power from accelerators, like 8xV100.")
@click.option(
    "--load", metavar="PCT", help="Mean power of each over its TDP, like 0.8 (default: 1, a maximum)."
)
@click.option(
    "--points", metavar="FILE", help="A menu: CSV with throughput,power_w; throughput 1 is the baseline."
)
@click.option("--like", metavar="RUN", help="Duration and power over work as a run of the ledger had them.")
@click.option(
    "--past-runs", metavar="NAME", help="Duration (nine in ten took no longer) and power of past runs."
)
@click.option("--start", metavar="T", help="Not before (default now), like 2026-03-01T05:00Z.")
@click.option("--slack", metavar="D|PCT", help="May end that much later than start + duration.")
@click.option("--within", metavar="D", help="Done within that time of the start.")
@click.option("--deadline", metavar="T", help="Done by then.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help="Repeatable; default all that apply; literature: those of papers.",
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
@click.option("--round-up", is_flag=True, help="Round the duration up to whole slots, as some papers do.")
@click.option(
    "--zone",
    "zones",
    multiple=True,
    metavar="KEY",
    help="Where it may run; repeatable, the first is the baseline's.",
)
@click.option("--sites", metavar="FILE|config", help="Sites from [site.NAME] tables of a TOML file.")
@click.option(
    "--allow", multiple=True, metavar="REGION", help="Where data may be: EU, EEA, a country; repeatable."
)
@click.option("--transfer-gb", type=float, metavar="GB", help="Data that must travel to run elsewhere.")
@click.option("--transfer-kwh-per-gb", type=float, metavar="KWH", help="Energy of the network for each GB.")
@click.option("--transfer-gbit-per-s", type=float, metavar="X", help="Bandwidth of the way.")
@click.option(
    "--pue", "pues", multiple=True, metavar="[ZONE=]X|FILE", help="PUE, of one zone or of all; repeatable."
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    metavar="[ZONE=]USD|FILE",
    help="Electricity price per kWh, or a file of them; counts in what is minimised.",
)
@click.option("--carbon-price", type=float, metavar="USD", help="Of a tonne: minimise money.")
@click.option("--time-price", type=float, metavar="USD", help="Of an hour until the job is done: the same.")
@click.option("--max-carbon", metavar="G", help="Be done soonest within this carbon, like 5kg.")
@click.option("--max-cost", type=float, metavar="USD", help="Emit least within this cost of electricity.")
@click.option("--pareto", is_flag=True, help="Show carbon against time, and against cost with --price.")
@click.option("--min-saving", metavar="PCT", help="A smaller saving is not worth waiting (default: 3%).")
@click.option(
    "--embodied-g-per-h", type=float, metavar="G", help="Embodied share of hardware reserved while it waits."
)
@click.option("--marginal", metavar="FILE|G", help="Marginal intensity, as a second account.")
@click.option("--history", metavar="FILE", help="Past intensity that a forecast is made from.")
@click.option(
    "--forecast",
    metavar="NAME|FILE",
    help="persistence-day, persistence-week, climatology, blend, or a provider's forecasts (default: auto).",
)
@click.option("--risk", type=float, metavar="X", help="0: plan on the forecast's median; 1: on its 90 % end.")
@click.option("--robust", is_flag=True, help="Wait only where the past says it pays, to within 1 %.")
@click.option("--plot", metavar="FILE", help="Draw the plans as PNG, SVG or PDF.")
@click.option("--intensity", metavar="FILE|G", help="A CSV or Parquet file, or a constant in g/kWh.")
@click.option("--provider", metavar="NAME", help="Where intensity comes from (default: best).")
@click.option("--basis", metavar="average|marginal", help="What to minimise (default: average).")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@click.option("--market", metavar="FILE|G", help="Contracts, for the market-based account of each plan.")
@json_option
@ledger_option
def plan(as_json: bool, plot: str | None, **options: Any) -> None:
    """Say when, where and how hard to run a job so that it emits least, and what that saves."""
    from lowtide.runtime.planning import PlanRequest, plan_request

    flags = {
        name: options.pop(name) for name in ("intensity", "provider", "basis", "factors", "market", "ledger")
    }
    config = config_with(**flags)
    request = PlanRequest(**options)
    ledger = _ledger(config) if request.like or request.past_runs else None
    planned = plan_request(request, config, ledger=ledger)
    problems = say_unused(config, request.zones)
    if plot is not None:
        _draw(planned, plot)
    if as_json:
        from lowtide.reporting.plans_json import plans_plain

        emit_json(
            plans_plain(planned.found)
            | {"boundary": planned.boundary, "problems": problems}
            | _learnt_plain(planned)
        )
        return
    from lowtide.reporting.plans import plans_text

    click.echo(plans_text(planned.found, planned.sites[0].intensity, planned.window))
    if planned.hindsight is not None:
        click.echo(f"hindsight: {planned.hindsight.words}")


def _ledger(config: Config) -> Ledger:
    from lowtide.runtime.prepare import ledger_of

    return ledger_of(config)


def _learnt_plain(planned: Planned) -> dict[str, Any]:
    """Return what the past says of the best plan and of the job's duration; null where it says nothing."""
    from dataclasses import asdict

    from lowtide.quantities import format_instant

    likely = planned.likely
    return {
        "hindsight": None if planned.hindsight is None else asdict(planned.hindsight),
        "likely_start": None
        if likely is None
        else {"start": format_instant(likely.start_ns)}
        | {key: value for key, value in asdict(likely).items() if key != "start_ns"},
    }


def _draw(planned: Planned, path: str) -> None:
    """Write a picture of the plans, its format told by the file's ending."""
    from lowtide.reporting.plan_plot import plan_plot
    from lowtide.stores.codec import write_bytes

    ending = path.rpartition(".")[2].casefold()
    write_bytes(path, plan_plot(planned.found, planned.sites, planned.window, image_format=ending))
    click.echo(f"lowtide: plans drawn in {path}", err=True)
