"""``lowtide account`` and ``lowtide reprice``: bills from logs, and bills made again."""

from __future__ import annotations

from typing import Any, cast

import click

from lowtide.cli.options import (
    closed_ledger,
    config_with,
    emit_json,
    intensity_options,
    json_option,
    ledger_option,
    say_unused,
)
from lowtide.errors import InputError, LowtideError
from lowtide.model.energy import BOUNDARIES, Boundary

_GAPS = click.option("--gaps", type=click.Choice(["partial", "typical"]),
                     help="Where intensity is missing: bill the rest, or fill with the typical profile.")  # fmt: skip


@click.command(
    epilog="\b\nExample: printf 't_s,power_w\\n0,100\\n3600,110\\n' > power.csv &&\n"
    "  lowtide account power.csv --start 2026-03-01T00:00Z --zone DE --pue 1.2"
)
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--start", metavar="T", help="Instant of t_s = 0, like 2026-03-01T05:00Z.")
@click.option("--column", metavar="NAME", help="The column in watts, where there are several.")
@click.option("--utc-offset", metavar="+HH:MM", help="Offset of stamps without one (nvidia-smi logs).")
@click.option(
    "--boundary",
    type=click.Choice(BOUNDARIES),
    help="What the watts contain (default: what the log says, else node).",
)
@_GAPS
@click.option("--save", metavar="NAME", help="Keep the bill in the ledger under that name.")
@intensity_options
@json_option
@ledger_option
def account(
    file: str,
    start: str | None,
    column: str | None,
    utc_offset: str | None,
    boundary: str | None,
    gaps: str | None,
    save: str | None,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Bill FILE, a power log in CSV or Parquet: `t_s` or instants, and a column in watts."""
    from lowtide.reporting.account import account_text
    from lowtide.runtime.account import Gaps, account_file

    config = config_with(**flags)
    result = account_file(
        file,
        config,
        start=start,
        column=column,
        boundary=cast(Boundary | None, boundary),
        gaps=cast(Gaps | None, gaps),
        utc_offset=utc_offset,
    )
    problems = say_unused(config)
    if save is not None:
        from lowtide.runtime.prepare import grid_choice, ledger_of
        from lowtide.runtime.saving import save_account

        run_id = save_account(ledger_of(config), result, name=save, path=file, choice=grid_choice(config))
        click.echo(f"lowtide: kept as {run_id}", err=True)
    if as_json:
        emit_json({**result.to_plain(), "problems": problems})
    else:
        click.echo(account_text(result))


@click.command(epilog="Example: lowtide reprice digits --zone FR")
@click.argument("run", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All runs of the ledger.")
@click.option(
    "--stale", is_flag=True, help="With --all: only runs billed on estimated, forecast or typical values."
)
@_GAPS
@intensity_options
@json_option
@ledger_option
def reprice(
    run: tuple[str, ...], every: bool, stale: bool, gaps: str | None, as_json: bool, **flags: Any
) -> int:
    """Account RUN... again with another intensity or PUE; earlier bills stay, superseded."""
    from lowtide.reporting.summary import carbon_words
    from lowtide.reporting.view import view_plain
    from lowtide.runtime.grid_access import grid_access
    from lowtide.runtime.isolate import keep_freed_memory
    from lowtide.runtime.repricing import reprice_run, restate_run, stale_runs
    from lowtide.runtime.views import read_view

    if run and every:
        raise click.UsageError("--all is all runs of the ledger: leave it out, or the names")
    if not run and not every:
        raise InputError("name the runs to reprice, or pass --all")
    keep_freed_memory()
    config = config_with(**flags)
    store = closed_ledger(config)
    ids = [store.find(query) for query in run] or (stale_runs(store) if stale else store.ids())
    say_unused(config)
    documents, failed, unchanged = [], 0, 0
    again = restate_run if stale else reprice_run
    with grid_access(config) as access:
        for run_id in ids:
            try:
                if again(store, run_id, config, gaps=gaps, access=access) is None:
                    unchanged += 1
                    continue
            except LowtideError as error:
                if len(ids) == 1:
                    raise
                failed += 1
                click.echo(f"lowtide: {run_id}: {error}", err=True)
                continue
            view = read_view(store, run_id)
            documents.append(view_plain(view))
            if not as_json:
                click.echo(f"{run_id} {view.header.name}: {carbon_words(view)}")
    if unchanged:
        plural = "run rests" if unchanged == 1 else "runs rest"
        click.echo(f"lowtide: {unchanged} {plural} on as good as is known; nothing was changed", err=True)
    if as_json:
        emit_json({"repriced": documents, "n_failed": failed, "n_unchanged": unchanged})
    return 1 if failed else 0
