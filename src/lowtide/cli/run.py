"""``lowtide run``: a command with its recorder, and its bill."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from lowtide.cli.options import config_with, emit_json, intensity_options, ledger_option
from lowtide.errors import LowtideError
from lowtide.runtime.prepare import RunOptions

if TYPE_CHECKING:
    from lowtide.model.record import RunHeader
    from lowtide.runtime.budget import BudgetAsked
    from lowtide.runtime.config import Config
    from lowtide.runtime.green import GreenAsked, GreenSpec

REFUSED = 125


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Example: lowtide run --name digits --zone DE -- python examples/train_digits.py",
)
@click.option("--name", metavar="NAME", help="What the run is called (default: the script's name).")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag; repeatable.")
@click.option("--interval", metavar="D", help="Time between readings (default 1s).")
@click.option("--sensors", metavar="auto|LIST", help="Which sensors to read (default auto).")
@click.option(
    "--attribution", metavar="share|dynamic|machine", help="Which part of the machine is the run's."
)
@click.option(
    "--scope",
    default="tree",
    type=click.Choice(["tree", "cgroup"]),
    show_default=True,
    help="What belongs to the run: the command's processes, or all in lowtide's control group.",
)
@click.option(
    "--per", metavar="N:UNIT", help="Unit of the SCI, like 1e9:token; COMMAND counts it with lowtide.count."
)
@click.option("--summary", metavar="FILE", help="Write the JSON of `show` there at the end.")
@click.option("--strict", is_flag=True, help="Refuse a wrong zone without a terminal too.")
@click.option("--quiet", is_flag=True, help="Do not print the four lines.")
@click.option(
    "--when", type=click.Choice(["green"]), help="Start when the grid is green: within 24h unless bounded."
)
@click.option("--within", metavar="D", help="Wait for green, done within that time of now.")
@click.option("--deadline", metavar="T", help="Wait for green, done by then.")
@click.option("--slack", metavar="D|PCT", help="Wait for green, done that much later than at once.")
@click.option("--start-within", metavar="D", help="Wait for green, started within that time.")
@click.option("--duration", metavar="D", help="How long COMMAND takes (else learnt from 3 runs of its name).")
@click.option(
    "--margin", metavar="PCT", help="How much longer it may take and still be in time (default 10%)."
)
@click.option("--min-saving", metavar="PCT", help="A smaller saving is not worth waiting (default 3%).")
@click.option(
    "--pause",
    type=click.Choice(["none", "freeze", "checkpoint"]),
    help="Only shift its start (none, the default); stop and continue its processes too (freeze); or ask it to save "
    "and leave, and start it again (checkpoint).",
)
@click.option(
    "--pause-signal", metavar="NAME", help="Asks a job that looks for no pause file to save (default TERM)."
)
@click.option("--grace", metavar="D", help="How long it may take to save and leave (default 60s).")
@click.option(
    "--resume-time", metavar="D", help="From its start to its first step (default: measured as it starts)."
)
@click.option("--progress-file", metavar="FILE", help="A log that tells how far it is.")
@click.option(
    "--progress-pattern", metavar="REGEX", help="Where in it: one group for units done, one for all of them."
)
@click.option("--work-units", metavar="N", type=float, help="All of them, where the pattern has one group.")
@click.option(
    "--budget", metavar="G|KWH", help="What it may emit (5kg; grams by location) or draw (2kWh, before PUE)."
)
@click.option(
    "--on-budget",
    metavar="warn|checkpoint|stop",
    help="At the budget: say so (warn, the default), ask it to save and leave for good (checkpoint), or end it with "
    "SIGTERM (stop).",
)
@click.option("--history", metavar="FILE", help="Past intensity that a forecast is made from.")
@click.option("--forecast", metavar="NAME|FILE", help="How, or a provider's forecasts (default: auto).")
@click.option("--hold-allocation", is_flag=True, help="Wait even inside a batch allocation.")
@click.option("--dry-run", is_flag=True, help="Print the plan as `lowtide plan` does, and stop.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: one JSON document on standard output.")
@click.option("--continue", "continued", metavar="RUN", help="Take over a run that waits for nobody.")
@intensity_options
@ledger_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(command: tuple[str, ...], **options: Any) -> int:
    """Run COMMAND, record its power, book its carbon.

    Standard input and output are COMMAND's; four lines follow on standard error. The exit status is
    COMMAND's own; 125 if lowtide refused before it started, 126 and 127 as shells give, 128 + n if
    signal n killed it.
    """
    from lowtide.runtime.running import run_command

    green, budget = _green(options), _budget(options)
    per, summary, name = options.pop("per"), options.pop("summary"), options.pop("name")
    tags, scope = options.pop("tags"), options.pop("scope")
    quiet, strict = options.pop("quiet"), options.pop("strict")
    dry, as_json, continued = options.pop("dry_run"), options.pop("as_json"), options.pop("continued")
    _check_usage(command, dry=dry, as_json=as_json, continued=continued, is_green=green.is_asked)
    if continued is not None and (budget.text or budget.on):
        raise click.UsageError("--continue RUN keeps the budget the run was started with")
    try:
        config = config_with(**options)
    except LowtideError as error:
        click.echo(f"lowtide: {error}", err=True)
        return REFUSED
    if continued is not None:
        from lowtide.runtime.green_running import continue_command

        return continue_command(continued, config, env=dict(os.environ), say=_say)
    return run_command(
        RunOptions(command=command, name=name, tags=tags, per=per),
        config,
        env=dict(os.environ),
        scope=scope,
        summary=summary,
        quiet=quiet,
        strict=strict,
        say=_say,
        green=green,
        budget=budget,
        plan_only=partial(_print_plan, config, as_json) if dry else None,
    )


def _say(line: str) -> None:
    click.echo(line, file=sys.stderr)


def _green(options: dict[str, Any]) -> GreenAsked:
    """Take what says how to wait out of the options."""
    from lowtide.runtime.green import GreenAsked

    names = ("within", "deadline", "slack", "start_within", "duration", "margin", "min_saving", "pause",
             "history", "forecast", "hold_allocation", "pause_signal", "grace", "resume_time", "progress_file",
             "progress_pattern", "work_units")  # fmt: skip
    return GreenAsked(
        when_green=options.pop("when") is not None, **{name: options.pop(name) for name in names}
    )


def _budget(options: dict[str, Any]) -> BudgetAsked:
    """Take what it may use out of the options."""
    from lowtide.runtime.budget import BudgetAsked

    return BudgetAsked(text=options.pop("budget"), on=options.pop("on_budget"))


def _check_usage(
    command: tuple[str, ...], *, dry: bool, as_json: bool, continued: str | None, is_green: bool
) -> None:
    """Refuse combinations that mean nothing, as wrong usage."""
    if continued is not None and command:
        raise click.UsageError("--continue RUN takes no COMMAND: the run has its own")
    if continued is None and not command:
        raise click.UsageError("Missing argument 'COMMAND...'.")
    if dry and not is_green:
        raise click.UsageError("--dry-run prints the plan of a run that may wait: add --within 24h")
    if as_json and not dry:
        raise click.UsageError("--json goes with --dry-run; `lowtide show last --json` shows the run")


def _print_plan(config: Config, as_json: bool, spec: GreenSpec, header: RunHeader) -> None:
    """Print the plan of a run as ``lowtide plan`` prints it."""
    from lowtide.runtime.green_running import dry_plan
    from lowtide.runtime.prepare import ledger_of

    planned = dry_plan(spec, header, config, ledger_of(config))
    if as_json:
        from lowtide.reporting.plans_json import plans_plain

        emit_json(plans_plain(planned.found))
        return
    from lowtide.reporting.plans import plans_text

    click.echo(plans_text(planned.found, planned.sites[0].intensity, planned.window))
