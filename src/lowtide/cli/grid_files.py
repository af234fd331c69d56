"""``lowtide grid import`` and ``lowtide grid export``: files into the cache, and out of it."""

from __future__ import annotations

from typing import Any, cast

import click

from lowtide.cli.grid_options import grid_options, say_problems, settings, window_options
from lowtide.cli.options import emit_json, json_option, table
from lowtide.model.signal import Basis, Factors

__all__ = ["export", "import_"]


@click.command(
    "import",
    epilog="\b\nExample: lowtide grid export year.csv --zone DE --last 365d &&\n"
    "  lowtide grid import year.csv --name mine",
)
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--name", metavar="NAME", help="What the source is called, file:NAME (default: the file's name)."
)
@click.option("--zone", metavar="KEY", help="Only this zone, or the zone of a file that names none.")
@click.option(
    "--basis",
    type=click.Choice(["average", "marginal"]),
    help="Which, where the file leaves it open.",
)
@click.option(
    "--factors",
    type=click.Choice(["lifecycle", "direct"]),
    help="Which, where the file leaves it open.",
)
@click.option("--column", metavar="NAME", help="The column of intensity, where there are several.")
@json_option
def import_(file: str, name: str | None, zone: str | None, basis: str | None, factors: str | None,
            column: str | None, as_json: bool) -> None:  # fmt: skip
    """Put FILE, an intensity file in CSV or Parquet, into the cache as a source of its own."""
    from lowtide.grid.imported import import_file
    from lowtide.runtime.grid_access import grid_access

    with grid_access(settings(), within_s=0.0) as access:
        source, found = import_file(
            file,
            access.cache,
            now_ns=access.now_ns(),
            name=name,
            zone=zone,
            basis=cast("Basis | None", basis),
            factors=cast("Factors | None", factors),
            column=column,
        )
    if as_json:
        emit_json({"provider": source, "zones": [{
            "zone": one.zone, "in_file": one.in_file, "n_rows": one.notes.n_rows,
            "n_duplicates": one.notes.n_duplicates, "n_missing_steps": one.notes.n_missing_steps,
            "step_s": one.notes.step_s, "n_step_changes": one.notes.n_step_changes,
        } for one in found]})  # fmt: skip
        return
    rows = [
        (one.zone, one.in_file or "-", str(one.notes.n_rows), str(one.notes.n_missing_steps),
         str(one.notes.n_duplicates), f"{one.notes.step_s / 60:g} min")
        for one in found
    ]  # fmt: skip
    click.echo(
        table(("zone", "in file", "values", "missing", "duplicates", "step"), rows, right=(2, 3, 4, 5))
    )
    click.echo(f"kept as {source}; use it with --provider {source}, or with its zone alone")


@click.command(
    epilog="Example: lowtide grid export year.csv --zone DE --start 2025-01-01T00:00Z --end 2026-01-01T00:00Z"
)
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--zone",
    "zones",
    metavar="KEY",
    multiple=True,
    help="Which zone (default: the configured one).",
)
@window_options
@grid_options
@json_option
def export(file: str, zones: tuple[str, ...], start: str | None, end: str | None, last: str | None,
           as_of: str | None, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Write intensity to FILE (.csv or .parquet), from providers and the cache; --intensity reads it back."""
    from lowtide.reporting.grid_values import series_plain
    from lowtide.runtime.grid_access import grid_access
    from lowtide.runtime.grid_values import history, window_of, write_export, zone_asked

    found = []
    for asked in zones or (None,):
        config = settings(zone=asked, **flags)
        zone, basis, factors = zone_asked(config)
        with grid_access(config) as access:
            window = window_of(start, end, last, now_ns=access.now_ns())
            found.append(history(access, zone, window, basis=basis, factors=factors, as_of=as_of))
    series = [one.intensity for one in found]
    write_export(file, series)
    for one in found:
        say_problems(one.problems)
    if as_json:
        told = [
            {name: value for name, value in series_plain(one).items() if name != "steps"} for one in series
        ]
        emit_json({"file": file, "series": told})
        return
    n_steps = sum(len(one.status) for one in series)
    click.echo(
        f"{n_steps} steps of {', '.join(one.signal.zone or 'no zone' for one in series)} written to {file}"
    )
