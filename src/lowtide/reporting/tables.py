"""The tables of a report, as plain text cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lowtide.model.ledger import EmissionsBill, Entry
from lowtide.quantities import format_duration
from lowtide.reporting.figures import data_size, energy, grams, percent, plain_number, range_of
from lowtide.reporting.hardware import gpu_words, machine_words, share_words
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import (
    clean,
    factors_words,
    is_log,
    method_words,
    minute,
    primary_bill,
    range_parts,
    second,
    source_words,
    status_words,
    value_status_words,
    value_words,
    where_words,
)

__all__ = [
    "Table",
    "accounts_table",
    "bills_table",
    "components_table",
    "gaps_table",
    "hardware_table",
    "labelled",
    "ranges_table",
    "runs_table",
    "use_table",
]

_UNKNOWN = "unknown"
_GAPS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of plain text; columns in `right` are figures."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


def labelled(views: Sequence[RunView]) -> list[tuple[str, RunView]]:
    """Return each run with what tables call it: its name, with the end of its id where names repeat."""
    names = Counter(view.header.name for view in views)
    return [
        (clean(v.header.name) + (f" {v.header.run_id[-6:]}" if names[v.header.name] > 1 else ""), v)
        for v in views
    ]


def _grams(bill: EmissionsBill | None) -> str:
    if bill is None or bill.g is None or bill.low_g is None or bill.high_g is None:
        return _UNKNOWN
    return range_of(bill.g, bill.low_g, bill.high_g, of="grams")


def runs_table(views: Sequence[RunView]) -> Table:
    """Return one row a run: what it was, what it drew, what it emitted."""
    header = ("run", "id", "status", "started", "duration", "energy (range)", "at the", "measured",
              "CO2e (range)", "of the")  # fmt: skip
    return Table(header=header, rows=tuple(_run_row(*run) for run in labelled(views)), right=(4, 5, 7, 8))


def _run_row(name: str, view: RunView) -> tuple[str, ...]:
    bill, energy_bill = primary_bill(view.entry), view.entry.energy if view.entry else None
    start_ns = view.header.created_ns if view.end is None else view.end.started_ns
    drawn = (_UNKNOWN, "", "")
    if energy_bill is not None:
        drawn = (
            range_of(energy_bill.total_kwh, energy_bill.low_kwh, energy_bill.high_kwh, of="energy"),
            energy_bill.boundary,
            percent(energy_bill.measured_fraction),
        )
    return (
        name,
        view.header.run_id,
        status_words(view),
        minute(start_ns),
        "not ended" if view.duration_s is None else format_duration(view.duration_s),
        *drawn,
        _grams(bill),
        bill.of if bill is not None and bill.g is not None else "",
    )


def components_table(views: Sequence[RunView]) -> Table:
    """Return one row a component: how much, and how that is known."""
    rows = []
    for name, view in labelled(views):
        if view.entry is None:
            continue
        bill = view.entry.energy
        for component in bill.method:
            kwh = bill.rest_kwh if component == "rest" else bill.by_component.get(f"{component}_kwh")
            how = method_words(bill, component, cpu_source=view.header.cpu_model.source)
            rows.append((name, component, _UNKNOWN if kwh is None else energy(kwh), how))
        if view.entry.facility_kwh is not None:
            how = "as logged" if view.entry.pue is None else _pue_words(view.entry)
            rows.append((name, "facility", energy(view.entry.facility_kwh), how))
    return Table(header=("run", "part", "energy", "how it is known"), rows=tuple(rows), right=(2,))


def _pue_words(entry: Entry) -> str:
    if entry.pue_steps is None:
        return f"node x PUE {entry.pue:g}"
    return f"node x PUE {entry.pue:.4g} on average by energy; {entry.pue_steps.source}"


def accounts_table(views: Sequence[RunView]) -> Table:
    """Return one row an account, embodied share and SCI score included."""
    rows = [row for run in labelled(views) for row in _account_rows(*run)]
    header = (
        "run",
        "account",
        "CO2e (range)",
        "of the",
        "zone",
        "basis and factors",
        "mean intensity",
        "status",
    )
    return Table(header=header, rows=tuple(rows), right=(2, 6))


def _account_rows(run: str, view: RunView) -> list[tuple[str, ...]]:
    if view.entry is None:
        return []
    accounts, rows = view.entry.emissions, []
    for name in ("location", "marginal", "market"):
        bill: EmissionsBill | None = getattr(accounts, name)
        if bill is not None:
            rows += _bill_rows(run, name, bill)
    if accounts.embodied is not None:
        made = accounts.embodied
        how = f"{plain_number(made.device_kg)} kg, {made.lifetime_years:g} years"
        rows.append((run, "embodied", grams(made.g), "hardware", "", how, "", "declared"))
    if view.entry.sci is not None:
        score = view.entry.sci
        what = f"per {score.functional_unit.replace(':', ' ')}"
        how = "operational only" if score.embodied_g is None else "with embodied"
        rows.append((run, "SCI", f"{grams(score.score_g)} {what}", "", "", how, "", ""))
    return rows


def _bill_rows(run: str, name: str, bill: EmissionsBill) -> list[tuple[str, ...]]:
    used = bill.intensity
    status = value_status_words(bill)
    if bill.covered_fraction < 0.9995:
        status = f"{status}; covers {percent(bill.covered_fraction)} of the energy".removeprefix("; ")
    row = (
        run,
        name,
        _grams(bill),
        bill.of,
        where_words(used),
        factors_words(used),
        value_words(used),
        status,
    )
    if bill.direct_g is None:
        return [row]
    direct = (
        run,
        f"{name}, direct",
        grams(bill.direct_g),
        bill.of,
        where_words(used),
        f"{used.basis} direct",
        "",
        "",
    )
    return [row, direct]


def ranges_table(views: Sequence[RunView]) -> Table:
    """Return how far each source of error alone moves a run's carbon."""
    rows = [
        (name, clean(part.source), grams(part.low_g), grams(part.high_g))
        for name, view in labelled(views)
        if (bill := primary_bill(view.entry)) is not None
        for part in range_parts(bill)
    ]
    return Table(header=("run", "source of error", "low", "high"), rows=tuple(rows), right=(2, 3))


def gaps_table(views: Sequence[RunView]) -> Table:
    """Return the gaps, the first of each run one by one."""
    rows = []
    for name, view in labelled(views):
        gaps = view.entry.gaps if view.entry is not None else ()
        for gap in gaps[:_GAPS_SHOWN]:
            length = format_duration((gap.end_ns - gap.start_ns) / 1e9)
            rows.append((name, second(gap.start_ns), length, gap.channel, clean(gap.reason)))
        if len(gaps) > _GAPS_SHOWN:
            rows.append((name, "", "", "", f"and {len(gaps) - _GAPS_SHOWN} more"))
    return Table(header=("run", "from", "for", "channel", "reason"), rows=tuple(rows))


def hardware_table(views: Sequence[RunView]) -> Table:
    """Return the machine of each run."""
    rows = [
        (name, gpu_words(v) or "none billed", machine_words(v.header.machine), share_words(v) or "all of it")
        for name, v in labelled(views)
        if not is_log(v)
    ]
    return Table(header=("run", "GPUs", "machine", "usable share"), rows=tuple(rows))


def use_table(views: Sequence[RunView]) -> Table:
    """Return what the operating system says each run used."""
    header = ("run", "CPU time", "CPUs in use", "memory at most", "disk read", "disk written", "mean write speed",
              "readings")  # fmt: skip
    return Table(
        header=header,
        rows=tuple(_use_row(*run) for run in labelled(views) if not is_log(run[1])),
        right=tuple(range(1, 8)),
    )


def _use_row(name: str, view: RunView) -> tuple[str, ...]:
    used = view.end.telemetry if view.end is not None else None
    seconds = view.duration_s or None

    def size(n_bytes: int | None) -> str:
        return _UNKNOWN if n_bytes is None else data_size(n_bytes)

    cpu_s = None if used is None else used.cpu_seconds
    written = None if used is None else used.disk_write_bytes
    return (
        name,
        _UNKNOWN if cpu_s is None else format_duration(cpu_s),
        _UNKNOWN if cpu_s is None or seconds is None else plain_number(cpu_s / seconds),
        size(None if used is None else used.peak_memory_bytes),
        size(None if used is None else used.disk_read_bytes),
        size(written),
        _UNKNOWN if written is None or seconds is None else f"{data_size(written / seconds)}/s",
        _UNKNOWN if view.entry is None else str(view.entry.n_readings),
    )


def bills_table(views: Sequence[RunView]) -> Table:
    """Return every bill of the runs that have several."""
    rows = []
    for name, view in labelled(views):
        for entry in view.entries if len(view.entries) > 1 else ():
            bill = primary_bill(entry)
            source = "" if bill is None else source_words(bill.intensity)
            force = "in force" if entry.id == view.entries[-1].id else "superseded"
            rows.append((name, entry.id, f"{entry.made[:19]}Z", _grams(bill), source, force))
    return Table(header=("run", "bill", "made", "CO2e (range)", "source", ""), rows=tuple(rows), right=(3,))
