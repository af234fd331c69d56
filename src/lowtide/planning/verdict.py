"""What a set of plans comes down to, in one line, and what a reader must know before believing it."""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.model.planning import Job, Minimised, Plan
from lowtide.planning.sites import SiteOption
from lowtide.quantities import format_duration, format_instant

__all__ = ["both_accounts", "verdict"]

_POOR_FRACTION = 0.02
"""Share of the baseline by which a plan may miss what the other account offers before it is worth a word."""


def verdict(
    baseline: Plan,
    plans: Sequence[Plan],
    job: Job,
    sites: Sequence[SiteOption],
    *,
    min_saving_fraction: float = 0.03,
    minimised: Minimised = "emissions_g",
) -> str:
    """Return one line: what waiting, another region and another operating point are worth.

    Parameters
    ----------
    baseline : Plan
    plans : sequence of Plan
        By emissions, with their savings.
    job : Job
    sites : sequence of SiteOption
    min_saving_fraction : float
        A smaller saving by waiting is not worth it.
    minimised : {"emissions_g", "usd", "elapsed_s"}
        What the plans are by.

    Examples
    --------
    ``not worth waiting: -0.8 %; region NO -90 %; cap 250 W -12 %``
    """
    if minimised != "emissions_g":
        return _other(baseline, plans, minimised)
    if baseline.emissions_g is None:
        return "savings unknown: started at once it would run through unknown intensity"
    if not baseline.emissions_g > 0.0:
        return "savings undefined: started at once it would emit nothing or less"
    known = [plan for plan in plans if plan.saving_fraction is not None]
    home = [plan for plan in known if {s.zone for s in plan.segments} == {sites[0].zone}]
    parts = [_waiting([plan for plan in home if _only_waits(plan, job, sites[0])], min_saving_fraction)]
    parts += _region(known, sites[0].zone)
    parts += _cap([plan for plan in home if plan.policy == "power-cap"], job, sites[0])
    parts += _together(known, parts)
    return "; ".join(text for text, _ in parts)


def _other(baseline: Plan, plans: Sequence[Plan], minimised: Minimised) -> str:
    """Say what the best plan is where money or time was minimised."""
    top = next((plan for plan in plans if plan.objective is not None), None)
    if top is None or top.objective is None:
        return "no plan within the deadline and the budget"
    start = f"{top.policy} {top.zone}, start {format_instant(top.start_ns)[:16]}Z"
    carbon = "" if top.saving_fraction is None else f"; carbon {_change(top.saving_fraction)}"
    if minimised == "elapsed_s":
        return f"soonest within the budget: {start}, done after {format_duration(top.objective)}{carbon}"
    if baseline.objective is None or not baseline.objective > 0.0:
        return f"least cost: {start}, {top.objective:.4g} USD{carbon}"
    saving = 1.0 - top.objective / baseline.objective
    was = f"{baseline.objective:.4g} USD ({_change(saving)})"
    return f"least cost: {start}, {top.objective:.4g} USD against {was}{carbon}"


def _only_waits(plan: Plan, job: Job, site: SiteOption) -> bool:
    """Return whether a plan does nothing but choose when to run at the baseline's operating point."""
    point = site.menu(job)[0]
    runs = [segment for segment in plan.segments if segment.kind == "run"]
    same = all((run.throughput, run.power_w) == (point.throughput, point.power_w) for run in runs)
    return same or plan.profile is not None


def _change(saving: float) -> str:
    """Return a saving as the change it is: ``-0.8 %``, ``-90 %``."""
    percent = -100.0 * saving
    text = f"{percent:+.1f}" if abs(percent) < 9.95 else f"{percent:+.0f}"
    return f"{'0' if float(text) == 0.0 else text} %"


def _waiting(plans: Sequence[Plan], min_saving: float) -> tuple[str, float]:
    """Say whether waiting is worth it, by the plan of greatest saving in the first zone."""
    if not plans:
        return "waiting cannot be judged", 0.0
    top = max(plans, key=lambda plan: plan.saving_fraction or 0.0)
    saving = top.saving_fraction or 0.0
    if saving < min_saving:
        return f"not worth waiting: {_change(saving)}", saving
    pauses = f", {top.n_pauses} pause{'s' if top.n_pauses > 1 else ''}" if top.n_pauses else ""
    return f"wait: start {format_instant(top.start_ns)[:16]}Z{pauses} {_change(saving)}", saving


def _region(plans: Sequence[Plan], first_zone: str) -> list[tuple[str, float]]:
    """Say what running at once in the best other region saves, if anything."""
    elsewhere = [plan for plan in plans if plan.zone != first_zone and plan.policy == "run-now"]
    if not elsewhere:
        return []
    top = max(elsewhere, key=lambda plan: plan.saving_fraction or 0.0)
    saving = top.saving_fraction or 0.0
    return [(f"region {top.zone} {_change(saving)}", saving)] if saving > 0.0 else []


def _cap(plans: Sequence[Plan], job: Job, site: SiteOption) -> list[tuple[str, float]]:
    """Say what the best constant operating point saves, if it is another than the baseline's."""
    if not plans or not (plans[0].saving_fraction or 0.0) > 0.0:
        return []
    run = plans[0].segments[0]
    point = next(p for p in site.menu(job) if (p.throughput, p.power_w) == (run.throughput, run.power_w))
    saving = plans[0].saving_fraction or 0.0
    return [(f"cap {point.label or f'{point.power_w:g} W'} {_change(saving)}", saving)]


def _together(plans: Sequence[Plan], parts: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Say what the best plan of all saves, where that is clearly more than any one lever."""
    if not plans:
        return []
    saving = max(plan.saving_fraction or 0.0 for plan in plans)
    if saving <= max(share for _, share in parts) + 0.01:
        return []
    top = next(plan for plan in plans if (plan.saving_fraction or 0.0) == saving)
    return [(f"{top.policy} {top.zone} {_change(saving)}", saving)]


def both_accounts(
    baseline: Plan, plans: Sequence[Plan], on_marginal: Plan | None, allocated_g: float | None
) -> tuple[str, ...]:
    """Return a warning where the plan that is best on average intensity is poor on marginal, or the reverse.

    Parameters
    ----------
    baseline : Plan
        Priced on both.
    plans : sequence of Plan
        By emissions on the average account.
    on_marginal : Plan or None
        What the policy of the best plan finds on marginal intensity.
    allocated_g : float or None
        That plan on the average account [g].

    Notes
    -----
    On average intensity a plan changes *allocated* grams, on marginal intensity *avoided* ones.
    """
    if on_marginal is None or not plans:
        return ()
    top, base, base_marginal = plans[0], baseline.emissions_g, baseline.marginal_g
    if top.marginal_g is None or on_marginal.emissions_g is None:
        return ()
    if base_marginal is None or not base_marginal > 0.0:
        return ()
    avoided, possible = 1.0 - top.marginal_g / base_marginal, 1.0 - on_marginal.emissions_g / base_marginal
    found = []
    if possible - avoided > _POOR_FRACTION:
        found.append(
            f"the plan that is best on average intensity ({top.policy} {top.zone}) avoids {avoided:.1%} on marginal "
            f"intensity, where planning on that avoids {possible:.1%}"
        )
    if allocated_g is not None and base is not None and base > 0.0 and top.emissions_g is not None:
        allocated, best = 1.0 - allocated_g / base, 1.0 - top.emissions_g / base
        if best - allocated > _POOR_FRACTION:
            found.append(
                f"the plan that is best on marginal intensity ({on_marginal.policy} {on_marginal.zone}) saves "
                f"{allocated:.1%} of allocated grams, where planning on average intensity saves {best:.1%}"
            )
    return tuple(found)
