"""Options that the grid commands share, and what they have in common at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from lowtide.runtime.config import Config, load_config

__all__ = ["grid_options", "say_problems", "settings", "window_options"]

F = TypeVar("F", bound=Callable[..., Any])


def grid_options(function: F) -> F:
    """Add what is asked for, of whom, and whether the network may be used."""
    for option in (
        click.option("--offline", is_flag=True, help="Ask nobody; use what the cache has."),
        click.option("--factors", metavar="lifecycle|direct", help="Lifecycle (default) or direct factors."),
        click.option("--basis", metavar="average|marginal", help="Average (default) or marginal intensity."),
        click.option("--provider", metavar="NAME", help="Whom to ask (default: the best one configured)."),
    ):
        function = option(function)
    return function


def window_options(function: F) -> F:
    """Add the window."""
    for option in (
        click.option(
            "--as-of", metavar="T", help="As it was known then: what the cache held, revisions undone."
        ),
        click.option("--last", metavar="D", help="The last while, like 48h (default: 24h)."),
        click.option("--end", metavar="T", help="Where it ends (default: now)."),
        click.option("--start", metavar="T", help="Where the window starts, like 2026-03-01T00:00Z."),
    ):
        function = option(function)
    return function


def settings(*, offline: bool = False, zone: str | None = None, **flags: str | None) -> Config:
    """Return the configuration with flags on top; a file of one's own is no provider and is left out."""
    config = load_config()
    kept = {name: setting for name, setting in config.settings.items() if name not in ("intensity", "market")}
    given = {"zone": zone, "offline": "yes" if offline else None, **flags}
    return Config(settings=kept, sites=config.sites).with_flags(given)


def say_problems(problems: Iterable[str]) -> None:
    """Say on standard error why better sources gave nothing."""
    for problem in dict.fromkeys(problems):
        click.echo(f"lowtide: {problem}", err=True)
