"""A report as a document: sections of paragraphs and tables, before it is Markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.model.signal import Signal
from lowtide.quantities import format_duration
from lowtide.reporting.equivalences import equivalence_lines
from lowtide.reporting.figures import percent
from lowtide.reporting.plan_tables import plan_notes, plans_table, ways_table
from lowtide.reporting.sources import sources_of, unnamed_sources
from lowtide.reporting.tables import (
    Table,
    accounts_table,
    bills_table,
    components_table,
    gaps_table,
    hardware_table,
    ranges_table,
    runs_table,
    use_table,
)
from lowtide.reporting.totals import RANGE_NOTE, totals_of
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import clean, no_carbon_words, primary_bill

__all__ = ["WAITING", "Section", "statement_of", "title_of"]

WAITING: Final = "Against running at once"
"""Title of the section of runs that waited for green."""

_NOT_RECORDED: Final = (
    "Not recorded: Python packages, utilization and clock of processor and GPU, load average, "
    "network and storage traffic outside the machine."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report.

    Attributes
    ----------
    title : str
    paragraphs, items : tuple of str
        Plain text, not escaped; items are a list after the paragraphs.
    table : Table or None
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    table: Table | None = None


def title_of(views: Sequence[RunView]) -> str:
    """Return what the document is called."""
    names = list(dict.fromkeys(clean(view.header.name) for view in views))
    what = names[0] if len(names) == 1 else f"{len(views)} runs"
    return f"Energy and carbon of {what}"


def statement_of(views: Sequence[RunView], *, equivalences: bool) -> list[Section]:
    """Return the sections of a report of runs.

    Parameters
    ----------
    views : sequence of RunView
        Failed, killed and running ones included.
    equivalences : bool
        Whether to add what the carbon is like, in things people know.
    """
    if not views:
        return [Section(title="In short", paragraphs=("There are no runs to report.",))]
    return [
        _short(views),
        Section(title="Runs", table=runs_table(views)),
        Section(title="Energy", paragraphs=tuple(_energy_notes(views)), table=components_table(views)),
        Section(title="Carbon", paragraphs=tuple(_carbon_notes(views)), table=accounts_table(views)),
        *_plans(views),
        Section(title="Ranges", paragraphs=tuple(_range_notes(views)), table=ranges_table(views)),
        _gaps(views),
        _signals(views),
        Section(title="Hardware", paragraphs=(_NOT_RECORDED,), table=hardware_table(views)),
        Section(title="Use", table=use_table(views)),
        *_bills(views),
        *(_like(views) if equivalences else []),
    ]


def _short(views: Sequence[RunView]) -> Section:
    sentence = totals_of(views).sentence()
    return Section(title="In short", paragraphs=(f"{sentence[0].upper()}{sentence[1:]}.",))


def _energy_notes(views: Sequence[RunView]) -> list[str]:
    """Return how the energy was got, as a methods paragraph."""
    entries = [view.entry for view in views if view.entry is not None]
    recorded = [v for v in views if v.entry is not None and v.entry.energy.attribution is not None]
    words = [_recorded_words(recorded)] if recorded else []
    if len(recorded) < len(entries):
        words.append(
            "Energy of logs is the integral of the power they hold, at the boundary they were given."
        )
    if any(v.entry is not None and v.entry.energy.attribution == "share" for v in views):
        words.append(
            "Of a machine used by several, a run is billed the power its CPU time causes and its share of what "
            "the machine draws idle."
        )
    blind = [v for v in views if v.entry is not None and v.entry.energy.known_time_fraction < 0.9995]
    words += [
        f"{_who(v)}: power is unknown for {_unknown_time(v)} of the time, which is left out." for v in blind
    ]
    if any(entry.facility_kwh is None and entry.energy.boundary != "facility" for entry in entries):
        words.append(
            "Without a PUE, cooling and power distribution of the building are not in the figures, and grams are "
            "of the machine."
        )
    return words


def _recorded_words(views: Sequence[RunView]) -> str:
    versions = sorted({v.entry.version for v in views if v.entry is not None and v.entry.version})
    every = " or ".join(format_duration(s) for s in sorted({view.header.interval_s for view in views}))
    return (
        f"Energy was recorded by lowtide {', '.join(versions)}".rstrip()
        + f": counters, gauges and CPU time were read every {every}. Counters give energy, gauges the power "
        "between two readings; what has neither is modelled, as the table says, and the rest of the machine "
        "(fans, supply loss, board) is modelled on its components."
    )


def _who(view: RunView) -> str:
    return f"{clean(view.header.name)} ({view.header.run_id})"


def _unknown_time(view: RunView) -> str:
    known = 1.0 if view.entry is None else view.entry.energy.known_time_fraction
    return percent(1.0 - known)


def _carbon_notes(views: Sequence[RunView]) -> list[str]:
    words = [
        "Carbon is the integral of power times the grid's intensity over the time of the run. Accounts stand side "
        "by side and are never added: location is the grid's average, marginal what the plants that answer a "
        "change of load emit, market what contracts say."
    ]
    unknown = [f"{_who(v)}: carbon is unknown: {no_carbon_words(v)}." for v in views if no_carbon_words(v)]
    if not any(v.entry is not None and v.entry.emissions.embodied is not None for v in views):
        words.append("The manufacture of the hardware is not in the figures: nothing is known of it.")
    return [*words, *unknown]


def _plans(views: Sequence[RunView]) -> list[Section]:
    """Return the sections of runs that waited for green; none where none did."""
    table = plans_table(views)
    if not table.rows:
        return []
    words = (
        "Each step puts one thing as it really was, in this order, and leaves what comes after it as planned; "
        "the steps add up to the whole difference.",
    )
    return [
        Section(title=WAITING, paragraphs=tuple(plan_notes(views)), table=table),
        Section(title="From promise to bill", paragraphs=words, table=ways_table(views)),
    ]


def _range_notes(views: Sequence[RunView]) -> list[str]:
    words = [
        "Ranges are 90 % intervals. Within a run, sources of error are taken as independent and their deviations "
        "add in quadrature; the table says how far each alone would move the figure."
    ]
    if len(views) > 1:
        words.append(f"Over several runs, {RANGE_NOTE}.")
    notes = [
        bill.range_note for v in views if (bill := primary_bill(v.entry)) is not None and bill.range_note
    ]
    return [*words, *(f"Contained: {clean(note)}." for note in dict.fromkeys(notes))]


def _gaps(views: Sequence[RunView]) -> Section:
    table = gaps_table(views)
    words = () if table.rows else ("None: every channel answered all the time.",)
    return Section(title="Gaps", paragraphs=words, table=table)


def _signals(views: Sequence[RunView]) -> Section:
    signals = [(n, s) for v in views if v.entry is not None for n, s in v.entry.signals.items()]
    items = dict.fromkeys(_signal_words(name, signal) for name, signal in signals)
    cited = [source.plain() for source in sources_of(views)]
    others = [f"{clean(source)} (given by the user)" for source in unnamed_sources(views)]
    words = ["Data behind the figures: " + "; ".join([*cited, *others]) + "."] if cited or others else []
    if not items:
        words.insert(0, "No intensity was used.")
    return Section(title="Intensity and sources", paragraphs=tuple(words), items=tuple(items))


def _signal_words(name: str, signal: Signal) -> str:
    kinds = f"{signal.basis}, factors {signal.factors}, flow {signal.flow}"
    vintage = f", values of {signal.vintage}" if signal.vintage else ""
    resolved = "" if signal.time_resolved else ", yearly mean only"
    return clean(f"{name}: {signal.zone or 'no zone named'}; {kinds}; {signal.source}{vintage}{resolved}")


def _bills(views: Sequence[RunView]) -> list[Section]:
    table = bills_table(views)
    words = ("These runs were billed more than once; the last bill is in force, earlier ones are kept.",)
    return [Section(title="Bills", paragraphs=words, table=table)] if table.rows else []


def _like(views: Sequence[RunView]) -> list[Section]:
    g = totals_of(views).g
    lines = equivalence_lines(g) if g is not None else []
    words = ("For a feeling of the size only; each figure has a year and a range of its own.",)
    return [Section(title="What it is like", paragraphs=words, items=tuple(lines))] if lines else []
