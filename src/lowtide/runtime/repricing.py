"""Accounting stored runs again with what is configured now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lowtide.errors import InputError
from lowtide.model.grid_choice import GridChoice
from lowtide.model.ledger import Entry
from lowtide.model.pue import PueSteps
from lowtide.runtime.billing import measured_share, reprice, reprice_if_better
from lowtide.runtime.config import Config
from lowtide.runtime.grid_named import check_named
from lowtide.runtime.prepare import grid_choice
from lowtide.runtime.pue import pue_of
from lowtide.runtime.views import read_view
from lowtide.stores.ledger import Ledger

if TYPE_CHECKING:
    from lowtide.runtime.grid_access import GridAccess

__all__ = ["reprice_run", "restate_run", "stale_runs"]

_ALL: float = 1.0 - 1e-9


def reprice_run(
    ledger: Ledger, run_id: str, config: Config, *, gaps: str | None = None, access: GridAccess | None = None
) -> Entry:
    """Bill a stored run with the configured intensity and PUE; what is not given stays as the run had it.

    Raises
    ------
    InputError
        If the run is going on, or the intensity does not cover it and `gaps` is None.
    """
    choice, pue = _asked(ledger, run_id, config)
    return reprice(ledger, run_id, choice=choice, pue=pue, gaps=gaps, access=access)


def restate_run(
    ledger: Ledger, run_id: str, config: Config, *, gaps: str | None = None, access: GridAccess | None = None
) -> Entry | None:
    """Bill a stored run again if it can be billed with better values now: measured, or at least estimated.

    Returns
    -------
    Entry or None
        The new bill; None when nothing better is known, and the old one stays in force.

    Raises
    ------
    InputError
        As :func:`reprice_run`.
    """
    choice, pue = _asked(ledger, run_id, config)
    return reprice_if_better(ledger, run_id, choice=choice, pue=pue, gaps=gaps, access=access)


def _asked(ledger: Ledger, run_id: str, config: Config) -> tuple[GridChoice, float | PueSteps | None]:
    """Return the intensity and PUE to bill with: what was given now, else as the run had it."""
    header = ledger.header(run_id)
    end = ledger.end(run_id)
    if end is None:
        raise InputError(f"run {run_id} has not ended; a running run has no bill to make again")
    given = grid_choice(config, is_lenient=True)
    # What a file or variable says of this place is not what was asked of a run made elsewhere.
    has_zone = _is_flag(config, "zone") or header.grid.zone is None
    has_intensity = _is_flag(config, "intensity") or (
        header.grid.zone is None and given.intensity is not None
    )
    choice = given if has_intensity or (has_zone and given.zone is not None) else header.grid
    if has_intensity and not has_zone:
        choice = replace(given, zone=header.grid.zone)
    if has_zone and not has_intensity and choice is given:
        choice = replace(given, intensity=None)
    if choice is header.grid and given.provider is not None:
        choice = replace(choice, provider=given.provider, provider_from=given.provider_from)
    if given.market is None or (header.grid.market is not None and not _is_flag(config, "market")):
        choice = replace(choice, market=header.grid.market)
    else:
        choice = replace(choice, market=given.market)
    check_named(choice, config)
    pue = pue_of(config.get("pue"), zone=choice.zone, start_ns=end.started_ns)
    return choice, header.pue if pue is None else pue


def _is_flag(config: Config, name: str) -> bool:
    setting = config.get(name)
    return setting is not None and setting.origin == "flag"


def stale_runs(ledger: Ledger) -> list[str]:
    """Return the runs whose bill in force, that of a plan included, rests on anything but measured intensity."""
    stale = []
    for run_id in ledger.ids():
        entry = read_view(ledger, run_id, preview=False).entry
        if entry is None:
            continue
        bills = [bill for bill in (entry.emissions.location, entry.emissions.marginal) if bill is not None]
        is_open = entry.plan is not None and entry.plan.is_open
        if is_open or any(measured_share(bill) < _ALL for bill in bills):
            stale.append(run_id)
    return stale
