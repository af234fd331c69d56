"""Options that several commands share, with the same words everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

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
    "say_unused",
    "signal_options",
    "table",
]

F = TypeVar("F", bound=Callable[..., Any])

_SIGNAL: Final = (
    click.option("--provider", metavar="NAME", help="Where intensity comes from (default: best)."),
    click.option("--basis", metavar="average|marginal", help="Average (default) or marginal intensity."),
    click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors."),
)


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


def signal_options(function: F) -> F:
    """Add whose intensity it is to be, and of which kind."""
    for option in reversed(_SIGNAL):
        function = option(function)
    return function


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
            *_SIGNAL,
            click.option("--market", metavar="FILE|G", help="Contracts, for the market-based account."),
            click.option(
                "--pue",
                metavar="X|FILE",
                help="Power usage effectiveness, a number or a file of ts_utc,pue; without it grams are of the node.",
            ),
            click.option("--site", metavar="NAME", help="A [site.NAME] table of lowtide.toml."),
        )
    ):
        function = option(function)
    return function


def config_with(**flags: str | None) -> Config:
    """Return the configuration with flags on top."""
    return load_config().with_flags(flags)


def say_unused(config: Config, zones: Sequence[str] = ()) -> list[str]:
    """Say on standard error which providers the settings name and cannot be used, and why; return the lines."""
    from lowtide.runtime.grid_choices import grid_choice
    from lowtide.runtime.grid_named import unused_words

    lines = [
        line
        for zone in zones or (None,)
        for line in unused_words(grid_choice(config.with_flags({"zone": zone}), is_lenient=True), config)
    ]
    for line in (once := list(dict.fromkeys(lines))):
        click.echo(f"lowtide: {line}", err=True)
    return once


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
