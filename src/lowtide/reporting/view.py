"""What a report is made from: a run with its end and its bills, and the JSON of ``lowtide show``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lowtide.accounting.sci import parse_functional_unit
from lowtide.model.ledger import EmissionsBill, Entry
from lowtide.model.record import RunEnd, RunHeader, RunStatus
from lowtide.model.run_plan import PlanBill
from lowtide.quantities import format_instant
from lowtide.reporting.budget import budget_plain
from lowtide.reporting.progress import progress_plain

__all__ = ["RunView", "emissions_plain", "no_score_words", "status_of", "view_plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as it is shown.

    Attributes
    ----------
    header : RunHeader
    end : RunEnd or None
        None while it is running.
    entry : Entry or None
        The bill in force; for a running run what there is so far; None when nothing could be billed.
    entries : tuple of Entry
        All bills that were kept, oldest first.
    lost : bool
        Not closed, and its node has not been heard of for long enough.
    """

    header: RunHeader
    end: RunEnd | None
    entry: Entry | None
    entries: tuple[Entry, ...] = ()
    lost: bool = False

    @property
    def status(self) -> RunStatus:
        """How the run stands; one whose node is gone is incomplete, though nobody has closed it."""
        return "incomplete" if self.lost and self.end is None else status_of(self.end)

    @property
    def duration_s(self) -> float | None:
        """From COMMAND spawned to COMMAND reaped [s]."""
        return None if self.end is None else (self.end.ended_ns - self.end.started_ns) / 1e9


def status_of(end: RunEnd | None) -> RunStatus:
    """Return running, finished (exit 0), failed, killed (by a signal) or incomplete (end not observed)."""
    if end is None:
        return "running"
    if not end.observed:
        return "incomplete"
    if end.signal is not None:
        return "killed"
    return "finished" if end.exit_code == 0 else "failed"


def _plain(value: Any) -> Any:
    from dataclasses import fields, is_dataclass

    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def emissions_plain(entry: Entry) -> dict[str, Any]:
    """Return all accounts of a bill, side by side."""
    plain: dict[str, Any] = _plain(entry.emissions)
    return plain


def _entry_plain(entry: Entry, newer: Sequence[Entry]) -> dict[str, Any]:
    location: EmissionsBill | None = entry.emissions.location or entry.emissions.marginal
    return {
        "id": entry.id,
        "made": entry.made,
        "intensity": None if location is None else _plain(location.intensity),
        "emissions": emissions_plain(entry),
        "pue": entry.pue,
        "pue_source": _pue_source(entry),
        "superseded_by": newer[0].id if newer else None,
    }


def view_plain(view: RunView) -> dict[str, Any]:
    """Return the JSON of ``lowtide show``: unknown is null, instants are UTC, units are in the keys."""
    header, end, entry = view.header, view.end, view.entry
    return {
        "run_id": header.run_id,
        "name": header.name,
        "command": list(header.command),
        "tags": dict(header.tags),
        "host": header.host,
        "parent_run_id": header.parent_run_id,
        "created": format_instant(header.created_ns),
        "started": None if end is None else format_instant(end.started_ns),
        "ended": None if end is None else format_instant(end.ended_ns),
        "duration_s": view.duration_s,
        **_times_plain(view),
        "exit_code": None if end is None else end.exit_code,
        "signal": None if end is None else end.signal,
        "status": view.status,
        "interval_s": header.interval_s,
        **_bill_plain(entry),
        "entries": [_entry_plain(e, view.entries[i + 1 :]) for i, e in enumerate(view.entries)],
        "telemetry": None if end is None else _plain(end.telemetry),
        "machine": _plain(header.machine),
        "models": {
            "cpu": _plain(header.cpu_model),
            "memory": _plain(header.memory_model),
            "rest": _plain(header.rest_model),
        },
        "budget": budget_plain(header.budget, end, entry),
        "note": "" if end is None else end.note,
        "problems": _problems(view),
        "version": header.version,
    }


def _problems(view: RunView) -> list[str]:
    """Return what the bill lacks, in words: sensors that could not be read, why there is no carbon or score."""
    problem = "" if view.entry is None else view.entry.problem
    return [*view.header.unread_sensors, *(words for words in (problem, no_score_words(view)) if words)]


def no_score_words(view: RunView) -> str:
    """Return why a run with a functional unit has no SCI; empty where it has one, or was not asked for any."""
    unit = view.header.functional_unit
    if unit is None or view.end is None or (view.entry is not None and view.entry.sci is not None):
        return ""
    location = None if view.entry is None else view.entry.emissions.location
    if location is None or location.g is None:
        return f"no SCI per {unit}: the run's carbon by location is unknown"
    name = parse_functional_unit(unit)[1]
    return f"no SCI per {unit}: no {name} was counted; count in the script: lowtide.count({name!r}, n)"


def _times_plain(view: RunView) -> dict[str, Any]:
    """Return how long a run ran, was paused and waited to be started [s]."""
    plan = None if view.end is None else view.end.plan
    if plan is None or view.duration_s is None:
        return {"running_s": view.duration_s, "paused_s": 0.0, "waited_s": 0.0}
    return {
        "running_s": view.duration_s - plan.paused_s,
        "paused_s": plan.paused_s,
        "waited_s": plan.waited_s,
    }


def _plan_plain(bill: PlanBill | None) -> dict[str, Any] | None:
    """Return the bill of a plan, instants as text; null where there was no plan."""
    if bill is None:
        return None
    plain: dict[str, Any] = _plain(bill)
    for table in (plain, *(plain[name] for name in ("first", "half", "last") if plain[name] is not None)):
        for key in [key for key in table if key.endswith("_ns")]:
            t_ns = table.pop(key)
            table[key.removesuffix("_ns")] = None if t_ns is None else format_instant(t_ns)
    return plain


def _pue_source(entry: Entry) -> str | None:
    """Return where a PUE that varies came from."""
    return None if entry.pue_steps is None else entry.pue_steps.source


def _bill_plain(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        nothing = ("energy", "pue", "pue_source", "facility_kwh", "sci", "n_readings")
        return {
            **dict.fromkeys(nothing),
            "gaps": [],
            "emissions": dict.fromkeys(_ACCOUNTS),
            "problem": "",
            "plan": None,
            **progress_plain(None),
        }
    return {
        "n_readings": entry.n_readings,
        "gaps": [
            {
                "start": format_instant(g.start_ns),
                "end": format_instant(g.end_ns),
                "channel": g.channel,
                "reason": g.reason,
            }
            for g in entry.gaps
        ],
        "energy": _plain(entry.energy),
        "pue": entry.pue,
        "pue_source": _pue_source(entry),
        "facility_kwh": entry.facility_kwh,
        "emissions": emissions_plain(entry),
        "sci": _plain(entry.sci),
        "problem": entry.problem,
        "plan": _plan_plain(entry.plan),
        **progress_plain(entry),
    }


_ACCOUNTS = ("location", "marginal", "market", "embodied")
