"""``lowtide agent``: one controller for all submitted jobs of a user."""

from __future__ import annotations

import click

from lowtide.cli.options import config_with, ledger_option
from lowtide.errors import InputError


@click.command(epilog="Example: lowtide agent --slurm --once")
@click.option("--slurm", is_flag=True, help="For the jobs of `lowtide submit` in Slurm.")
@click.option("--once", is_flag=True, help="One round, in which nothing is paused; for cron.")
@click.option(
    "--every", metavar="D", help="A round that often, or earlier where a job needs it (default: 15m)."
)
@ledger_option
def agent(slurm: bool, once: bool, every: str | None, ledger: str | None) -> int:
    """Move the starts of waiting jobs as forecasts change, and pause running ones that allow it.

    It works on the jobs that were submitted with this ledger, one agent at a time. Jobs submitted with
    `--pause freeze` are stopped through dirty hours and always go on when it ends; if it is killed, the next
    one lets them go on. Each action is journaled before it is done.
    """
    from lowtide.executors.slurm import Slurm
    from lowtide.quantities import parse_duration_s
    from lowtide.runtime.agent import Agent
    from lowtide.runtime.prepare import ledger_of

    if not slurm:
        raise click.UsageError("for whose jobs? lowtide agent --slurm")
    if once and every is not None:
        raise InputError("give one of --once and --every")
    every_s = 900.0 if every is None else parse_duration_s(every)
    if not every_s >= 0.1:
        raise InputError(f"--every {every} is too often; give at least 0.1s")
    found = Agent(ledger_of(config_with(ledger=ledger)), Slurm(), say=lambda line: click.echo(line, err=True))
    with found:
        if once:
            found.round(may_freeze=False)
            return 1 if found.n_failed else 0
        found.serve(every_s=every_s)
    return 0
