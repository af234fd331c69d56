"""From what a user typed to a job: duration, power, menu, a recorded run, and what interrupting it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.model.planning import Job, OperatingPoint, WorkProfile
from lowtide.quantities import parse_duration_s, parse_energy_kwh, parse_fraction, parse_power_w, said_of
from lowtide.runtime.user_table import read_user_table

if TYPE_CHECKING:
    from lowtide.runtime.planning import PlanRequest
    from lowtide.stores.ledger import Ledger

__all__ = ["job_of", "read_points"]


def job_of(request: PlanRequest, ledger: Ledger | None) -> tuple[Job, tuple[str, ...]]:
    """Return the job of a request, and what is estimated in it, in words.

    Raises
    ------
    InputError
        If a value is wrong or missing; says what would work.
    """
    job, notes = _bare_job(request, ledger)
    if request.round_up:
        job = _rounded_up(job, request.slot)
    costs = replace(
        job,
        resume_energy_kwh=_read("--resume-energy", request.resume_energy, parse_energy_kwh),
        resume_time_s=_read("--resume-time", request.resume_time, parse_duration_s),
        idle_power_w=_read("--idle-power", request.idle_power, parse_power_w),
        migrate_energy_kwh=_read("--migrate-energy", request.migrate_energy, parse_energy_kwh),
        migrate_time_s=_read("--migrate-time", request.migrate_time, parse_duration_s),
        max_pauses=request.max_pauses,
    )
    return costs, notes


def _read(flag: str, text: str | None, parse: Callable[[str], float]) -> float:
    return 0.0 if text is None else said_of(flag, text, parse)


def _rounded_up(job: Job, slot: str | None) -> Job:
    """Return a job whose duration is whole slots, as papers have it that count slots."""
    if slot is None:
        raise InputError(
            "--round-up rounds the duration up to whole slots: say how long one is with --slot 1h"
        )
    if job.profile is not None:
        raise InputError("--round-up is for --duration; a recorded run lasts as long as it did")
    slot_s = said_of("--slot", slot, parse_duration_s)
    if not slot_s > 0.0:
        raise QuantityError(f"--slot {slot} must be longer than nothing")
    return replace(job, work_s=ceil(job.work_s / slot_s - 1e-9) * slot_s)


def _bare_job(request: PlanRequest, ledger: Ledger | None) -> tuple[Job, tuple[str, ...]]:
    ways = ("power", "gpus", "points", "like", "past_runs")
    given = [name for name in ways if getattr(request, name) is not None]
    if len(given) != 1:
        raise InputError(
            "say what runs with one of --power 300W, --gpus 8xV100, --points FILE, --like RUN or --past-runs NAME"
            + (f"; got {' and '.join('--' + name.replace('_', '-') for name in given)}" if given else "")
        )
    if request.load is not None and request.gpus is None:
        raise InputError("--load is the load of --gpus; --power is what the job draws as it is")
    if request.boundary is not None and request.power is None and request.points is None:
        raise InputError(
            f"--boundary {request.boundary} says what --power or --points contains; --{given[0].replace('_', '-')} "
            "knows it itself"
        )
    if request.like is not None:
        if ledger is None:
            raise InputError(f"--like {request.like} needs a ledger")
        return _job_like(ledger, request.like), ()
    if request.past_runs is not None:
        return _job_of_past_runs(request, ledger), ()
    if request.duration is None:
        raise InputError("say how long the job takes: --duration 6h")
    duration_s = said_of("--duration", request.duration, parse_duration_s)
    if not duration_s > 0.0:
        raise QuantityError(f"--duration {request.duration} must be longer than nothing")
    if request.points is not None:
        return Job(work_s=duration_s, points=read_points(request.points)), ()
    if request.gpus is not None:
        return _job_on(request.gpus, request.load, duration_s)
    power_w = said_of("--power", str(request.power), parse_power_w)
    if not power_w > 0.0:
        raise QuantityError(
            f"--power {request.power} emits nothing at any time; say what it draws, like 300W"
        )
    return Job.constant(duration_s=duration_s, power_w=power_w), ()


def _job_on(gpus: str, load: str | None, duration_s: float) -> tuple[Job, tuple[str, ...]]:
    """Return a job on named accelerators, with how its power is estimated: metered where no load is given."""
    from lowtide.estimation.board_power import node_power, parse_gpus
    from lowtide.estimation.hardware_power import power_factor

    if load is None:
        n, model = parse_gpus(gpus)
        each, _ = power_factor(model.name, None, n_processors=n)
        watts = each.amount
        note = (
            f"power is an estimate: {n * watts.value:.0f} W at the node ({n * watts.low:.0f} to "
            f"{n * watts.high:.0f} W): {each.source}"
        )
        return Job.constant(duration_s=duration_s, power_w=n * watts.value), (note,)
    found = node_power(gpus, load=said_of("--load", load, parse_fraction))
    note = (
        f"power is an estimate: {found.power_w:.0f} W at the node ({found.low_w:.0f} to {found.high_w:.0f} W): "
        f"{found.method}"
    )
    return Job.constant(duration_s=duration_s, power_w=found.power_w), (note,)


def _job_of_past_runs(request: PlanRequest, ledger: Ledger | None) -> Job:
    from lowtide.runtime.planning_runs import past_runs

    if request.duration is not None:
        raise InputError("--past-runs learns the duration; leave out --duration, or say --power with it")
    if ledger is None:
        raise InputError(f"--past-runs {request.past_runs} needs a ledger")
    return past_runs(ledger, str(request.past_runs)).job


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
    columns = ("throughput", "power_w", "label")
    rows = read_user_table(path, columns, needs=columns[:2], others=True)
    points = [_point(row, path, line) for line, row in rows]
    baseline = [point for point in points if point.throughput == 1.0]
    if len(baseline) != 1:
        raise DataFileError(
            f"needs exactly one row with throughput 1, the baseline; has {len(baseline)}", path=path
        )
    return (baseline[0], *(point for point in points if point is not baseline[0]))


def _point(row: dict[str, str], path: str, line: int) -> OperatingPoint:
    try:
        throughput, power_w = float(row["throughput"]), float(row["power_w"])
    except ValueError as error:
        raise DataFileError(
            f"throughput and power_w must be numbers ({error})", path=path, line=line
        ) from error
    try:
        return OperatingPoint(throughput=throughput, power_w=power_w, label=row["label"] or f"{power_w:g} W")
    except InputError as error:
        raise DataFileError(str(error), path=path, line=line) from error
