"""``lowtide report``: runs as a statement somebody can hand in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lowtide.cli.options import closed_ledger, config_with, emit_json, json_option, ledger_option
from lowtide.errors import LowtideError
from lowtide.reporting.formats import FORMATS

if TYPE_CHECKING:
    from lowtide.reporting.view import RunView
    from lowtide.stores.ledger import Ledger


@click.command(epilog="Example: lowtide report digits --format markdown")
@click.argument("run", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="For a terminal, an issue, a program, a paper or a model card.",
)
@click.option("--equivalences", is_flag=True, help="Add phone charges and car kilometres, with their year.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write to a file instead.")
@json_option
@ledger_option
def report(
    run: tuple[str, ...], form: str, equivalences: bool, output: str | None, as_json: bool, ledger: str | None
) -> None:
    """Report RUN..., failed runs included; without RUN all runs of the ledger."""
    views = _views(closed_ledger(config_with(ledger=ledger)), run)
    text = FORMATS["json" if as_json and output is None else form](views, equivalences)
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    from lowtide.stores.codec import write_bytes

    write_bytes(output, text.encode())
    if as_json:
        emit_json({"written": output})
    else:
        click.echo(f"written to {output}", err=True)


def _views(store: Ledger, queries: tuple[str, ...]) -> list[RunView]:
    """Return the runs asked for, each once; of a whole ledger, those that can be read."""
    from lowtide.runtime.views import read_view

    if queries:
        return [read_view(store, run_id) for run_id in dict.fromkeys(store.find(query) for query in queries)]
    views = []
    for run_id in store.ids():
        try:
            views.append(read_view(store, run_id))
        except LowtideError as error:
            click.echo(f"lowtide: left out: {error}", err=True)
    return views
