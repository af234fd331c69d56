"""Which site a job is handed to, and when it starts there: the planner of ``lowtide plan --sites``, one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lowtide.errors import ConfigError, InputError
from lowtide.executors.site_commands import SiteCommand, parse_command
from lowtide.model.planning import Plan, PlanSet, Window
from lowtide.planning.sites import SiteOption
from lowtide.runtime.config import Config
from lowtide.runtime.planning import PlanRequest
from lowtide.runtime.submitting import Submission, SubmitRequest, plan_submission
from lowtide.runtime.submitting_promise import Promise
from lowtide.runtime.submitting_sites_offers import (
    Candidate,
    Offers,
    choose,
    config_at,
    length_ns,
    promised,
)

if TYPE_CHECKING:
    from lowtide.model.site import Site
    from lowtide.stores.ledger import Ledger

__all__ = ["BEST", "SitesPlan", "SitesRequest", "plan_sites", "submit_command"]

BEST: Final = "best"
_AT_HOME: Final = "sbatch {args} {script}"
"""How the first site is reached where its table does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SitesRequest:
    """Which sites a job may go to, as typed.

    Attributes
    ----------
    names : tuple of str
        Tables of ``lowtide.toml``, the first is home; ``best`` alone is all of them that jobs can be handed to.
    allow : tuple of str
        Regions its data may be in.
    move_data_gb, transfer_kwh_per_gb, transfer_gbit_per_s : float or None
        Data that must travel to run away from home; what a site's table says wins.
    carbon_price, time_price : float or None
        Minimise money: of a tonne, and of an hour until the job is done [USD].
    """

    names: tuple[str, ...]
    allow: tuple[str, ...] = ()
    move_data_gb: float | None = None
    transfer_kwh_per_gb: float | None = None
    transfer_gbit_per_s: float | None = None
    carbon_price: float | None = None
    time_price: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SitesPlan:
    """Where a job goes, when it starts, and what else there was.

    Attributes
    ----------
    site : str
    command : SiteCommand
        That submits it there.
    queue : str or None
    promise : Promise
        For that site; its saving is against running at once at home.
    begin_ns : int or None
        None: at once.
    ready_ns : int or None
        When its data are there.
    home : str
    candidates : tuple of Candidate
    theirs : str or None
        What the user wants in the job's comment.
    notes : tuple of str
    """

    site: str
    command: SiteCommand
    queue: str | None
    promise: Promise
    begin_ns: int | None
    ready_ns: int | None
    home: str
    candidates: tuple[Candidate, ...]
    theirs: str | None
    notes: tuple[str, ...]


def submit_command(site: Site, *, is_home: bool = False) -> SiteCommand | None:
    """Return how a job is submitted at a site; None where its table does not say.

    Raises
    ------
    InputError
        If the template cannot be read.
    """
    text = site.submit or (_AT_HOME if is_home else None)
    return None if text is None else parse_command(text, f"[site.{site.name}] submit")


def plan_sites(
    request: SubmitRequest,
    sites: SitesRequest,
    config: Config,
    *,
    ledger: Ledger,
    env: Mapping[str, str],
    now_ns: int,
) -> SitesPlan:
    """Return where a job goes and when it starts; nothing is submitted.

    Raises
    ------
    InputError
        If a value is wrong or missing, or no site can be used; says why.
    """
    if request.pause != "none":
        raise InputError(
            f"--pause {request.pause} is for the cluster of this machine; leave it out with --site"
        )
    names = _names(sites, config)
    commands = {name: submit_command(config.site(name), is_home=name == names[0]) for name in names}
    home = config_at(config, names[0])
    base = plan_submission(request, home, ledger=ledger, env=env, now_ns=now_ns)
    options, notes = _options(request, sites, config, names, base.promise)
    found = _planned(base.promise, options, sites, commands, names)
    offers = Offers(names=names, options=options, commands=commands, found=found)
    plan = choose(offers, base.promise)
    said = dict.fromkeys((*base.notes, *notes, *_left_out(names, commands)))
    return _answer(offers, plan, base, config, tuple(said))


def _answer(
    offers: Offers, plan: Plan, base: Submission, config: Config, notes: tuple[str, ...]
) -> SitesPlan:
    name, now_ns = offers.name_of(plan.zone), base.promise.submitted_ns
    command, way = offers.commands[name], offers.options[name].transfer
    assert command is not None, "only sites that jobs can be handed to are planned for"
    promise = promised(offers, plan, base.promise, config)
    start_ns = promise.first.start_ns
    return SitesPlan(
        site=name,
        command=command,
        queue=config.site(name).queue,
        promise=promise,
        begin_ns=start_ns if start_ns > now_ns else None,
        ready_ns=None if name == offers.home or way is None else now_ns + way.time_ns,
        home=offers.home,
        candidates=offers.candidates(),
        theirs=base.theirs,
        notes=notes,
    )


def _names(sites: SitesRequest, config: Config) -> tuple[str, ...]:
    """Return the sites to choose from, home first."""
    given = tuple(dict.fromkeys(name for name in sites.names if name != BEST))
    if given:
        for name in given:
            config.site(name)
        return given
    if not any(site.submit for site in config.sites.values()):
        raise ConfigError(
            "--site best: no [site.NAME] table of lowtide.toml says how a job is submitted there; write "
            'submit = "sbatch -M west {args} {script}" into one'
        )
    usual = config.get("site")
    return tuple(sorted(config.sites, key=lambda name: usual is None or name != usual.value))


def _left_out(names: Sequence[str], commands: Mapping[str, SiteCommand | None]) -> tuple[str, ...]:
    missing = [name for name in names if commands[name] is None]
    if not missing:
        return ()
    return (f"jobs cannot be handed to {', '.join(missing)}: no submit = ... in [site.{missing[0]}]",)


def _options(
    request: SubmitRequest, sites: SitesRequest, config: Config, names: Sequence[str], promise: Promise
) -> tuple[dict[str, SiteOption], tuple[str, ...]]:
    """Return what each site is to the planner, and what to know of it."""
    from lowtide.runtime.planning_forecasts import foresee
    from lowtide.runtime.planning_sites import sites_of

    asked = PlanRequest(
        zones=tuple(names),
        sites="config",
        history=request.history,
        transfer_gb=sites.move_data_gb,
        transfer_kwh_per_gb=sites.transfer_kwh_per_gb,
        transfer_gbit_per_s=sites.transfer_gbit_per_s,
    )
    end_ns = max(promise.deadline_ns, promise.submitted_ns + 2 * promise.job.work_ns)
    window = Window(start_ns=promise.submitted_ns, deadline_ns=end_ns)
    plain = sites_of(asked, config, window, promise.job)
    foreseen = foresee(asked, config, plain, window, promise.job, None)
    options = dict(zip(names, foreseen.sites, strict=True))
    moving = [name for name in names[1:] if (way := options[name].transfer) is not None and way.energy_kwh]
    if moving and not promise.power_known:
        raise InputError(
            f"moving data to {moving[0]} takes energy, which is weighed against the job's own: give --power"
        )
    return options, foreseen.notes


def _planned(
    promise: Promise,
    options: Mapping[str, SiteOption],
    sites: SitesRequest,
    commands: Mapping[str, SiteCommand | None],
    names: Sequence[str],
) -> PlanSet:
    """Return the plans for all sites that jobs can be handed to; the margin is kept free before the deadline."""
    from lowtide.planning.objective import Objective
    from lowtide.planning.plan import plan
    from lowtide.planning.policies import flexible_start, run_now

    money = sites.carbon_price is not None or sites.time_price is not None
    objective = Objective(
        carbon_price_usd_per_t=sites.carbon_price,
        time_price_usd_per_h=sites.time_price,
        energy_price=money and all(option.price is not None for option in options.values()),
    )
    window = Window(
        start_ns=promise.submitted_ns, deadline_ns=promise.latest_start_ns + length_ns(promise.job)
    )
    used = [options[name] for name in names if name == names[0] or commands[name] is not None]
    return plan(
        promise.job,
        used,
        window,
        policies=(run_now, flexible_start),
        objective=objective,
        allow=sites.allow,
        min_saving_fraction=promise.min_saving_fraction,
    )
