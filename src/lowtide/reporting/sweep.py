"""A sweep as a table, as CSV, and what a reader must know before believing it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Final

from lowtide.planning.swept import SweepResult, SweepRow, SweptZone, ZonesMean
from lowtide.quantities import format_duration
from lowtide.reporting.figures import grams, plain_number
from lowtide.reporting.wording import clean, minute

__all__ = ["HEADER", "sweep_cells", "sweep_csv", "sweep_notes", "swept_words"]

HEADER: Final = (
    "job",
    "zone",
    "slack",
    "policy",
    "saving",
    "overall",
    "run-now",
    "plan",
    "pauses/h",
    "starts",
)
_MOST_ROWS: Final = 40


def sweep_csv(result: SweepResult) -> str:
    """Return the rows as CSV; unknown is empty."""
    names = [field.name for field in fields(SweepRow)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for row in result.rows:
        values = (getattr(row, name) for name in names)
        writer.writerow(["" if value is None else value for value in values])
    return text.getvalue()


def sweep_cells(result: SweepResult) -> list[tuple[str, ...]]:
    """Return the cells of a table under :data:`HEADER`: the rows, or where they are many their means."""
    rows: Sequence[SweepRow | ZonesMean] = result.rows
    if len(result.rows) > _MOST_ROWS and len(result.zones) > 1:
        rows = result.over_zones()
    per_kwh = all(row.energy_kwh == 1.0 for row in result.rows)
    return [_cells(row, per_kwh=per_kwh) for row in rows]


def _cells(row: SweepRow | ZonesMean, *, per_kwh: bool) -> tuple[str, ...]:
    saving, pauses = row.mean_saving_fraction, row.pauses_per_hour
    return (
        clean(row.job),
        clean(row.zone or "-") if isinstance(row, SweepRow) else f"mean of {row.n_zones}",
        row.slack,
        row.policy,
        _share(saving),
        _share(row.ratio_saving_fraction),
        _amount(row.mean_baseline_g, per_kwh=per_kwh),
        _amount(row.mean_emissions_g, per_kwh=per_kwh),
        "-" if pauses is None else f"{pauses:.2f}",
        str(row.n_starts) if isinstance(row, SweepRow) else "",
    )


def _share(fraction: float | None) -> str:
    return "unknown" if fraction is None else f"{100.0 * fraction:.1f} %"


def _amount(g: float | None, *, per_kwh: bool) -> str:
    if g is None:
        return "unknown"
    return f"{plain_number(g)} g/kWh" if per_kwh else grams(g)


def swept_words(result: SweepResult) -> str:
    """Return what was swept, in a line."""
    first = result.zones[0]
    words = f"{first.basis} intensity, {first.factors} factors"
    time = f"{minute(first.start_ns)} to {minute(first.end_ns)} in slots of {format_duration(first.slot_s)}"
    if len(result.zones) == 1:
        return f"{clean(first.zone or 'unnamed zone')}: {words}; {time}; {clean(first.source)}"
    same = all(_like(zone) == _like(first) for zone in result.zones)
    return f"{len(result.zones)} zones: {f'{words}; {time}' if same else 'of different times or kinds'}"


def _like(zone: SweptZone) -> tuple[object, ...]:
    return zone.basis, zone.factors, zone.start_ns, zone.end_ns, zone.slot_s


def sweep_notes(result: SweepResult) -> list[str]:
    """Return what the savings mean and what they leave out, in sentences."""
    bases = {zone.basis for zone in result.zones}
    kinds = {"average": "allocated (average intensity)", "marginal": "avoided (marginal intensity)"}
    notes = [
        f"Savings against run-now at the same start, {' and '.join(kinds[basis] for basis in sorted(bases))}, "
        "if all intensity were known in advance: a forecast reaches less. Pausing costs nothing here.",
        "saving: the mean of the starts' own fractions; overall: of all grams of run-now together.",
    ]
    flat = [clean(zone.zone or "-") for zone in result.zones if not zone.time_resolved]
    if flat:
        notes.append(f"Yearly mean only, so shifting in time cannot be judged: {', '.join(flat)}.")
    if any("typical" in zone.statuses and zone.time_resolved for zone in result.zones):
        notes.append(
            "Typical profiles are means over weather: days differ more in a real year, which offers more."
        )
    unknown = max(row.n_unknown for row in result.rows)
    if unknown:
        notes.append(
            f"Starts whose run-now meets unknown intensity are left out, at most {unknown} of a row."
        )
    most = max(result.rows, key=lambda row: row.n_not_positive)
    if most.n_not_positive:
        notes.append(
            f"WARNING: run-now emits nothing or less at {most.n_not_positive} of {most.n_starts} starts of a row: "
            "they have no fraction, so saving leaves them out; overall has them."
        )
    empty = [row for row in result.rows if row.n_starts == row.n_unknown == 0]
    if empty:
        notes.append(
            f"{empty[0].job} with {empty[0].slack}: no whole window fits; --edge cut keeps such starts."
        )
    if len(result.rows) > _MOST_ROWS and len(result.zones) > 1:
        notes.append(f"All {len(result.rows)} rows, zone by zone: --csv FILE or --json.")
    return notes
