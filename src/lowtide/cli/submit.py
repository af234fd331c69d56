"""``lowtide submit``: a job script handed to Slurm with the start that emits least."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from lowtide.cli.options import config_with, emit_json, json_option, ledger_option, table
from lowtide.cli.submit_bill import show_bill
from lowtide.cli.submit_elsewhere import ELSEWHERE_OPTIONS, elsewhere_of, elsewhere_options, submit_elsewhere
from lowtide.cli.submit_sites import move, site_options, sites_request, submit_there
from lowtide.errors import InputError

if TYPE_CHECKING:
    from lowtide.executors.slurm import SlurmJob
    from lowtide.runtime.config import Config
    from lowtide.stores.ledger import Ledger

_GROUPS: Final = (
    ("within", "deadline", "slack", "start_within"),
    ("duration", "like", "past_runs"),
    ("power", "gpus", "like", "past_runs"),
)
"""Options that stand against each other: one on the command line drops all of its group from the script."""
_FLAGS: Final = ("zone", "intensity", "provider", "basis", "factors", "pue", "ledger")
_NOT_IN_SCRIPT: Final = (
    "dry_run", "as_json", "listing", "replanning", "moving", "bill", "ledger", "words", *ELSEWHERE_OPTIONS
)  # fmt: skip


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Example: lowtide submit --dry-run --within 24h --duration 2h --zone DE examples/train_digits.sbatch",
)
@click.option("--within", metavar="D", help="Done within that time of now.")
@click.option("--deadline", metavar="T", help="Done by then.")
@click.option("--slack", metavar="D|PCT", help="Done by now + duration + slack.")
@click.option("--start-within", metavar="D", help="Started within that time; the end is not bounded.")
@click.option(
    "--duration", metavar="D", help="How long it takes (else learnt from past runs, else its time limit)."
)
@click.option("--power", metavar="W", help="Power of the whole job at the node, for grams.")
@click.option("--gpus", metavar="NxNAME", help="Estimate the power from accelerators, like 8xV100.")
@click.option("--load", metavar="PCT", help="Mean power of each over its TDP (default: 1, a maximum).")
@click.option("--like", metavar="RUN", help="Duration and power over work as a run of the ledger had them.")
@click.option("--past-runs", metavar="NAME", help="Duration and power of past runs of that name.")
@click.option("--idle-power", metavar="W", help="Power while paused.")
@click.option("--history", metavar="FILE", help="Past intensity that a forecast is made from.")
@click.option("--margin", metavar="PCT", help="How much longer it may take, queue included (default: 10%).")
@click.option("--min-saving", metavar="PCT", help="A smaller saving is not worth waiting (default: 3%).")
@click.option(
    "--pause",
    default="none",
    metavar="none|freeze|checkpoint",
    show_default=True,
    help="Whether `lowtide agent --slurm` may stop and continue it (freeze), or it saves and comes back.",
)
@click.option(
    "--pause-signal", metavar="SIG", help="What tells its steps to save; B:SIG for the script alone."
)
@click.option("--grace", metavar="D", help="How long a job has to save and leave (default: 60s).")
@click.option("--name", metavar="NAME", help="Runs to learn the duration from (default: the job's name).")
@click.option("--zone", metavar="KEY", help="Where the power is drawn: DE, US-CAL-CISO, aws:us-west-2.")
@click.option("--intensity", metavar="FILE|G", help="A CSV or Parquet file, or a constant in g/kWh.")
@click.option("--provider", metavar="NAME", help="Where intensity comes from (default: best).")
@click.option("--basis", metavar="average|marginal", help="What to minimise (default: average).")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@click.option("--pue", metavar="X", help="Power usage effectiveness; without it grams are of the node.")
@site_options
@elsewhere_options
@click.option("--dry-run", is_flag=True, help="Plan, say what would be done, and submit nothing.")
@click.option("--bill", metavar="JOB", help="What a job came to, all of its starts, against its plan.")
@click.option("--list", "listing", is_flag=True, help="Your submitted jobs that have not ended.")
@click.option(
    "--replan", "replanning", is_flag=True, help="Move the starts of waiting jobs to what is known now."
)
@json_option
@ledger_option
@click.argument(
    "words", nargs=-1, type=click.UNPROCESSED, metavar="[JOB.SBATCH [SBATCH FLAGS] [-- ARGUMENTS]]"
)
@click.pass_context
def submit(context: click.Context, /, as_json: bool, listing: bool, replanning: bool, **options: Any) -> int:
    """Hand a job script to Slurm with the start that emits least.

    Options stand before the script; what follows it goes to sbatch as given, and what follows -- to the script.
    Lines like `#LOWTIDE --within 48h` in the script say the same; the command line wins. Standard output
    is sbatch's own line, "Submitted batch job N"; the promise is one line on standard error.

    With `--on kubernetes job.yaml` or `--on ray -- python train.py` the job is held there until
    `lowtide agent --kubernetes` or `--ray` starts it; standard output is its tag.
    """
    words: tuple[str, ...] = options.pop("words")
    moving, billed = options.pop("moving"), options.pop("bill")
    there = elsewhere_of(options)
    if there is not None:
        if moving is not None or billed is not None:
            raise InputError("--move and --bill are for Slurm; leave them out, or --on")
        return submit_elsewhere(
            there, options, words, as_json=as_json, listing=listing, replanning=replanning
        )
    if billed is not None:
        if words or listing or replanning or moving is not None:
            raise InputError("--bill JOB stands alone: leave out the script, --list, --replan and --move")
        return show_bill(
            _ledger(config_with(**{name: options[name] for name in _FLAGS})), billed, as_json=as_json
        )
    if moving is not None:
        if words or listing or replanning:
            raise InputError("--move JOB --site NAME stands alone: leave out the script, --list and --replan")
        config = config_with(**{name: options[name] for name in _FLAGS})
        return move(moving, options["sites"], options["grace"], config, ledger=_ledger(config), say=_say)
    if listing or replanning:
        if words or (listing and replanning):
            raise InputError("--list and --replan stand alone: leave out the other and the script")
        return _list(options, as_json) if listing else _replan(options, as_json)
    if not words:
        raise click.UsageError(
            "which job? lowtide submit --within 24h job.sbatch [sbatch flags]", ctx=context
        )
    if as_json and not options["dry_run"]:
        raise InputError("--json goes with --dry-run or --list: standard output is sbatch's own line")
    return _submit(_with_script(context, options, words[0]), words, as_json)


def _submit(options: dict[str, Any], words: tuple[str, ...], as_json: bool) -> int:
    from lowtide.executors.job_scripts import has_word
    from lowtide.executors.slurm import Slurm
    from lowtide.runtime.submitting import SubmitRequest, plan_submission, submit
    from lowtide.runtime.submitting_text import promise_line, promise_plain

    dry_run, names = options.pop("dry_run"), options.pop("sites")
    config = config_with(**{name: options.pop(name) for name in _FLAGS})
    sites = sites_request(options, names, config)
    if sites is None and names:
        config = config.with_flags({"site": names[0]})
    script, rest = words[0], list(words[1:])
    cut = rest.index("--") if "--" in rest else len(rest)
    request = SubmitRequest(
        script=script, words=tuple(rest[:cut]), arguments=tuple(rest[cut + 1 :]), **options
    )
    ledger = _ledger(config)
    if sites is not None:
        return submit_there(
            request, sites, config, ledger=ledger, dry_run=dry_run, as_json=as_json, say=_say
        )  # fmt: skip
    planned = plan_submission(request, config, ledger=ledger, env=os.environ, now_ns=time.time_ns())
    if as_json:
        emit_json(promise_plain(planned.promise, planned.notes))
        return 0
    for note in planned.notes:
        _say(f"lowtide: {note}")
    if dry_run:
        click.echo(promise_line(planned.promise))
        return 0
    promise = submit(request, planned, ledger=ledger, slurm=Slurm(), say=_say)
    parsable, quiet = has_word(request.words, "--parsable"), has_word(request.words, "--quiet", "-Q")
    if parsable or not quiet:
        click.echo(f"{promise.job_id}" if parsable else f"Submitted batch job {promise.job_id}")
    _say(promise_line(promise))
    return 0


def _ledger(config: Config) -> Ledger:
    from lowtide.runtime.prepare import ledger_of

    return ledger_of(config)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _with_script(context: click.Context, options: dict[str, Any], script: str) -> dict[str, Any]:
    """Return the options with those of the script's ``#LOWTIDE`` lines where the command line says nothing."""
    from lowtide.executors.job_scripts import directives
    from lowtide.runtime.submitting import read_script

    words = directives(read_script(script))
    if not words:
        return options
    try:
        inner = submit.make_context("#LOWTIDE", list(words))
    except click.UsageError as error:
        raise InputError(f"{script}, #LOWTIDE {' '.join(words)}: {error.format_message()}") from error
    except click.exceptions.Exit as stop:
        raise InputError(f"{script}: #LOWTIDE lines say how to submit; leave out --help") from stop
    said, typed = _given(inner), _given(context)
    for name in said:
        if name in _NOT_IN_SCRIPT:
            raise InputError(f"{script}: #LOWTIDE lines cannot say {name!r}; give it on the command line")
    dropped = {name for group in _GROUPS if typed & set(group) for name in group}
    return options | {name: inner.params[name] for name in said - typed - dropped}


def _given(context: click.Context) -> set[str]:
    """Return the parameters that somebody gave."""
    return {
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _list(options: dict[str, Any], as_json: bool) -> int:
    from lowtide.runtime.submitting_promise import read_comment
    from lowtide.runtime.submitting_sites_found import listed
    from lowtide.runtime.submitting_sites_text import listed_row, listed_site_plain
    from lowtide.runtime.submitting_text import listed_plain, short_instant

    at_sites = listed(
        _ledger(config_with(**{name: options[name] for name in _FLAGS})), env=os.environ, say=_say
    )
    known = {one.kept.tag for one in at_sites}
    found = [
        (job, tag)
        for job in _local_jobs(bool(at_sites))
        if (tag := read_comment(job.comment)) is not None and not any(one in job.comment for one in known)
    ]
    if as_json:
        here = [{**one, "site": None} for one in listed_plain(found)]
        emit_json([*here, *(listed_site_plain(one) for one in at_sites)])
        return 0
    if not found and not at_sites:
        _say("lowtide: no submitted job is waiting or running")
        return 0
    rows = [
        [
            f"{job.submitted_id}" + (f"_[{job.array_tasks}]" if job.array_tasks else ""),
            job.name,
            job.state,
            "" if job.reason in ("", "None") else job.reason,
            "-" if job.start_ns is None else short_instant(job.start_ns),
            "-" if tag.deadline_ns is None else short_instant(tag.deadline_ns),
            tag.zone,
            "-" if tag.emissions_g is None else f"{tag.emissions_g:.4g} g",
        ]
        for job, tag in found
    ]
    header = ["job", "name", "state", "reason", "start", "deadline", "zone", "promised"]
    if at_sites:
        rows = [[*row, ""] for row in rows] + [listed_row(one) for one in at_sites]
        header.append("site")
    click.echo(table(header, rows, right=(7,)))
    return 0


def _local_jobs(maybe_none: bool) -> list[SlurmJob]:
    """Return my jobs of this machine's Slurm; none where it has no Slurm and the jobs are at sites."""
    import shutil

    from lowtide.executors.slurm import Slurm

    return [] if maybe_none and shutil.which("squeue") is None else Slurm().jobs()


def _replan(options: dict[str, Any], as_json: bool) -> int:
    from lowtide.executors.slurm import Slurm
    from lowtide.runtime.agent import Agent
    from lowtide.runtime.submitting_sites_replan import replan_sites

    if as_json:
        raise InputError("--json goes with --dry-run or --list")
    ledger = _ledger(config_with(**{name: options[name] for name in _FLAGS}))
    n_failed = replan_sites(ledger, env=os.environ, say=_say)
    with Agent(ledger, Slurm(), say=_say) as agent:
        agent.round(may_freeze=False)
    return 1 if agent.n_failed or n_failed else 0
