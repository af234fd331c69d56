"""The four lines for a run that has just been closed."""

from __future__ import annotations

from lowtide.errors import LowtideError
from lowtide.planning.shift import Shift, best_start
from lowtide.reporting.summary import four_lines
from lowtide.reporting.view import RunView
from lowtide.runtime.prepare import ledger_flag
from lowtide.runtime.views import read_view
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
    from lowtide.accounting.booking import node_energy
    from lowtide.runtime.billing import intensities_for
    from lowtide.runtime.grid_access import cached_only
    from lowtide.stores.records import read_record

    bill = view.entry.emissions.location or view.entry.emissions.marginal if view.entry else None
    if bill is None or bill.g is None:
        return None, "without carbon another time cannot be judged"
    if not bill.intensity.time_resolved:
        return None, f"another time cannot be judged: yearly mean only for {bill.intensity.zone}"
    try:
        power = node_energy(read_record(ledger, view.header.run_id)).power
        with cached_only() as access:  # the job has ended and nobody waits for the network twice
            given = intensities_for(
                view.header.grid,
                start_ns=power.start_ns,
                end_ns=power.end_ns + _WITHIN_NS + NS_PER_H,
                access=access,
            )
    except LowtideError as error:
        return None, f"another time cannot be judged: {error}"
    intensity = given.location or given.marginal
    if intensity is not None and len(set(intensity.intensity_g_per_kwh.tolist())) == 1:
        return None, "the intensity is the same at all times, so no start would have changed anything"
    shift = None if intensity is None else best_start(power, intensity, within_ns=_WITHIN_NS)
    return shift, "the intensity ends with the run, so another time cannot be judged"
