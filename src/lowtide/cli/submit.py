"""``lowtide submit``: a job script handed to Slurm with the start that emits least."""

from __future__ import annotations

import os
import time
from typing import Any, Final

import click
from click.core import ParameterSource

from lowtide.cli.options import config_with, emit_json, json_option, ledger_option, table
from lowtide.errors import InputError

_GROUPS: Final = (
    ("within", "deadline", "slack", "start_within"),
    ("duration", "like", "past_runs"),
    ("power", "gpus", "like", "past_runs"),
)
"""Options that stand against each other: one on the command line drops all of its group from the script."""
_FLAGS: Final = ("zone", "intensity", "provider", "basis", "factors", "pue", "site", "ledger")
_NOT_IN_SCRIPT: Final = ("dry_run", "as_json", "listing", "replanning", "ledger", "words")


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
    metavar="none|freeze",
    show_default=True,
    help="Whether `lowtide agent --slurm` may stop and continue it.",
)
@click.option("--name", metavar="NAME", help="Runs to learn the duration from (default: the job's name).")
@click.option("--zone", metavar="KEY", help="Where the power is drawn: DE, US-CAL-CISO, aws:us-west-2.")
@click.option("--intensity", metavar="FILE|G", help="A CSV or Parquet file, or a constant in g/kWh.")
@click.option("--provider", metavar="NAME", help="Where intensity comes from (default: best).")
@click.option("--basis", metavar="average|marginal", help="What to minimise (default: average).")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@click.option("--pue", metavar="X", help="Power usage effectiveness; without it grams are of the node.")
@click.option("--site", metavar="NAME", help="A [site.NAME] table of lowtide.toml.")
@click.option("--dry-run", is_flag=True, help="Plan, say what would be done, and submit nothing.")
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
    """
    words: tuple[str, ...] = options.pop("words")
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
    from lowtide.runtime.prepare import ledger_of
    from lowtide.runtime.submitting import SubmitRequest, plan_submission, submit
    from lowtide.runtime.submitting_text import promise_line, promise_plain

    dry_run = options.pop("dry_run")
    config = config_with(**{name: options.pop(name) for name in _FLAGS})
    script, rest = words[0], list(words[1:])
    cut = rest.index("--") if "--" in rest else len(rest)
    request = SubmitRequest(
        script=script, words=tuple(rest[:cut]), arguments=tuple(rest[cut + 1 :]), **options
    )
    ledger = ledger_of(config)
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
    from lowtide.executors.slurm import Slurm
    from lowtide.runtime.submitting_promise import read_comment
    from lowtide.runtime.submitting_text import listed_plain, short_instant

    config_with(**{name: options[name] for name in _FLAGS})
    found = [(job, tag) for job in Slurm().jobs() if (tag := read_comment(job.comment)) is not None]
    if as_json:
        emit_json(listed_plain(found))
        return 0
    if not found:
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
    header = ("job", "name", "state", "reason", "start", "deadline", "zone", "promised")
    click.echo(table(header, rows, right=(7,)))
    return 0


def _replan(options: dict[str, Any], as_json: bool) -> int:
    from lowtide.executors.slurm import Slurm
    from lowtide.runtime.agent import Agent
    from lowtide.runtime.prepare import ledger_of

    if as_json:
        raise InputError("--json goes with --dry-run or --list")
    ledger = ledger_of(config_with(**{name: options[name] for name in _FLAGS}))
    with Agent(ledger, Slurm(), say=_say) as agent:
        agent.round(may_freeze=False)
    return 1 if agent.n_failed else 0
