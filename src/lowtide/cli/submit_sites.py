"""``lowtide submit --site``: the part of submit that chooses among sites, and moves a job to another one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from lowtide.cli.options import emit_json
from lowtide.errors import InputError

if TYPE_CHECKING:
    from lowtide.runtime.config import Config
    from lowtide.runtime.submitting import SubmitRequest
    from lowtide.runtime.submitting_sites_plan import SitesRequest
    from lowtide.stores.ledger import Ledger

__all__ = ["SITE_OPTIONS", "move", "site_options", "sites_request", "submit_there"]

F = TypeVar("F", bound=Callable[..., Any])

SITE_OPTIONS: Final = (
    "allow",
    "move_data",
    "transfer_kwh_per_gb",
    "transfer_gbit_per_s",
    "carbon_price",
    "time_price",
)
"""Options that mean nothing without a choice of sites."""


def site_options(function: F) -> F:
    """Add the options that choose a site."""
    for option in reversed(
        (
            click.option(
                "--site",
                "sites",
                multiple=True,
                metavar="NAME|best",
                help="Where it runs: [site.NAME] of lowtide.toml; several, or best: the greenest of them.",
            ),
            click.option("--allow", multiple=True, metavar="REGION", help="Where data may be: EU, EEA, a country."),
            click.option("--move-data", type=float, metavar="GB", help="Data that must travel to run elsewhere."),
            click.option("--transfer-kwh-per-gb", type=float, metavar="KWH", help="Energy of the network for each GB."),
            click.option("--transfer-gbit-per-s", type=float, metavar="X", help="Bandwidth of the way."),
            click.option("--carbon-price", type=float, metavar="USD", help="Of a tonne: minimise money."),
            click.option("--time-price", type=float, metavar="USD", help="Of an hour until it is done: the same."),
            click.option("--move", "moving", metavar="JOB", help="Let a submitted job go on at the --site."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def sites_request(options: dict[str, Any], names: tuple[str, ...], config: Config) -> SitesRequest | None:
    """Return the choice of sites that was asked for, taken out of the options; None where it is this machine's Slurm.

    Raises
    ------
    InputError
        If options for sites are given without one.
    """
    from lowtide.runtime.submitting_sites_plan import BEST, SitesRequest

    given = {name: options.pop(name) for name in SITE_OPTIONS}
    chosen = BEST in names or len(names) > 1 or (len(names) == 1 and config.site(names[0]).submit is not None)
    if chosen:
        return SitesRequest(names=names, move_data_gb=given.pop("move_data"), **given)
    loose = [name for name, value in given.items() if value not in (None, ())]
    if loose:
        raise InputError(f"--{loose[0].replace('_', '-')} is for a choice of sites: give --site best too")
    return None


def submit_there(
    request: SubmitRequest,
    sites: SitesRequest,
    config: Config,
    *,
    ledger: Ledger,
    dry_run: bool,
    as_json: bool,
    say: Callable[[str], None],
) -> int:
    """Plan, say in one line where and when, and submit there."""
    from lowtide.runtime.submitting_sites import submit_to_site
    from lowtide.runtime.submitting_sites_plan import plan_sites
    from lowtide.runtime.submitting_sites_text import site_line, sites_plain

    now_ns = time.time_ns()
    planned = plan_sites(request, sites, config, ledger=ledger, env=os.environ, now_ns=now_ns)
    if as_json:
        emit_json(sites_plain(planned))
        return 0
    for note in planned.notes:
        say(f"lowtide: {note}")
    if dry_run:
        click.echo(site_line(planned))
        return 0
    say(site_line(planned, "lowtide"))
    kept = submit_to_site(
        request, planned, ledger=ledger, env=os.environ, say=say, now_ns=time.time_ns()
    )  # fmt: skip
    number = kept.job or kept.tag
    click.echo(number if "--parsable" in request.words else f"Submitted batch job {number} at {kept.site}")
    return 0


def move(
    job: str,
    names: tuple[str, ...],
    grace: str | None,
    config: Config,
    *,
    ledger: Ledger,
    say: Callable[[str], None],
) -> int:
    """Let a submitted job go on at another site."""
    from lowtide.quantities import parse_duration_s
    from lowtide.runtime.submitting_sites_move import move_job

    if len(names) != 1:
        raise InputError(f"where to? lowtide submit --move {job} --site NAME")
    grace_s = 60.0 if grace is None else parse_duration_s(grace)
    there = move_job(job, names[0], config, ledger=ledger, env=os.environ, say=say, grace_s=grace_s)
    if there is None:
        say(f"lowtide: job {job} has done its work: nothing is left to move")
        return 0
    click.echo(f"Submitted batch job {there.job or there.tag} at {there.site}")
    return 0
