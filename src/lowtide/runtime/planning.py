"""From what a user typed to a planning problem: job, sites, window."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lowtide.errors import DataFileError, InputError, QuantityError, near_matches
from lowtide.model.planning import Job, OperatingPoint, PlanSet, Window, WorkProfile
from lowtide.model.record import GridChoice
from lowtide.quantities import (
    parse_duration_s,
    parse_energy_kwh,
    parse_fraction,
    parse_instant_ns,
    parse_power_w,
)
from lowtide.runtime.config import Config
from lowtide.units import ns_from_s

if TYPE_CHECKING:
    from lowtide.doors import Policy
    from lowtide.planning.sites import SiteOption
    from lowtide.stores.ledger import Ledger

__all__ = ["PlanRequest", "plan_request", "read_points"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """A planning problem as typed; texts are read and checked by :func:`plan_request`.

    Exactly one of `slack`, `within` and `deadline` bounds it; `like` or `points` or `power` says what runs.
    """

    zones: tuple[str, ...] = ()
    duration: str | None = None
    power: str | None = None
    points: str | None = None
    like: str | None = None
    start: str | None = None
    slack: str | None = None
    within: str | None = None
    deadline: str | None = None
    policies: tuple[str, ...] = ()
    resume_energy: str | None = None
    resume_time: str | None = None
    idle_power: str | None = None
    migrate_energy: str | None = None
    migrate_time: str | None = None
    max_pauses: int | None = None
    slot: str | None = None
    pues: tuple[str, ...] = ()


def plan_request(
    request: PlanRequest, config: Config, *, ledger: Ledger | None = None
) -> tuple[PlanSet, tuple[SiteOption, ...], Window]:
    """Return the plans for a request, with the sites and the window they were made for.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.
    """
    from lowtide.planning.plan import plan

    policies = _policies(request.policies)
    job = _job(request, ledger)
    window = _window(request, job)
    sites = tuple(_site(request, config, zone, window, job) for zone in _zones(request, config))
    slot_s = None if request.slot is None else parse_duration_s(request.slot)
    found = plan(job, sites, window, policies=policies, slot_s=slot_s)
    return found, sites, window


def _policies(names: Sequence[str]) -> list[Policy] | None:
    """Return policies by name, None for those that apply."""
    from lowtide.planning.plan import POLICIES

    known = {policy.name: policy for policy in POLICIES}
    for name in names:
        if name not in known:
            raise InputError(f"no policy {name!r}{near_matches(name, known)}; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] or None


def _zones(request: PlanRequest, config: Config) -> Sequence[str | None]:
    if request.zones:
        return request.zones
    configured = config.get("zone")
    if configured is not None:
        return (configured.value,)
    if config.get("intensity") is not None:
        return (None,)
    raise InputError(
        "where? give at least one --zone (DE, US-CAL-CISO, aws:us-west-2) or an --intensity FILE"
    )


def _job(request: PlanRequest, ledger: Ledger | None) -> Job:
    job = _bare_job(request, ledger)
    return replace(
        job,
        resume_energy_kwh=_read(request.resume_energy, parse_energy_kwh),
        resume_time_s=_read(request.resume_time, parse_duration_s),
        idle_power_w=_read(request.idle_power, parse_power_w),
        migrate_energy_kwh=_read(request.migrate_energy, parse_energy_kwh),
        migrate_time_s=_read(request.migrate_time, parse_duration_s),
        max_pauses=request.max_pauses,
    )


def _read(text: str | None, parse: object) -> float:
    if text is None:
        return 0.0
    value: float = parse(text)  # type: ignore[operator]
    return value


def _bare_job(request: PlanRequest, ledger: Ledger | None) -> Job:
    given = [name for name in ("power", "points", "like") if getattr(request, name) is not None]
    if len(given) != 1:
        raise InputError(
            "say what runs with one of --power 300W, --points FILE or --like RUN"
            + (f"; got {' and '.join('--' + name for name in given)}" if given else "")
        )
    if request.like is not None:
        if ledger is None:
            raise InputError(f"--like {request.like} needs a ledger")
        return _job_like(ledger, request.like)
    if request.duration is None:
        raise InputError("say how long the job takes: --duration 6h")
    duration_s = parse_duration_s(request.duration)
    if not duration_s > 0.0:
        raise QuantityError(f"--duration {request.duration} must be longer than nothing")
    if request.points is not None:
        return Job(work_s=duration_s, points=read_points(request.points))
    return Job.constant(duration_s=duration_s, power_w=parse_power_w(str(request.power)))


def _job_like(ledger: Ledger, query: str) -> Job:
    """Return a job that draws what a recorded run drew, over the work it did."""
    import numpy as np

    from lowtide.accounting.bills import node_energy
    from lowtide.stores.records import read_record

    power = node_energy(read_record(ledger, ledger.find(query))).power
    known = ~np.isnan(power.power_w)
    widths_s = np.diff(power.edges_ns)[known] / 1e9
    edges_s = np.concatenate([[0.0], np.cumsum(widths_s)])
    profile = WorkProfile(edges_s=tuple(edges_s.tolist()), power_w=tuple(power.power_w[known].tolist()))
    points = (OperatingPoint(throughput=1.0, power_w=profile.mean_power_w, label=f"like {query}"),)
    return Job(work_s=profile.work_s, points=points, profile=profile)


def read_points(path: str) -> tuple[OperatingPoint, ...]:
    """Return a menu from a CSV file with columns ``throughput,power_w`` (and perhaps ``label``).

    The row with throughput 1 is the baseline and comes first.

    Raises
    ------
    DataFileError
        If the file cannot be read, a cell is no number, or no row has throughput 1.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"cannot be read ({error})", path=path) from error
    if not rows or not {"throughput", "power_w"} <= set(rows[0]):
        raise DataFileError("needs the columns throughput,power_w and at least one row", path=path)
    points = [_point(row, path, line) for line, row in enumerate(rows, start=2)]
    baseline = [point for point in points if point.throughput == 1.0]
    if len(baseline) != 1:
        raise DataFileError(
            f"needs exactly one row with throughput 1, the baseline; has {len(baseline)}", path=path
        )
    return (baseline[0], *(point for point in points if point is not baseline[0]))


def _point(row: dict[str, str | None], path: str, line: int) -> OperatingPoint:
    try:
        throughput, power_w = float(row["throughput"] or ""), float(row["power_w"] or "")
    except ValueError as error:
        raise DataFileError(
            f"throughput and power_w must be numbers ({error})", path=path, line=line
        ) from error
    try:
        return OperatingPoint(
            throughput=throughput, power_w=power_w, label=row.get("label") or f"{power_w:g} W"
        )
    except InputError as error:
        raise DataFileError(str(error), path=path, line=line) from error


def _window(request: PlanRequest, job: Job) -> Window:
    given = [name for name in ("slack", "within", "deadline") if getattr(request, name) is not None]
    if len(given) != 1:
        got = f"; got {' and '.join('--' + name for name in given)}" if given else ""
        raise InputError(f"say until when with one of --slack 12h, --within 24h or --deadline T{got}")
    start_ns = time.time_ns() if request.start is None else parse_instant_ns(request.start)
    if request.deadline is not None:
        return Window(start_ns=start_ns, deadline_ns=parse_instant_ns(request.deadline))
    if request.within is not None:
        return Window(start_ns=start_ns, deadline_ns=start_ns + ns_from_s(parse_duration_s(request.within)))
    slack = str(request.slack).strip()
    slack_s = parse_fraction(slack) * job.work_s if slack.endswith("%") else parse_duration_s(slack)
    return Window(start_ns=start_ns, deadline_ns=start_ns + job.work_ns + ns_from_s(slack_s))


def _site(request: PlanRequest, config: Config, zone: str | None, window: Window, job: Job) -> SiteOption:
    from lowtide.planning.sites import SiteOption
    from lowtide.runtime.billing import intensities_for
    from lowtide.runtime.prepare import grid_choice

    flags = config.with_flags({"zone": zone}) if zone is not None else config
    choice: GridChoice = grid_choice(flags)
    end_ns = max(window.deadline_ns, window.start_ns + job.work_ns)
    found = intensities_for(choice, start_ns=window.start_ns, end_ns=end_ns)
    intensity = found.location or found.marginal
    if intensity is None:
        raise InputError(f"no intensity for {zone}; give --intensity FILE")
    name = choice.zone or intensity.signal.zone or "given"
    return SiteOption(zone=name, intensity=intensity, pue=_pue_at(request, config, name, zone))


def _pue_at(request: PlanRequest, config: Config, *names: str | None) -> float | None:
    from lowtide.runtime.config import Setting
    from lowtide.runtime.prepare import pue_of

    everywhere = config.get("pue")
    for text in request.pues:
        zone, equals, value = text.rpartition("=")
        setting = Setting(value=value, origin="flag")
        if not equals:
            everywhere = setting
        elif zone in names:
            return pue_of(setting)
    return pue_of(everywhere)
