"""``lowtide doctor``: what can be measured here."""

from __future__ import annotations

import click

from lowtide.cli.options import config_with, emit_json, json_option, ledger_option, table


@click.command(epilog="Example: lowtide doctor")
@json_option
@ledger_option
def doctor(as_json: bool, ledger: str | None) -> None:
    """Say which sensors work here, what each covers, how well, and how to get what is missing."""
    from lowtide.runtime.diagnosis import diagnose

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
