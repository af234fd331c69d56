"""A report as one JSON document: every run as ``lowtide show --json`` gives it, and what they come to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lowtide.reporting.equivalences import equivalence_lines
from lowtide.reporting.totals import RANGE_NOTE, Totals, totals_of
from lowtide.reporting.view import RunView, view_plain

__all__ = ["report_json", "totals_plain"]


def report_json(views: Sequence[RunView], equivalences: bool) -> str:
    """Return runs and totals as JSON; unknown is null, instants are UTC, units are in the keys."""
    totals = totals_of(views)
    document: dict[str, Any] = {"runs": [view_plain(view) for view in views], "totals": totals_plain(totals)}
    if equivalences:
        document["equivalences"] = None if totals.g is None else equivalence_lines(totals.g)
    return json.dumps(document, indent=1, allow_nan=False)


def totals_plain(totals: Totals) -> dict[str, Any]:
    """Return the totals as plain data.

    ``g`` is null where nothing is known, or where basis, factors or boundary of the runs differ;
    ``groups`` holds what may be summed then.
    """
    energy, carbon = totals.energy, totals.carbon
    return {
        "n_runs": totals.n_runs,
        "by_status": dict(totals.by_status),
        "n_inside": totals.n_inside,
        "hours": totals.hours,
        "n_unknown_hours": totals.n_unknown_hours,
        "n_unknown_energy": totals.n_unknown_energy,
        "n_unknown_carbon": totals.n_unknown_carbon,
        "energy_kwh": totals.energy_kwh,
        "low_kwh": None if energy is None else energy.low_kwh,
        "high_kwh": None if energy is None else energy.high_kwh,
        "boundary": None if energy is None else energy.boundary,
        "measured_fraction": totals.measured_fraction,
        "g": totals.g,
        "low_g": None if carbon is None else carbon.low_g,
        "high_g": None if carbon is None else carbon.high_g,
        "of": None if carbon is None else carbon.of,
        "basis": None if carbon is None else carbon.basis,
        "factors": None if carbon is None else carbon.factors,
        "covered_fraction": totals.covered_fraction,
        "energies": [asdict(energy_sum) for energy_sum in totals.energies],
        "groups": [asdict(group) for group in totals.groups],
        "range_note": RANGE_NOTE,
    }
