"""``lowtide run``: a command with its recorder, and its bill."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from lowtide.cli.options import config_with, intensity_options, ledger_option
from lowtide.errors import LowtideError
from lowtide.runtime.prepare import RunOptions

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
@click.option("--per", metavar="N:UNIT", help="Functional unit of the SCI, like 1e9:token.")
@click.option("--summary", metavar="FILE", help="Write the JSON of `show` there at the end.")
@click.option("--strict", is_flag=True, help="In a batch job too, refuse a wrong zone.")
@click.option("--quiet", is_flag=True, help="Do not print the four lines.")
@intensity_options
@ledger_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def run(command: tuple[str, ...], **options: Any) -> int:
    """Run COMMAND, record its power, book its carbon.

    Standard input and output are COMMAND's; four lines follow on standard error. The exit status is
    COMMAND's own; 125 if lowtide refused before it started, 126 and 127 as shells give, 128 + n if
    signal n killed it.
    """
    from lowtide.runtime.running import run_command

    per, summary, name = options.pop("per"), options.pop("summary"), options.pop("name")
    tags, scope = options.pop("tags"), options.pop("scope")
    quiet, strict = options.pop("quiet"), options.pop("strict")
    try:
        config = config_with(**options)
    except LowtideError as error:
        click.echo(f"lowtide: {error}", err=True)
        return REFUSED
    return run_command(
        RunOptions(command=command, name=name, tags=tags, per=per),
        config,
        env=dict(os.environ),
        scope=scope,
        summary=summary,
        quiet=quiet,
        strict=strict,
        say=lambda line: click.echo(line, file=sys.stderr),
    )
