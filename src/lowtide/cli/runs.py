"""``lowtide runs``, ``show``, ``verify`` and ``export``: reading the ledger."""

from __future__ import annotations

import click
from click.core import ParameterSource

from lowtide.cli.options import closed_ledger, config_with, emit_json, json_option, ledger_option, table
from lowtide.errors import LowtideError


@click.command(epilog="Example: lowtide runs --limit 5")
@click.option(
    "--limit", "-n", type=click.IntRange(min=1), default=20, show_default=True, help="How many, the latest."
)
@click.option("--name", metavar="NAME", help="Only runs of that name.")
@json_option
@ledger_option
def runs(limit: int, name: str | None, as_json: bool, ledger: str | None) -> None:
    """List the runs of the ledger, oldest first."""
    from lowtide.reporting.summary import short_line
    from lowtide.reporting.view import view_plain
    from lowtide.runtime.views import read_view

    store = closed_ledger(config_with(ledger=ledger))
    ids = [run_id for run_id, run_name in store.names() if name is None or run_name == name]
    views = []
    for run_id in ids[-limit:]:
        try:
            views.append(read_view(store, run_id, preview=False))
        except LowtideError as error:
            click.echo(f"lowtide: {error}", err=True)
    if as_json:
        emit_json({"ledger": store.path, "n_runs": len(ids), "runs": [view_plain(view) for view in views]})
    elif not views:
        click.echo(f"no runs in {store.path}; `lowtide run -- COMMAND` makes one")
    else:
        header = ("run", "name", "status", "started", "duration", "energy", "carbon", "zone")
        click.echo(table(header, [short_line(view) for view in views], right=(4, 5, 6)))


@click.command(epilog="Example: lowtide show last --json")
@click.argument("run")
@click.option(
    "--predict-steps", type=float, metavar="N", help="Predict the whole of N steps from those done so far."
)
@json_option
@ledger_option
def show(run: str, predict_steps: float | None, as_json: bool, ledger: str | None) -> None:
    """Show RUN: an id, the beginning of one, a name (its latest run), or `last`."""
    from lowtide.reporting.progress import prediction_plain
    from lowtide.reporting.progress_text import prediction_lines
    from lowtide.reporting.text import show_text
    from lowtide.reporting.view import view_plain
    from lowtide.runtime.views import read_view

    store = closed_ledger(config_with(ledger=ledger))
    view = read_view(store, store.find(run))
    made = None
    if predict_steps is not None:
        from lowtide.runtime.predicting import predict_run

        made = predict_run(store, view.header.run_id, total_steps=predict_steps)
    if as_json:
        predicted = {} if made is None else {"predicted": prediction_plain(made)}
        emit_json({**view_plain(view), **predicted})
    else:
        click.echo("\n".join([show_text(view), *([] if made is None else prediction_lines(made))]))


def count_of(n: int, noun: str) -> str:
    """Return ``1 segment`` or ``2 segments``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


@click.command(epilog="Example: lowtide verify last")
@click.argument("run")
@json_option
@ledger_option
def verify(run: str, as_json: bool, ledger: str | None) -> int:
    """Recompute RUN's bill from its raw readings and kept intensity, to the digit; exit 1 if it differs."""
    from lowtide.runtime.billing import verify as verify_run
    from lowtide.runtime.isolate import keep_freed_memory

    keep_freed_memory()
    store = closed_ledger(config_with(ledger=ledger))
    result = verify_run(store, store.find(run))
    if as_json:
        emit_json(result)
    elif result["ok"]:
        click.echo(
            f"{result['run_id']}: bill {result['entry']} holds: recomputed to the digit from "
            f"{result['n_readings']} readings in {count_of(result['n_segments'], 'segment')}"
        )
    else:
        click.echo(f"{result['run_id']}: bill {result['entry']} does not hold:")
        click.echo("\n".join(f"  {difference}" for difference in result["differences"]))
    return 0 if result["ok"] else 1


@click.command(epilog="Example: lowtide export last --format csv > power.csv")
@click.argument("run")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="csv: power over time; json: the bill with the intensity it was joined with.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@ledger_option
@click.pass_context
def export(context: click.Context, run: str, form: str, as_json: bool, ledger: str | None) -> None:
    """Write RUN's power series or its bill to standard output."""
    from lowtide.reporting.power_csv import power_csv
    from lowtide.stores.records import read_record

    if as_json:
        if form == "csv" and context.get_parameter_source("form") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--json is --format json; leave out one of --json and --format csv")
        form = "json"
    store = closed_ledger(config_with(ledger=ledger))
    run_id = store.find(run)
    if form == "csv":
        click.echo(power_csv(read_record(store, run_id)), nl=False)
    else:
        emit_json(store.last_entry(run_id))
