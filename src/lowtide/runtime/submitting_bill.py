"""The bill of a job of Slurm that was stopped or came back: all of its runs, against the plans it followed.

Every start of a job is a run of its own in the ledger: recorded on the node where it was, sealed at its own end,
proven by `lowtide verify` without the others. What they come to is added up here and nothing is opened again. They
are found by their tag, ``--tag job="$SLURM_JOB_ID"``, as the how-to shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lowtide.accounting.booking import node_energy
from lowtide.accounting.followed import plan_bill, window_ns
from lowtide.accounting.operational import operational
from lowtide.errors import InputError, LowtideError
from lowtide.model.record import RunEnd, RunHeader
from lowtide.model.run_plan import PlanBill, RunPlan
from lowtide.model.run_plan import Promise as KeptPlan
from lowtide.runtime.agent_journal import Journal, key_of
from lowtide.runtime.submitting_goes import Goes, Span, kept_plans, merged, without
from lowtide.runtime.submitting_promise import Promise, read_promise, submissions_dir
from lowtide.series.types import PowerSeries
from lowtide.stores.records import read_record

if TYPE_CHECKING:
    from lowtide.stores.ledger import Ledger

__all__ = ["JobBill", "bill_job", "bill_plain", "joined_power"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBill:
    """What a job came to.

    Attributes
    ----------
    label : str
    run_ids : tuple of str
        Its runs in the ledger, oldest first.
    n_goes : int
        How often Slurm started it.
    energy_kwh : float
        At the node, of all of its runs.
    emissions_g : float or None
        None where the intensity does not cover them.
    plan : PlanBill or None
    """

    label: str
    run_ids: tuple[str, ...]
    n_goes: int
    energy_kwh: float
    emissions_g: float | None
    plan: PlanBill | None


def joined_power(parts: Sequence[PowerSeries]) -> PowerSeries:
    """Return the power of several runs together: nothing between them, the sum where they overlap.

    Examples
    --------
    >>> one = PowerSeries.constant(100.0, start_ns=0, end_ns=10)
    >>> two = PowerSeries.constant(50.0, start_ns=30, end_ns=40)
    >>> found = joined_power([one, two])
    >>> found.edges_ns.tolist(), found.power_w.tolist()
    ([0, 10, 30, 40], [100.0, 0.0, 50.0])
    """
    edges = np.unique(np.concatenate([part.edges_ns for part in parts]))
    starts, total = edges[:-1], np.zeros(len(edges) - 1)
    for part in parts:
        inside = (starts >= part.start_ns) & (starts < part.end_ns)
        at = np.searchsorted(part.edges_ns, starts[inside], side="right") - 1
        total[inside] += part.power_w[at]
    return replace(parts[0], edges_ns=edges, power_w=total)


def bill_job(ledger: Ledger, label: str) -> JobBill:
    """Return the bill of a job.

    Raises
    ------
    InputError
        If the label is none, or no run of the ledger is tagged with the job.
    LowtideError
        If nothing was promised of it, or its runs cannot be read.
    """
    number = label.partition("_")[0]
    if not number.isdigit():
        raise InputError(f"{label!r} is no job of Slurm; write its number, or 12_3 for a task of an array")
    promise, goes = read_promise(ledger, int(number)), Goes(ledger, label)
    names = {label, *(str(go.job_id) for go in goes.list if go.job_id)}
    headers = [one for one in _tagged(ledger, promise.submitted_ns) if dict(one.tags).get("job") in names]
    if not headers:
        raise InputError(
            f"no run of this ledger is tagged job={label}; start them in the job script with `lowtide run --tag "
            'job="$SLURM_JOB_ID" -- ...`, or cut them out of the node\'s recording: `lowtide record cut --job '
            f"{label} ...`"
        )
    records = [read_record(ledger, one.run_id) for one in headers]
    power = joined_power([node_energy(record).power for record in records])
    end = _end(ledger, promise, goes, label, power, [(one.start_ns, one.end_ns) for one in records])
    series = _intensity(headers[-1], power, end)
    account = None if series is None else operational(power, series)
    known = account is not None and account.covered_fraction >= 1.0 - 1e-9
    return JobBill(
        label=label,
        run_ids=tuple(one.run_id for one in headers),
        n_goes=max(1, len(goes.list)),
        energy_kwh=power.energy_kwh(),
        emissions_g=account.g if account is not None and known else None,
        plan=plan_bill(end, power, series),
    )


def _tagged(ledger: Ledger, since_ns: int) -> list[RunHeader]:
    """Return the headers of runs that began after a job was submitted, those inside another one left out."""
    found = []
    for run_id in ledger.ids():
        header = ledger.header(run_id)
        if header.created_ns >= since_ns and header.tags and header.parent_run_id is None:
            found.append(header)
    return found


def _end(
    ledger: Ledger, promise: Promise, goes: Goes, label: str, power: PowerSeries, recorded: Sequence[Span]
) -> RunEnd:
    runs = _runs_ns(ledger, goes, label, power)
    overheads = without(runs, merged(list(recorded))) if goes.list else ()
    unbilled = ((0, power.start_ns), *overheads)  # what ran before the command did, or around it, is no work
    plans = {name: _as_recorded(plan, unbilled) for name, plan in kept_plans(goes.folder).items()}
    bounded = promise.bound == "start_within"
    plan = RunPlan(
        bound=f"--{promise.bound.replace('_', '-')}",
        asked_ns=promise.submitted_ns,
        deadline_ns=None if bounded else promise.deadline_ns,
        start_by_ns=promise.latest_start_ns if bounded else None,
        pause=promise.pause,
        work_s=promise.task.work_s,
        runs_ns=runs,
        overheads_ns=overheads,
        waited_s=max(0, runs[0][0] - promise.submitted_ns) / 1e9,
        first=plans.get("first"),
        half=plans.get("half"),
        last=plans.get("last"),
    )
    return RunEnd(started_ns=runs[0][0], ended_ns=runs[-1][1], plan=plan)


def _as_recorded(plan: KeptPlan, unbilled: Sequence[Span]) -> KeptPlan:
    """Return a plan whose past is what was recorded of it; what was ahead of it stays as it was planned."""
    past = [span for span in unbilled if span[0] < plan.made_ns]
    return replace(plan, runs_ns=without(plan.runs_ns, past) or plan.runs_ns)


def _runs_ns(ledger: Ledger, goes: Goes, label: str, power: PowerSeries) -> tuple[Span, ...]:
    """Return when the job ran [ns]: between its starts and its ends, without the pauses its agent made."""
    if goes.list:
        return merged(goes.runs_ns(power.end_ns))
    journal = Journal(f"{submissions_dir(ledger)}/agent.jsonl")
    still = [
        its for key, its in journal.jobs.items() if key.startswith(key_of(label, 0).rpartition("@")[0] + "@")
    ]
    spans = [span for its in still for span in its.spans if span[0] >= power.start_ns - 10**9]
    runs, t_ns = [], power.start_ns
    for stopped_ns, went_on_ns in sorted(spans):
        runs.append((t_ns, stopped_ns))
        t_ns = went_on_ns
    return merged([*runs, (t_ns, power.end_ns)])


def _intensity(header: RunHeader, power: PowerSeries, end: RunEnd) -> Any:
    """Return the intensity a job is billed with, as its last run was; None where it is not known any more."""
    from lowtide.runtime.grid_access import cached_only
    from lowtide.runtime.grid_signals import intensities_for

    start_ns, end_ns = window_ns(power.start_ns, power.end_ns, end)
    try:
        with cached_only() as access:
            found = intensities_for(header.grid, start_ns=start_ns, end_ns=end_ns, access=access)
    except LowtideError:
        return None
    return found.location or found.marginal


def bill_plain(bill: JobBill) -> dict[str, Any]:
    """Return a bill as plain data."""
    from lowtide.stores.codec import to_plain

    plain: dict[str, Any] = to_plain(bill)
    return plain
