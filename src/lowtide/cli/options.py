"""Options that several commands share, with the same words everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lowtide.runtime.config import Config, load_config

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = [
    "closed_ledger",
    "config_with",
    "emit_json",
    "intensity_options",
    "json_option",
    "ledger_option",
    "table",
]

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(
        function
    )


def ledger_option(function: F) -> F:
    """Add ``--ledger``."""
    return click.option(
        "--ledger", metavar="DIR", help="Folder of the runs (else $LOWTIDE_LEDGER, else your data folder)."
    )(function)


def intensity_options(function: F) -> F:
    """Add the intensity inputs, the same everywhere."""
    for option in reversed(
        (
            click.option(
                "--zone", metavar="KEY", help="Where the power is drawn: DE, US-CAL-CISO, aws:us-west-2."
            ),
            click.option(
                "--intensity", metavar="FILE|G", help="A CSV or Parquet file, or a constant in g/kWh."
            ),
            click.option("--provider", metavar="NAME", help="Where intensity comes from (default: best)."),
            click.option(
                "--basis", metavar="average|marginal", help="Average (default) or marginal intensity."
            ),
            click.option(
                "--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors."
            ),
            click.option("--market", metavar="FILE|G", help="Contracts, for the market-based account."),
            click.option(
                "--pue", metavar="X", help="Power usage effectiveness; without it grams are of the node."
            ),
            click.option("--site", metavar="NAME", help="A [site.NAME] table of lowtide.toml."),
        )
    ):
        function = option(function)
    return function


def config_with(**flags: str | None) -> Config:
    """Return the configuration with flags on top."""
    return load_config().with_flags(flags)


def closed_ledger(config: Config) -> Ledger:
    """Return the ledger, after closing runs on this node that ended unseen."""
    from lowtide.runtime.closing import close_unseen
    from lowtide.runtime.prepare import ledger_of

    ledger = ledger_of(config)
    for problem in close_unseen(ledger):
        click.echo(f"lowtide: {problem}", err=True)
    return ledger


def emit_json(document: Any) -> None:
    """Write one JSON document to standard output; NaN is refused, unknown is null."""
    click.echo(json.dumps(document, indent=1, allow_nan=False))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return a plain table with aligned columns; columns in `right` are right-aligned."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        padded = [
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
