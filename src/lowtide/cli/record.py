"""``lowtide record``: a whole machine, and runs cut out of it afterwards."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from lowtide.cli.options import config_with, emit_json, intensity_options, json_option, ledger_option
from lowtide.errors import InputError


@click.group(invoke_without_command=True)
@click.pass_context
def record(context: click.Context) -> None:
    """Record a whole machine; `lowtide record` alone is `lowtide record start`."""
    if context.invoked_subcommand is None:
        context.invoke(start)


@record.command(epilog="Example: lowtide record start --for 2s")
@click.option("--for", "lasting", metavar="D", help="End after so long, like 8h (default: until Ctrl-C).")
@click.option("--interval", metavar="D", help="Time between readings (default 1s).")
@click.option("--scan", default="5s", show_default=True, help="Time between scans of the processes.")
@click.option("--sensors", metavar="auto|LIST", help="Which sensors to read (default auto).")
@json_option
@ledger_option
def start(
    lasting: str | None = None,
    interval: str | None = None,
    scan: str = "5s",
    sensors: str | None = None,
    as_json: bool = False,
    ledger: str | None = None,
) -> None:
    """Record this machine and what its processes use until Ctrl-C: one for a node, as a service.

    With --json standard output says at the end what was recorded, and where it is.
    """
    from lowtide.quantities import parse_duration_s
    from lowtide.runtime.node_recorder import record_node, recording_plain

    config = config_with(interval=interval, sensors=sensors, ledger=ledger)
    run_id = record_node(
        config,
        say=lambda line: click.echo(line, file=sys.stderr),
        lasting_s=None if lasting is None else parse_duration_s(lasting, bare_unit_s=1.0),
        scan_every_s=parse_duration_s(scan, bare_unit_s=1.0),
    )
    if as_json:
        emit_json(recording_plain(config, run_id))


@record.command(
    epilog="Example: lowtide record start --for 3s --scan 1s && lowtide record cut --last 1m --pid 1 --name one"
)
@click.option("--from", "start", metavar="T", help="Beginning, like 2026-03-01T05:00Z.")
@click.option("--to", "end", metavar="T", help="End (default: now).")
@click.option("--last", metavar="D", help="Instead of --from and --to: so long until now.")
@click.option("--pid", type=int, help="A process with its children.")
@click.option("--cgroup", metavar="PATH", help="A control group with those in it.")
@click.option("--job", metavar="ID", help="A job of Slurm.")
@click.option("--share", type=float, metavar="X", help="Share of the machine it may use, 0 to 1.")
@click.option("--gpu", "gpus", multiple=True, metavar="UUID|all", help="A GPU that was its own; repeatable.")
@click.option("--host", metavar="NAME", help="Another node of the same ledger.")
@click.option("--name", metavar="NAME", help="What the run is called.")
@intensity_options
@json_option
@ledger_option
def cut(
    start: str | None,
    end: str | None,
    last: str | None,
    pid: int | None,
    cgroup: str | None,
    job: str | None,
    share: float | None,
    gpus: tuple[str, ...],
    host: str | None,
    name: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Make a run of a stretch of what `lowtide record` has recorded."""
    from lowtide.runtime.cutting import Part, cut_run
    from lowtide.runtime.summary import summary_lines

    if sum(given is not None for given in (pid, cgroup, job)) > 1:
        raise InputError("give one of --pid, --cgroup and --job, or none for the whole machine")
    if share is not None and not 0.0 < share <= 1.0:
        raise InputError(f"--share {share:g} must be above 0 and at most 1")
    start_ns, end_ns = _window(start, end, last)
    ledger, run_id = cut_run(
        config_with(**flags),
        host=host,
        start_ns=start_ns,
        end_ns=end_ns,
        part=Part(pid=pid, cgroup=cgroup, job=job),
        name=name,
        share=share,
        gpus=gpus,
    )
    if as_json:
        from lowtide.reporting.view import view_plain
        from lowtide.runtime.views import read_view

        emit_json(view_plain(read_view(ledger, run_id)))
        return
    for line in summary_lines(ledger, run_id):
        click.echo(line)


def _window(start: str | None, end: str | None, last: str | None) -> tuple[int, int]:
    from lowtide.quantities import parse_duration_s, parse_instant_ns

    now_ns = time.time_ns()
    end_ns = now_ns if end is None else parse_instant_ns(end)
    if (start is None) == (last is None):
        raise InputError("give either --from T or --last D")
    if start is not None:
        return parse_instant_ns(start), end_ns
    return end_ns - round(parse_duration_s(last or "", bare_unit_s=1.0) * 1e9), end_ns
