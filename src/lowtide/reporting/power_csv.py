"""A run's power over time as CSV: the step function itself, one row a step."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from lowtide.accounting.attribution import attribute
from lowtide.accounting.booking import node_energy
from lowtide.model.record import Record
from lowtide.quantities import format_instant
from lowtide.series import steps

if TYPE_CHECKING:
    from lowtide.series.steps import FloatArray, IntArray

__all__ = ["power_csv"]


def power_csv(record: Record) -> str:
    """Return ``start,end,power_w,boundary`` and a column a component, empty where unknown.

    ``power_w`` is mean power over ``[start, end)`` at `boundary`, and contains the modelled rest of the node;
    the components (``cpu_w`` ...) do not, so they add up to less.

    Raises
    ------
    NothingRecordedError
        If nothing was recorded.
    """
    power = node_energy(record).power
    components = _component_w(record, power.edges_ns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["start", "end", "power_w", "boundary", *(f"{name}_w" for name in components)])
    instants = [format_instant(t_ns) for t_ns in power.edges_ns.tolist()]
    columns = [_cells(power.power_w), *(_cells(values) for values in components.values())]
    for start, end, watts, *parts in zip(instants[:-1], instants[1:], *columns, strict=True):
        writer.writerow([start, end, watts, power.boundary, *parts])
    return text.getvalue()


def _component_w(record: Record, edges_ns: IntArray) -> dict[str, FloatArray]:
    """Return each component's power on the given edges [W], which contain all of its own."""
    found: dict[str, FloatArray] = {}
    for part in attribute(record):
        values = steps.at(part.power.edges_ns, part.power.power_w, edges_ns[:-1])
        if part.component in found:
            known = found[part.component]
            both = np.where(np.isnan(known), 0.0, known) + np.where(np.isnan(values), 0.0, values)
            values = np.where(np.isnan(known) & np.isnan(values), np.nan, both)
        found[part.component] = values
    return found


def _cells(values: FloatArray) -> list[str]:
    return ["" if np.isnan(value) else repr(value) for value in values.tolist()]
