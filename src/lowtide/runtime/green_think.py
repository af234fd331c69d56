"""One look of the controller at the world: read the intensity, decide, and say so as plain data.

Done in a child of its own, which may import numpy, ask the network and crash, while the process that minds the
job stays small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lowtide.errors import LowtideError
from lowtide.model.planning import Job, OperatingPoint, Plan, Window
from lowtide.model.pue import PueSteps
from lowtide.model.signal import Signal
from lowtide.planning.control import Decision, View, decide
from lowtide.planning.policies.run_now import run_through
from lowtide.planning.promise import emissions_g
from lowtide.planning.sites import SiteOption
from lowtide.runtime.config import Config, Setting, load_config
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.stores.codec import from_plain, to_plain
from lowtide.units import NS_PER_S, ns_from_s

if TYPE_CHECKING:
    from lowtide.model.record import RunHeader
    from lowtide.runtime.green import GreenSpec
    from lowtide.runtime.planning import PlanRequest

__all__ = ["Look", "answer_to", "config_of", "think"]

_GRID = ("zone", "provider", "intensity", "basis", "factors", "market")
_LEAST_NS = NS_PER_S // 2
"""A stretch shorter than this tells nothing of its power."""
_TIMES_THE_COST, _LONG_S = 10.0, 3600.0
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the controller is asked with; the rest it reads.

    Attributes
    ----------
    header : RunHeader
    spec : GreenSpec
    for_ns : int
        The instant to decide for [ns]; a little ahead of now where a change is due.
    begun : {"running", "paused"} or None
    done_s : float
        Work done by then [s].
    runs_ns : tuple of (start, end)
        When it has run by then [ns].
    plan : dict or None
        The plan followed so far, as plain data.
    resume_s : float
        What a pause costs in time: saving, starting again and getting ready [s].
    """

    header: RunHeader
    spec: GreenSpec
    for_ns: int
    begun: Literal["running", "paused"] | None
    done_s: float
    runs_ns: tuple[Span, ...]
    plan: dict[str, Any] | None
    resume_s: float = 0.0


def think(look: Look) -> dict[str, Any]:
    """Return a decision as plain data, with the promise that goes with it.

    Whatever cannot be read is decided without, as :func:`lowtide.planning.control.decide` does with unknown
    intensity: the last plan is followed, and the deadline goes before everything.
    """
    spec, job = look.spec, _job(look)
    site, problem = _site(look, job)
    plan = None if look.plan is None else from_plain(Plan, look.plan, path="plan.json")
    view = View(
        now_ns=look.for_ns, job=job, site=site, deadline_ns=spec.deadline_ns, begun=look.begun,
        done_s=look.done_s, may_pause=spec.pause != "none", margin_fraction=spec.margin,
        min_saving_fraction=spec.min_saving, plan=plan, least_s=_least_s(look), since_ns=_since_ns(look),
    )  # fmt: skip
    decision = decide(view)
    runs = _runs(look, view, decision)
    return {
        "act": decision.act, "until_ns": decision.until_ns, "why": decision.why, "problem": problem,
        "plan": None if decision.plan is None else to_plain(decision.plan),
        "late": view.now_ns >= view.latest_ns, "flat": _is_flat(site.intensity),
        "time_resolved": site.intensity.signal.time_resolved, "zone": site.zone,
        "basis": site.intensity.signal.basis, "saving": _saving(view, decision),
        "power_w": job.points[0].power_w, "idle_w": job.idle_power_w,
        "promise": _promise(look, runs, site.intensity, job),
    }  # fmt: skip


def _job(look: Look) -> Job:
    """Return the job, at the power that has been measured so far where that is known."""
    spec = look.spec
    power_w, idle_w = spec.power_w, 0.0
    if look.begun is not None and spec.pause != "none":
        power_w, idle_w = _measured(look) or (power_w, idle_w)
    points = (OperatingPoint(throughput=1.0, power_w=power_w),)
    return Job(
        work_s=spec.work_s, points=points, idle_power_w=min(idle_w, power_w), resume_time_s=look.resume_s
    )


def _since_ns(look: Look) -> int | None:
    """Return since when it has been doing what it does [ns]."""
    if look.begun is None or not look.runs_ns:
        return None
    return look.runs_ns[-1][0 if look.begun == "running" else 1]


def _least_s(look: Look) -> float:
    """Return what is too short a run or a pause [s]: ten times what a pause costs, in a job of hours."""
    dear_s = _TIMES_THE_COST * look.resume_s if look.spec.work_s > _LONG_S else 0.0
    return max(look.spec.least_s, dear_s) if look.spec.pause != "none" else 0.0


def _measured(look: Look) -> tuple[float, float] | None:
    """Return the mean power at work and in pauses [W], as recorded so far; None while too little is.

    Before the first pause its power is the run's share of what the machine draws idle.
    """
    from lowtide.accounting.booking import node_energy
    from lowtide.runtime.closing import ledger_at
    from lowtide.stores.records import read_record

    try:
        node = node_energy(read_record(ledger_at(look.header.journal_dir), look.header.run_id))
    except LowtideError:
        return None
    pauses = [(a, b) for (_, a), (b, _) in zip(look.runs_ns, look.runs_ns[1:], strict=False)]
    running_w = _mean_w(node.power, look.runs_ns)
    if running_w is None or running_w <= 0.0:
        return None
    # Between a checkpoint and the next start nothing of it is left.
    paused_w = 0.0 if look.spec.pause == "checkpoint" else _mean_w(node.power, pauses)
    known_kwh = node.bill.idle_kwh + node.bill.dynamic_kwh
    if paused_w is None:
        paused_w = running_w * (node.bill.idle_kwh / known_kwh if known_kwh > 0.0 else 0.0)
    return running_w, paused_w


def _mean_w(power: PowerSeries, spans: Any) -> float | None:
    joules, seconds = 0.0, 0.0
    for start_ns, end_ns in spans:
        a, b = max(start_ns, power.start_ns), min(end_ns, power.end_ns)
        if b - a >= _LEAST_NS:
            part = power.clip(start_ns=a, end_ns=b)
            known_s = part.covered_fraction() * part.duration_s
            joules, seconds = joules + part.energy_j(), seconds + known_s
    return joules / seconds if seconds > 0.0 else None


def config_of(header: RunHeader, config: Config | None = None) -> Config:
    """Return the settings in force, with the grid and the PUE that the run was started with."""
    config = load_config() if config is None else config
    settings = {name: value for name, value in config.settings.items() if name not in (*_GRID, "pue", "site")}
    for name in _GRID:
        value = getattr(header.grid, name)
        if value is not None:
            settings[name] = Setting(value=value, origin="the run")
    if header.pue is not None:
        text = header.pue.path if isinstance(header.pue, PueSteps) else str(header.pue)
        settings["pue"] = Setting(value=text, origin="the run")
    return Config(settings=settings, sites=config.sites)


def _site(look: Look, job: Job) -> tuple[SiteOption, str]:
    """Return the site as known now; of unknown intensity, and why, where nothing can be read."""
    spec, end_ns = look.spec, max(look.spec.deadline_ns, look.for_ns + ns_from_s(job.work_s))
    try:
        return _read_site(look, job, end_ns), ""
    except (LowtideError, OSError, ValueError) as error:
        unknown = IntensitySeries.of(
            np.array([min(spec.asked_ns, look.for_ns), end_ns]), np.array([np.nan]),
            signal=Signal(zone=look.header.grid.zone, source="nothing could be read"),
        )  # fmt: skip
        return SiteOption(zone=look.header.grid.zone or "given", intensity=unknown), str(error)


def _read_site(look: Look, job: Job, end_ns: int) -> SiteOption:
    from lowtide.runtime.planning import PlanRequest
    from lowtide.runtime.planning_forecasts import foresee
    from lowtide.runtime.planning_sites import sites_of

    config = config_of(look.header)
    request: PlanRequest = PlanRequest(history=look.spec.history, forecast=look.spec.forecast)
    start_ns = min(look.spec.asked_ns, look.for_ns)
    (site,) = sites_of(request, config, Window(start_ns=start_ns, deadline_ns=end_ns), job)
    if look.spec.history is None:
        return site
    now = Window(start_ns=look.for_ns, deadline_ns=max(end_ns, look.for_ns + 1))
    return foresee(request, config, [site], now, job, None).sites[0]


def _is_flat(series: IntensitySeries) -> bool:
    known = series.intensity_g_per_kwh[~np.isnan(series.intensity_g_per_kwh)]
    return bool(len(known)) and bool((known == known[0]).all())


def _saving(view: View, decision: Decision) -> float | None:
    """Return what following the plan saves against going on at once; None where that is unknown."""
    plan = decision.plan
    if plan is None or plan.emissions_g is None:
        return None
    job = replace(view.job, work_s=view.left_s)
    at_once_g = emissions_g(run_through(job, view.site, view.now_ns), [view.site])
    return 1.0 - plan.emissions_g / at_once_g if at_once_g is not None and at_once_g > 0.0 else None


def _runs(look: Look, view: View, decision: Decision) -> list[Span]:
    """Return when the job has run and is to run, if this decision is followed to the end."""
    plan, t = decision.plan, look.for_ns
    ahead = [] if plan is None else [
        (max(s.start_ns, t), s.end_ns) for s in plan.segments if s.kind in ("run", "resume") and s.end_ns > t
    ]  # fmt: skip
    runs_now = bool(ahead) and ahead[0][0] == t
    if decision.act == "hold" and runs_now:
        ahead = ahead[1:]  # too short to begin; what it leaves is done at the end
    elif decision.act == "run" and ahead and t < ahead[0][0] and decision.until_ns < ahead[0][0]:
        ahead = [(t, decision.until_ns), *ahead]  # it has just begun to run
    elif decision.act == "run" and ahead and 0 < ahead[0][0] - t < view.least_ns:
        ahead[0] = t, ahead[0][1]  # too short a pause to make
    elif decision.act == "run" and not runs_now:
        ahead = [(t, t + ns_from_s(view.left_s))]
    found: list[Span] = []
    for start_ns, end_ns in (*look.runs_ns, *ahead):
        if found and start_ns <= found[-1][1]:
            found[-1] = found[-1][0], max(end_ns, found[-1][1])
        else:
            found.append((start_ns, end_ns))
    return found


def _promise(look: Look, runs: list[Span], intensity: IntensitySeries, job: Job) -> dict[str, Any] | None:
    """Return the promise as plain data, with all it is made on, so that the bill can tell what was wrong about it.

    That is the intensity from being asked to its end and the slack behind it, and the power and the time that were
    expected: null where stand-ins were planned with.
    """
    if not runs:
        return None
    end_ns = max(runs[-1][1], look.spec.deadline_ns)
    try:
        known = intensity.clip(start_ns=min(look.spec.asked_ns, runs[0][0]), end_ns=end_ns)
    except LowtideError:
        return None
    values = known.intensity_g_per_kwh.tolist()
    power_w = job.points[0].power_w
    knows_power = look.spec.power_known or power_w != look.spec.power_w  # measured so far
    return {
        "made_ns": look.for_ns,
        "runs_ns": [list(run) for run in runs],
        "edges_ns": known.edges_ns.tolist(),
        "intensity_g_per_kwh": [None if v != v else v for v in values],
        "power_w": power_w if knows_power else None,
        "paused_w": job.idle_power_w if knows_power else None,
        "work_s": job.work_s if look.spec.work_known else None,
        "resume_kwh": job.resume_energy_kwh,
        "resume_s": job.resume_time_s,
    }


def answer_to(look: Look, path: str) -> None:
    """Think, and leave the answer in a file, whole or not at all."""
    from lowtide.stores.codec import write_json

    write_json(path, think(look))
