"""``lowtide config``: the settings in force."""

from __future__ import annotations

import os

import click

from lowtide.cli.options import config_with, emit_json, json_option, table


@click.group()
def config() -> None:
    """Settings in force and where they come from."""


@config.command("show", epilog="Example: lowtide config show")
@json_option
def show(as_json: bool) -> None:
    """Print every setting with its value and origin, and the sites."""
    from lowtide.runtime.config import SETTINGS, config_files
    from lowtide.stores.codec import to_plain

    settings = config_with()
    files = config_files(os.getcwd(), os.environ)
    if as_json:
        rows = {
            name: (
                {"value": s.value, "origin": s.origin}
                if (s := settings.get(name))
                else {"value": None, "origin": None}
            )
            for name in SETTINGS
        }
        emit_json(
            {"settings": rows, "sites": [to_plain(site) for site in settings.sites.values()], "files": files}
        )
        return
    cells = []
    for name, meaning in SETTINGS.items():
        setting = settings.get(name)
        cells.append(
            (
                name,
                "-" if setting is None else setting.value,
                setting.origin if setting else "not set",
                meaning,
            )
        )
    click.echo(table(("setting", "value", "from", "what it is"), cells))
    for site in settings.sites.values():
        given = [
            (key, str(value)) for key, value in to_plain(site).items() if value is not None and key != "name"
        ]
        click.echo(f"\n[site.{site.name}]")
        click.echo("\n".join(f"  {key} = {value}" for key, value in given))
    click.echo(f"\nfiles read, the strongest first: {', '.join(files) or 'none'}")
