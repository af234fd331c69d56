"""``lowtide doctor``: what can be measured here."""

from __future__ import annotations

import click

from lowtide.cli.options import config_with, emit_json, json_option, ledger_option, table


@click.command(epilog="Example: lowtide doctor")
@click.option(
    "--calibrate",
    is_flag=True,
    help="Fit the CPU and memory models on a short load, where something measures.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=3.0),
    default=30.0,
    show_default=True,
    help="Length of that load [s].",
)
@json_option
@ledger_option
def doctor(calibrate: bool, seconds: float, as_json: bool, ledger: str | None) -> None:
    """Say which sensors work here, what each covers, how well, and how to get what is missing."""
    from lowtide.runtime.diagnosis import calibrate_here, diagnose

    if calibrate:
        for line in calibrate_here(seconds=seconds):
            click.echo(line)
        return
    found = diagnose(config_with(ledger=ledger))
    if as_json:
        emit_json(found)
        return
    click.echo(
        table(
            ("sensor", "works", "covers", "how well"),
            [(s["name"], "yes" if s["works"] else "no", s["covers"], s["quality"]) for s in found["sensors"]],
        )
    )
    for sensor in found["sensors"]:
        if sensor["advice"]:
            click.echo(f"\n{sensor['name']}: {sensor['advice']}")
    click.echo("")
    for line in found["remarks"]:
        click.echo(line)
