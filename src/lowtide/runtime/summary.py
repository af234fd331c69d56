"""The four lines for a run that has just been closed."""

from __future__ import annotations

from lowtide.errors import LowtideError
from lowtide.model.grid_choice import GridChoice
from lowtide.model.ledger import Entry
from lowtide.planning.shift import Shift, best_start
from lowtide.reporting.summary import four_lines
from lowtide.reporting.view import RunView
from lowtide.runtime.prepare import ledger_flag
from lowtide.runtime.views import read_view
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.stores.ledger import Ledger
from lowtide.units import NS_PER_H

__all__ = ["summary_lines"]

_WITHIN_NS = 24 * NS_PER_H


def summary_lines(ledger: Ledger, run_id: str) -> list[str]:
    """Return the four lines of a closed run."""
    view = read_view(ledger, run_id)
    planned = view.entry is not None and view.entry.plan is not None
    shift, note = (None, "") if planned else another_time(ledger, view)
    return four_lines(view, shift=shift, shift_note=note, flags=ledger_flag(ledger))


def another_time(ledger: Ledger, view: RunView) -> tuple[Shift | None, str]:
    """Return the best start within 24 h of the run's own, or why that is unknown."""
    entry = view.entry
    bill = entry.emissions.location or entry.emissions.marginal if entry else None
    if entry is None or bill is None or bill.g is None:
        return None, "without carbon another time cannot be judged"
    if not bill.intensity.time_resolved:
        return None, f"another time cannot be judged: yearly mean only for {bill.intensity.zone}"
    try:
        power = _billed_power(ledger, view.header.run_id, entry)
        intensity = _kept_intensity(view.header.grid, power)
    except LowtideError as error:
        return None, f"another time cannot be judged: {error}"
    if intensity is not None and len(set(intensity.intensity_g_per_kwh.tolist())) == 1:
        return None, "the intensity is the same at all times, so no start would have changed anything"
    shift = None if intensity is None else best_start(power, intensity, within_ns=_WITHIN_NS)
    if shift is None:
        return None, "the intensity ends with the run, so another time cannot be judged"
    return shift, "" if entry.pue_steps is None else "with the PUE of its own hours"


def _billed_power(ledger: Ledger, run_id: str, entry: Entry) -> PowerSeries:
    """Return the power whose emissions the bill states: the facility's where there is a PUE."""
    from lowtide.accounting.booking import node_energy
    from lowtide.accounting.pue import overhead
    from lowtide.stores.records import read_record

    node = node_energy(read_record(ledger, run_id))
    return overhead(node.power, node.bill.total_kwh, entry.pue_steps or entry.pue).power


def _kept_intensity(choice: GridChoice, power: PowerSeries) -> IntensitySeries | None:
    """Return what is known without the network: the job has ended and nobody waits for it twice."""
    from lowtide.runtime.billing import intensities_for
    from lowtide.runtime.grid_access import cached_only

    end_ns = power.end_ns + _WITHIN_NS + NS_PER_H
    with cached_only() as access:
        given = intensities_for(choice, start_ns=power.start_ns, end_ns=end_ns, access=access)
    return given.location or given.marginal
