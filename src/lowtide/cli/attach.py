"""``lowtide attach``: a process that is already running."""

from __future__ import annotations

import sys
from typing import Any

import click

from lowtide.cli.options import config_with, emit_json, intensity_options, json_option, ledger_option


@click.command(epilog="Example: lowtide attach 1 --for 1s --name container")
@click.argument("pid", type=int)
@click.option("--name", metavar="NAME", help="What the run is called (default: the script's name).")
@click.option("--tag", "tags", multiple=True, metavar="K=V", help="A tag; repeatable.")
@click.option("--for", "lasting", metavar="D", help="End the recording after so long, like 10m.")
@click.option("--interval", metavar="D", help="Time between readings (default 1s).")
@click.option("--sensors", metavar="auto|LIST", help="Which sensors to read (default auto).")
@click.option(
    "--attribution", metavar="share|dynamic|machine", help="Which part of the machine is the run's."
)
@click.option("--quiet", is_flag=True, help="Do not print the four lines.")
@intensity_options
@json_option
@ledger_option
def attach(
    pid: int,
    name: str | None,
    tags: tuple[str, ...],
    lasting: str | None,
    quiet: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Record the running process PID, with its children, until it ends or Ctrl-C.

    With --json standard output is the JSON of `lowtide show`, at the end.
    """
    from lowtide.quantities import parse_duration_s
    from lowtide.runtime.attaching import attach as attach_to
    from lowtide.runtime.summary import summary_lines

    def say(line: str) -> None:
        click.echo(line, file=sys.stderr)

    lasting_s = None if lasting is None else parse_duration_s(lasting, bare_unit_s=1.0)
    ledger, run_id = attach_to(pid, config_with(**flags), say=say, name=name, tags=tags, lasting_s=lasting_s)
    for line in [] if quiet else summary_lines(ledger, run_id):
        say(line)
    if as_json:
        from lowtide.reporting.view import view_plain
        from lowtide.runtime.views import read_view

        emit_json(view_plain(read_view(ledger, run_id)))
