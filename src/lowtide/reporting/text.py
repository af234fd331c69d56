"""Runs in a terminal: all figures with their ranges, methods and sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from lowtide.model.ledger import EmissionsBill, EmissionsSet, EnergyBill, Entry
from lowtide.model.pue import PueSteps
from lowtide.model.record import Gap, Telemetry
from lowtide.quantities import format_duration
from lowtide.reporting.budget import budget_lines
from lowtide.reporting.equivalences import equivalence_lines
from lowtide.reporting.figures import data_size, energy, grams, percent, plain_number, range_of
from lowtide.reporting.hardware import hardware_words
from lowtide.reporting.plan_text import plan_lines
from lowtide.reporting.progress_text import progress_lines
from lowtide.reporting.totals import totals_of
from lowtide.reporting.view import RunView, no_score_words
from lowtide.reporting.wording import (
    clean,
    command_words,
    covers_all,
    method_words,
    no_carbon_words,
    range_parts,
    second,
    source_words,
    status_words,
    value_status_words,
    value_words,
    where_words,
)

__all__ = ["RANGES", "Billed", "bill_lines", "gap_lines", "report_text", "show_text"]

RANGES: Final = "ranges     in brackets: 90 % intervals"
_ALL_KNOWN: Final = 0.9995
_GAPS_SHOWN: Final = 10
_WIDTH: Final = 110


def show_text(view: RunView) -> str:
    """Return one run in full."""
    lines = [*_run_lines(view)]
    if view.entry is None:
        why = "nothing was recorded yet" if view.end is None else "nothing was recorded"
        return "\n".join([*lines, f"energy     unknown: {why}"])
    entry = view.entry
    no_carbon = no_carbon_words(view)
    lines += bill_lines(entry, no_carbon=no_carbon, cpu_source=view.header.cpu_model.source)
    lines += [f"problem    {clean(entry.problem)}"] if entry.problem and not no_carbon else []
    lines += [
        *budget_lines(view.header.budget, view.end, entry),
        *_sci_lines(view, entry),
        *progress_lines(entry),
        *plan_lines(entry.plan),
        RANGES,
        *gap_lines(entry),
    ]
    if len(view.entries) > 1:
        lines.append(f"bills      {len(view.entries)}; this is {entry.id}, made {entry.made[:19]}Z; "
                     "the earlier ones are superseded and kept")  # fmt: skip
    return "\n".join(lines)


def _run_lines(view: RunView) -> list[str]:
    header, end = view.header, view.end
    lines = [f"{clean(header.name)}  {header.run_id}  {status_words(view)}"]
    if header.command:
        lines.append(f"command    {command_words(view)}")
    if header.tags:
        lines.append(f"tags       {clean(', '.join(f'{k}={v}' for k, v in header.tags))}")
    if end is None:
        lines.append(f"time       since {second(header.created_ns)} on {clean(header.host)}; figures so far")
    else:
        duration = format_duration(view.duration_s or 0.0)
        lines.append(f"time       {second(end.started_ns)}, {duration} on {clean(header.host)}")
        lines += _telemetry_lines(end.telemetry)
        lines += [f"note       {clean(end.note)}"] if end.note else []
    lines += [f"not read   {clean(why)}" for why in header.unread_sensors]
    if header.parent_run_id is not None:
        lines.append(f"inside     {header.parent_run_id}, whose energy contains this run's")
    return [*lines, *(f"hardware   {words}" for words in hardware_words([view]))]


def _telemetry_lines(telemetry: Telemetry) -> list[str]:
    parts = []
    if telemetry.cpu_seconds is not None:
        parts.append(f"{format_duration(telemetry.cpu_seconds)} of CPU time")
    for name, n_bytes in (
        ("memory at most", telemetry.peak_memory_bytes),
        ("read", telemetry.disk_read_bytes),
        ("written", telemetry.disk_write_bytes),
    ):
        if n_bytes is not None:
            parts.append(f"{data_size(n_bytes)} {name}")
    return [f"used       {', '.join(parts)}"] if parts else []


class Billed(Protocol):
    """What is shown of a bill, a ledger's entry or not."""

    @property
    def energy(self) -> EnergyBill: ...
    @property
    def pue(self) -> float | None: ...
    @property
    def pue_steps(self) -> PueSteps | None: ...
    @property
    def facility_kwh(self) -> float | None: ...
    @property
    def emissions(self) -> EmissionsSet: ...
    @property
    def gaps(self) -> tuple[Gap, ...]: ...


def _pue_words(billed: Billed) -> str:
    """Return the PUE of a bill, the mean and where it came from for one that varies."""
    if billed.pue is None:
        return ""
    if billed.pue_steps is None:
        return f" with PUE {billed.pue:g}"
    return f" with PUE {billed.pue:.4g} on average by energy; {billed.pue_steps.source}"


def bill_lines(billed: Billed, *, no_carbon: str, cpu_source: str = "", lacks: str = "") -> list[str]:
    """Return the lines of a bill: energy and carbon.

    `no_carbon` says why there is none, and `lacks`, where that is known, what energy without grams lacks.
    """
    return [*_energy_lines(billed, cpu_source), *_carbon_lines(billed, no_carbon, lacks or _lacks(billed))]


def _lacks(billed: Billed) -> str:
    """Return what the energy lacks that has no grams; a run's bill does not tell which of two it is."""
    is_whole = billed.pue_steps is None or billed.facility_kwh is not None
    return "no intensity" if is_whole else "no PUE or no intensity"


def _energy_lines(billed: Billed, cpu_source: str) -> list[str]:
    bill = billed.energy
    total = range_of(bill.total_kwh, bill.low_kwh, bill.high_kwh, of="energy")
    headline = f"energy     {total} at the {bill.boundary}, {percent(bill.measured_fraction)} measured"
    is_part = bill.known_time_fraction < _ALL_KNOWN
    lines = [f"{headline}, {percent(bill.known_time_fraction)} known" if is_part else headline]
    for component in bill.method:
        kwh = bill.rest_kwh if component == "rest" else bill.by_component.get(f"{component}_kwh")
        shown = "unknown" if kwh is None else energy(kwh)
        how = method_words(bill, component, cpu_source=cpu_source)
        lines += _wrapped(f"  {component:<10} {shown:>10}  ", how)
    if bill.attribution is not None:
        idle, dynamic = energy(bill.idle_kwh), energy(bill.dynamic_kwh)
        lines.append(f"  of which   {idle:>10}  share of what the machine draws idle")
        lines.append(f"             {dynamic:>10}  caused by the run (attribution: {bill.attribution})")
    if is_part:
        unknown = percent(1.0 - bill.known_time_fraction)
        lines.append(f"  power is unknown for {unknown} of the time, which is not in these figures")
    if billed.facility_kwh is None:
        if bill.boundary == "node" and billed.pue_steps is not None:
            lines.append(f"facility   unknown: {billed.pue_steps.source} does not cover all of the energy")
        elif bill.boundary == "node":
            lines.append("facility   unknown: no PUE was given")
    else:
        factor = billed.facility_kwh / bill.total_kwh if bill.total_kwh else 1.0
        figures = range_of(billed.facility_kwh, bill.low_kwh * factor, bill.high_kwh * factor, of="energy")
        lines.append(f"facility   {figures}{_pue_words(billed)}")
    return lines


def _carbon_lines(billed: Billed, no_carbon: str, lacks: str) -> list[str]:
    accounts = billed.emissions
    lines = [f"carbon     unknown: {no_carbon}"] if no_carbon else []
    for name in ("location", "marginal", "market"):
        bill: EmissionsBill | None = getattr(accounts, name)
        if bill is not None and bill.g is not None:
            lines += _account_lines(name, bill, lacks)
    if accounts.embodied is not None:
        made = accounts.embodied
        lines.append(
            f"embodied   {grams(made.g)} CO2e of {plain_number(made.device_kg)} kg, for {made.lifetime_years:g} "
            f"years in use {percent(made.utilization)} of the time; not in the figures above"
        )
    return lines


def _sci_lines(view: RunView, entry: Entry) -> list[str]:
    if entry.sci is None:
        why = no_score_words(view)
        return [f"sci        unknown: {clean(why)}"] if why else []
    score, unit = entry.sci, entry.sci.functional_unit.replace(":", " ")
    without = score.embodied_g is None
    kind = (
        "operational only, nothing is known of the hardware's manufacture"
        if without
        else "embodied share included"
    )
    figures = f"{grams(score.score_g)} CO2e per {unit}, {plain_number(score.denominator)} of them"
    return [f"sci        {figures}; {kind}"]


def _account_lines(name: str, bill: EmissionsBill, lacks: str) -> list[str]:
    used = bill.intensity
    figures = range_of(bill.g or 0.0, bill.low_g or 0.0, bill.high_g or 0.0, of="grams")
    lines = [f"carbon     {figures} CO2e of the {bill.of}, {name}"]
    if not covers_all(bill):
        lines.append(f"  covers     {percent(bill.covered_fraction)} of the energy; the rest has {lacks}")
    status = value_status_words(bill)
    value = f"{where_words(used)}, {value_words(used)}" + (f", {status}" if status else "")
    lines.append(f"  intensity  {value}; {used.basis}, factors {used.factors}, flow {used.flow}")
    lines += _wrapped("  source     ", source_words(used))
    if bill.direct_g is not None:
        lines.append(f"  direct     {grams(bill.direct_g)} with direct factors")
    lines += _wrapped("  range      ", clean(bill.range_note))
    lines += [
        f"             {p.source}: {grams(p.low_g)} to {grams(p.high_g)} alone" for p in range_parts(bill)
    ]
    return lines


def _wrapped(head: str, text: str) -> list[str]:
    """Return text after a head, its further lines under where it began; no word is cut."""
    from textwrap import wrap

    indent = " " * len(head)
    return wrap(text, _WIDTH, initial_indent=head, subsequent_indent=indent, break_long_words=False,
                break_on_hyphens=False) or [head.rstrip()]  # fmt: skip


def gap_lines(billed: Billed) -> list[str]:
    """Return the gaps of a bill, the first of them one by one."""
    shown = [
        f"  {second(g.start_ns)} to {second(g.end_ns)[11:]}  {g.channel}: {clean(g.reason)}"
        for g in billed.gaps[:_GAPS_SHOWN]
    ]
    more = len(billed.gaps) - len(shown)
    return (
        [f"gaps       {len(billed.gaps)}", *shown, *([f"  and {more} more"] if more else [])] if shown else []
    )


def report_text(views: Sequence[RunView], equivalences: bool) -> str:
    """Return all runs in full and their total."""
    totals = totals_of(views)
    parts = [show_text(view) for view in views]
    if len(views) > 1:
        heads = ["total      ", *[" " * 11] * len(totals.words())]
        lines = [
            line for head, text in zip(heads, totals.words(), strict=False) for line in _wrapped(head, text)
        ]
        parts.append("\n".join(lines))
    if equivalences and totals.g is not None:
        like = [line for text in equivalence_lines(totals.g) for line in _wrapped("like       ", text)]
        parts += ["\n".join(like)] if like else []
    return "\n\n".join(parts) if parts else "no runs"
