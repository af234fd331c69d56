"""The public CarbonCast data for checks: two years of 13 zones by the hour, and forecasts of half a year.

Forecasts were issued at 00 UTC on 181 days from 2021-07-01 on, 96 h each, by models trained before that half
year. Actuals are taken as known up to two hours before an issue.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import History
from lowtide.model.signal import Factors, Signal
from lowtide.units import NS_PER_H

__all__ = ["KNOWN_BEFORE_H", "Zone", "read_zones"]

KNOWN_BEFORE_H = 2
"""Hours before an issue up to which actuals are known."""
_ACTUAL, _ISSUED = "carboncast_actual_mix_2020_2021.parquet", "carboncast_forecast96h_2021H2.parquet"


@dataclass(frozen=True)
class Zone:
    """A zone's truth, and what CarbonCast said of it at each issue [ns], shape (181, 96)."""

    history: History
    issues_ns: IntArray
    theirs: FloatArray

    @property
    def origins(self) -> IntArray:
        """The first hour not known at each issue."""
        return (self.issues_ns - self.history.start_ns) // NS_PER_H - KNOWN_BEFORE_H


def _instants(column: object) -> IntArray:
    return np.asarray(column).astype("datetime64[ns]").astype(np.int64)


def read_zones(folder: Path, factors: Factors = "lifecycle") -> dict[str, Zone]:
    """Return the zones by name, on one basis."""
    import pyarrow.parquet as pq

    kind = "lca" if factors == "lifecycle" else "direct"
    past = pq.read_table(folder / _ACTUAL, columns=["zone", "ts_utc", f"ci_{kind}"])
    said = pq.read_table(folder / _ISSUED, columns=["zone", "issue_utc", "lead_h", f"forecast_{kind}"])
    zones, of_said = np.array(past["zone"].to_pylist()), np.array(said["zone"].to_pylist())
    ts, issue = _instants(past["ts_utc"].to_numpy()), _instants(said["issue_utc"].to_numpy())
    values, expected = (t.column(t.num_columns - 1).to_numpy().astype(np.float64) for t in (past, said))
    lead = said["lead_h"].to_numpy().astype(np.int64)
    found = {}
    for name in np.unique(zones).tolist():
        mine, his = zones == name, of_said == name
        start_ns = int(ts[mine].min())
        place = (ts[mine] - start_ns) // NS_PER_H
        hours = np.full(int(place.max()) + 1, np.nan)
        hours[place] = values[mine]
        issues_ns, row = np.unique(issue[his], return_inverse=True)
        theirs = np.full((len(issues_ns), int(lead.max()) + 1), np.nan)
        theirs[row, lead[his]] = expected[his]
        signal = Signal(zone=name, source="CarbonCast 2.1", factors=factors)
        history = History(start_ns=start_ns, step_ns=NS_PER_H, values=hours, signal=signal)
        found[name] = Zone(history, issues_ns, theirs)
    return found
