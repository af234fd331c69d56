"""Accounting stored runs again with what is configured now."""

from __future__ import annotations

from dataclasses import replace

from lowtide.errors import InputError
from lowtide.model.ledger import Entry
from lowtide.runtime.billing import reprice
from lowtide.runtime.config import Config
from lowtide.runtime.prepare import grid_choice, pue_of
from lowtide.runtime.views import read_view
from lowtide.stores.ledger import Ledger

__all__ = ["reprice_run", "stale_runs"]


def reprice_run(ledger: Ledger, run_id: str, config: Config, *, gaps: str | None = None) -> Entry:
    """Bill a stored run with the configured intensity and PUE; what is not given stays as the run had it.

    Raises
    ------
    InputError
        If the run is going on, or the intensity does not cover it and `gaps` is None.
    """
    header = ledger.header(run_id)
    if ledger.end(run_id) is None:
        raise InputError(f"run {run_id} has not ended; a running run has no bill to make again")
    given = grid_choice(config)
    choice = given if given.intensity or given.zone else header.grid
    if given.intensity and not given.zone:
        choice = replace(given, zone=header.grid.zone if given.zone is None else given.zone)
    pue = pue_of(config.get("pue"))
    return reprice(ledger, run_id, choice=choice, pue=header.pue if pue is None else pue, gaps=gaps)


def stale_runs(ledger: Ledger) -> list[str]:
    """Return the runs whose bill in force rests on anything but measured intensity."""
    stale = []
    for run_id in ledger.ids():
        entry = read_view(ledger, run_id, preview=False).entry
        bill = entry.emissions.location if entry is not None else None
        if bill is not None and bill.status_fractions.get("measured", 0.0) < 1.0 - 1e-9:
            stale.append(run_id)
    return stale
