"""``lowtide grid``: zones, providers and intensity; each command is loaded when it is called."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import click

__all__ = ["GRID_COMMANDS", "grid"]

GRID_COMMANDS: Final[dict[str, str]] = {
    "zones": "lowtide.cli.grid_zones:zones",
    "providers": "lowtide.cli.grid_zones:providers",
    "now": "lowtide.cli.grid_values:now",
    "history": "lowtide.cli.grid_values:history",
    "forecast": "lowtide.cli.grid_score:forecast",
    "score": "lowtide.cli.grid_score:score",
    "import": "lowtide.cli.grid_files:import_",
    "export": "lowtide.cli.grid_files:export",
}
"""Where each command lives."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [
            name for name, place in GRID_COMMANDS.items() if find_spec(place.partition(":")[0]) is not None
        ]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = GRID_COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from lowtide.errors import near_matches

        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}{near_matches(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup)
def grid() -> None:
    """Zones, providers and their intensity."""
