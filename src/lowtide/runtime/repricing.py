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
    choice = _choice(config, header.grid)
    check_named(choice, config)
    if header.pue is not None and not _is_flag(config, "pue"):
        return choice, header.pue
    return choice, pue_of(config.get("pue"), zone=choice.zone, start_ns=end.started_ns)


def _choice(config: Config, kept: GridChoice) -> GridChoice:
    """Return the intensity that was asked for now, else that of the run."""
    given = grid_choice(config, is_lenient=True)
    # What a file or variable says of this place is not what was asked of a run made elsewhere.
    is_open = kept.zone is None and kept.intensity is None
    has_zone = _is_flag(config, "zone") or is_open
    if _is_flag(config, "intensity") or (is_open and given.intensity is not None):
        choice = given if has_zone else replace(given, zone=kept.zone)
    elif has_zone and given.zone is not None:
        choice = replace(given, intensity=None)
    else:
        choice = _with_words(kept, given, config)
    keeps_market = given.market is None or (kept.market is not None and not _is_flag(config, "market"))
    return replace(choice, market=kept.market if keeps_market else given.market)


def _with_words(kept: GridChoice, given: GridChoice, config: Config) -> GridChoice:
    """Return the intensity of the run from the provider in force, with the basis and factors of flags."""
    choice = kept
    if given.provider is not None:
        choice = replace(choice, provider=given.provider, provider_from=given.provider_from)
    if _is_flag(config, "basis"):
        choice = replace(choice, basis=given.basis)
    return replace(choice, factors=given.factors) if _is_flag(config, "factors") else choice


def _is_flag(config: Config, name: str) -> bool:
    """Return whether a flag says it, or the table of a site that a flag names."""
    setting = config.get(name)
    return setting is not None and setting.rank == 0


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
