"""``lowtide agent``: one controller for all submitted jobs of a user."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import click

from lowtide.cli.options import config_with, ledger_option
from lowtide.cli.submit_elsewhere import Elsewhere, serve_elsewhere
from lowtide.errors import InputError
from lowtide.quantities import format_instant


@click.command(epilog="Example: lowtide agent --slurm --once")
@click.option("--slurm", is_flag=True, help="For the jobs of `lowtide submit` in Slurm.")
@click.option("--kubernetes", is_flag=True, help="For the jobs of `lowtide submit --on kubernetes`.")
@click.option(
    "--ray", metavar="URL", is_flag=False, flag_value="", help="For those of `lowtide submit --on ray`."
)
@click.option("--on", metavar="NAME", help="For those of another executor.")
@click.option(
    "--namespace", metavar="NS", help="With --kubernetes (default: the context's, or the pod's own)."
)
@click.option("--url", metavar="URL", help="With --kubernetes: an API server without login (kubectl proxy).")
@click.option("--once", is_flag=True, help="One round, in which nothing is paused; for cron.")
@click.option(
    "--every", metavar="D", help="A round that often, or earlier where a job needs it (default: 15m)."
)
@click.option("--job", metavar="JOB", help="For the script that `lowtide submit --pause checkpoint` made.")
@click.option("--look", "looking", is_flag=True, help="With --job: ask it to save if it is time to.")
@click.option("--leave", "left_with", type=int, metavar="STATUS", help="With --job: it has left with that.")
@click.option(
    "--json", "as_json", is_flag=True, help="A line of JSON on standard output for each thing done or failed."
)
@ledger_option
def agent(
    slurm: bool,
    kubernetes: bool,
    ray: str | None,
    on: str | None,
    namespace: str | None,
    url: str | None,
    once: bool,
    every: str | None,
    job: str | None,
    looking: bool,
    left_with: int | None,
    as_json: bool,
    ledger: str | None,
) -> int:
    """Move the starts of waiting jobs as forecasts change, and pause running ones that allow it.

    It works on the jobs that were submitted with this ledger, one agent at a time. Jobs submitted with
    `--pause freeze` are stopped through dirty hours and always go on when it ends; if it is killed, the next
    one lets them go on. Each action is journaled before it is done.

    Jobs of Kubernetes and Ray are started by nobody else: it must be running, and a round with `--once` may pause
    them too. When it ends they stay as they are, and it says until when it must be there again.

    With --json each line says `at`, `job` (null where it is of none), `problem` and `said`.

    With `--job` it is one step of a job that was submitted with `--pause checkpoint`; the job's own script calls it.
    """
    from lowtide.executors.slurm import Slurm
    from lowtide.quantities import parse_duration_s
    from lowtide.runtime.agent import Agent
    from lowtide.runtime.prepare import ledger_of

    if [slurm, kubernetes, ray is not None, on is not None].count(True) != 1:
        raise click.UsageError(
            "for whose jobs? one of lowtide agent --slurm, --kubernetes, --ray URL, --on NAME"
        )
    if once and every is not None:
        raise InputError("give one of --once and --every")
    if as_json and (job is not None or looking or left_with is not None):
        raise InputError("--json is for the agent; with --job standard output is the script's own")
    say = _say_json if as_json else _say
    if job is not None:
        return _of_job(job, looking, left_with, ledger)
    if looking or left_with is not None:
        raise InputError("--look and --leave are for one job: give --job 123 too")
    every_s = 900.0 if every is None else parse_duration_s(every)
    if not every_s >= 0.1:
        raise InputError(f"--every {every} is too often; give at least 0.1s")
    if not slurm:
        name = "kubernetes" if kubernetes else on or "ray"
        there = Elsewhere(name, namespace, ray or url)
        return serve_elsewhere(there, once=once, every_s=every_s, ledger=ledger, say=say)
    if namespace is not None or url is not None:
        raise InputError("--namespace and --url are not for Slurm; leave them out")
    found = Agent(ledger_of(config_with(ledger=ledger)), Slurm(), say=say)
    with found:
        if once:
            found.round(may_freeze=False)
            return 1 if found.n_failed else 0
        found.serve(every_s=every_s)
    return 0


def _say(line: str) -> None:
    click.echo(line, err=True)


def _say_json(line: str) -> None:
    click.echo(json.dumps({"at": format_instant(time.time_ns()), **told_plain(line)}, allow_nan=False))


def told_plain(line: str) -> dict[str, Any]:
    """Return a line of an agent as data: of which job, whether it tells a problem, and the words.

    >>> told_plain("job 7: goes on (the plan says so)")
    {'job': '7', 'problem': False, 'said': 'job 7: goes on (the plan says so)'}
    >>> told_plain("lowtide: squeue did not answer within 60 s; is slurmctld up?")["job"] is None
    True
    """
    words = line.removeprefix("lowtide: ")
    is_problem = words != line
    found = re.match(r"job (\S+?):? ", words) or (None if is_problem else re.match(r"(\S+): ", words))
    return {"job": found[1] if found else None, "problem": is_problem, "said": words}


def _of_job(label: str, looking: bool, left_with: int | None, ledger: str | None) -> int:
    """Do a step of one job; with --look what is printed is how long to wait for the next one [s]."""
    from lowtide.executors.slurm import Slurm
    from lowtide.runtime.prepare import ledger_of
    from lowtide.runtime.submitting_asking import Minded, leave, look_to_the_second

    if looking == (left_with is not None):
        raise InputError("give one of --look and --leave STATUS with --job")
    minded = Minded(
        ledger=ledger_of(config_with(ledger=ledger)), slurm=Slurm(), label=label,
        say=_say,
    )  # fmt: skip
    if left_with is not None:
        return leave(minded, left_with)
    wait_s = look_to_the_second(minded)
    if wait_s is not None:
        click.echo(f"{wait_s:.3f}")
    return 0
