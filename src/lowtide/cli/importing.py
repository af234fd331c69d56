"""``lowtide import``: runs of what others recorded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from lowtide.cli.options import config_with, emit_json, json_option, ledger_option

if TYPE_CHECKING:
    from lowtide.model.energy import Boundary
    from lowtide.runtime.importing import Imported


@click.group(name="import")
def importing() -> None:
    """Make runs of what others recorded."""


@importing.command(epilog="Example: lowtide import sacct examples/past_jobs.txt --zone DE")
@click.argument("file", required=False, type=click.Path(dir_okay=False))
@click.option("--since", metavar="D", help="Jobs since then, as sacct reads it: 2026-11-01, now-7days.")
@click.option(
    "--user", metavar="NAME", help="Only that user's jobs become runs; all are read, to share nodes."
)
@click.option(
    "--boundary",
    type=click.Choice(["node", "components"]),
    help="What the cluster's meters contain (default: as its plugin says, else node).",
)
@click.option("--gpu", metavar="NAME", help="The accelerator, where Slurm does not tell its type: A100.")
@click.option("--utc-offset", metavar="+HH:MM", help="Of a file whose stamps do not say theirs.")
@click.option("--zone", metavar="KEY", help="Where the power was drawn: DE, US-CAL-CISO, aws:us-west-2.")
@click.option("--intensity", metavar="FILE|G", help="A CSV or Parquet file, or a constant in g/kWh.")
@click.option("--provider", metavar="NAME", help="Where intensity comes from (default: best).")
@click.option("--basis", metavar="average|marginal", help="Average (default) or marginal intensity.")
@click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors.")
@click.option("--pue", metavar="X", help="Power usage effectiveness; without it grams are of the node.")
@click.option("--site", metavar="NAME", help="A [site.NAME] table of lowtide.toml.")
@json_option
@ledger_option
def sacct(
    file: str | None,
    since: str | None,
    user: str | None,
    boundary: str | None,
    gpu: str | None,
    utc_offset: str | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Make runs of past Slurm jobs: asked of sacct, or read from FILE that it wrote.

    Energy of shared nodes is shared among the jobs on them; where sacct has none it is modelled from what was
    allocated, and said to be. Imported again, a job stays the run it is.
    """
    from lowtide.runtime.importing import import_jobs
    from lowtide.runtime.importing_sacct import read_jobs
    from lowtide.runtime.prepare import ledger_of

    config = config_with(**flags)
    read = read_jobs(file, since=since, utc_offset=utc_offset, boundary=_boundary(boundary), gpu=gpu)
    found = import_jobs(
        ledger_of(config),
        read.jobs,
        config,
        boundary=read.boundary,
        gpu=gpu,
        user=user,
        now_ns=time.time_ns(),
    )
    for note in (*read.notes, *found.notes):
        click.echo(f"lowtide: {note}", err=True)
    if as_json:
        emit_json(_plain(found))
        return 0
    click.echo(_text(found))
    return 0


def _boundary(text: str | None) -> Boundary | None:
    return None if text is None else "node" if text == "node" else "components"


def _plain(found: Imported) -> dict[str, Any]:
    return {
        "run_ids": list(found.run_ids),
        "n_new": len(found.run_ids),
        "n_known": found.n_known,
        "n_metered": found.n_metered,
        "n_modelled": found.n_modelled,
        "skipped": [{"reason": why, "n": n} for why, n in found.skipped.items()],
        "notes": list(found.notes),
    }


def _text(found: Imported) -> str:
    lines = [
        f"{len(found.run_ids)} new runs ({found.n_metered} metered, {found.n_modelled} modelled), "
        f"{found.n_known} known already"
    ]
    lines += [f"left out, {why}: {n}" for why, n in found.skipped.items()]
    return "\n".join(lines)
