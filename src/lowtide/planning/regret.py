"""What forecasts are worth to a plan: savings with them, with hindsight, with repeating yesterday.

A forecast earns its place by beating persistence here. Small errors matter little where the order of the hours
is right, so errors in g/kWh do not say this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.forecasting.history import DAY_NS, History
from lowtide.forecasting.issue import Method
from lowtide.forecasting.methods import persistence_day
from lowtide.forecasting.rolling import origins_every, points_from
from lowtide.planning.shifting import Asked, Shifted, shifted
from lowtide.units import NS_PER_S

__all__ = ["Earns", "Regret", "SavingRow", "regret", "regret_of_windows"]

Earns = Literal["yes", "no", "too close to call"]
_WEEK_NS: Final = 7 * DAY_NS
_LEAST_WEEKS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingRow:
    """What planning with one source of intensity saved against run-now; None is unknown.

    Attributes
    ----------
    method : str
        ``oracle`` plans on the truth, ``run-now`` does not plan.
    mean_saving_fraction : float or None
        Mean of the starts' own fractions.
    ratio_saving_fraction : float or None
        Of all starts together: 1 - sum of emissions / sum of run-now's.
    regret_fraction : float or None
        What the oracle saves more, of all starts together.
    worst_start_fraction : float or None
        The greatest loss of a single start against its run-now; of little use where that is near 0.
    worst_start_g_per_kwh : float or None
        The greatest loss of a single start, in mean intensity of the job's energy.
    margin_fraction, margin_error_fraction : float or None
        `ratio_saving_fraction` less that of persistence, and the half width of its 95 % interval from
        the differences of whole weeks.
    beats_persistence : {"yes", "no", "too close to call"} or None
        Whether the margin is above or below its error; None for persistence, oracle and run-now, and where
        fewer than eight weeks are known.
    """

    method: str
    mean_saving_fraction: float | None
    ratio_saving_fraction: float | None
    regret_fraction: float | None
    worst_start_fraction: float | None
    worst_start_g_per_kwh: float | None
    margin_fraction: float | None = None
    margin_error_fraction: float | None = None
    beats_persistence: Earns | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regret:
    """Savings by method over the same starts.

    Attributes
    ----------
    asked : Asked
    rows : tuple of SavingRow
        The oracle, the methods as given, run-now.
    n_starts, n_unknown : int
        Starts that count, and those left out because their window is not known, or not told by a method.
    starts_ns : int64 array, shape (n_starts,)
    shifted : mapping of str to Shifted
        Every start by method, in the order of `starts_ns`.
    """

    asked: Asked
    rows: tuple[SavingRow, ...]
    n_starts: int
    n_unknown: int
    starts_ns: IntArray
    shifted: Mapping[str, Shifted]

    def row(self, method: str) -> SavingRow:
        """Return the row of a method."""
        return next(row for row in self.rows if row.method == method)


def regret(
    history: History,
    methods: Sequence[Method],
    asked: Asked,
    *,
    every_s: float = 3600.0,
    first_ns: int | None = None,
) -> Regret:
    """Return what planning with each method would have saved, each with what was known at its starts.

    Parameters
    ----------
    history : History
        The truth, and what the methods learn from.
    methods : sequence of Method
        Persistence of a day is added where it is missing.
    asked : Asked
    every_s : float
        Time between starts [s], rounded up to whole steps of the history.
    first_ns : int, optional
        No start before it [ns]; without it two days after the history's start.

    Raises
    ------
    InputError
        If the history is too short for a single window.
    """
    n_slots = asked.n_slots(history.step_ns)
    every_s = max(every_s, history.step_ns / NS_PER_S)
    origins = origins_every(history, every_s, n_leads=n_slots, first_ns=first_ns)
    if all(method.name != persistence_day.name for method in methods):
        methods = [persistence_day, *methods]
    expected = {method.name: points_from(method, history, origins, n_slots) for method in methods}
    starts_ns = history.start_ns + origins * history.step_ns
    return regret_of_windows(
        expected, history.targets(origins, n_slots), asked, starts_ns=starts_ns, step_ns=history.step_ns
    )


def regret_of_windows(
    expected: Mapping[str, FloatArray],
    actual: FloatArray,
    asked: Asked,
    *,
    starts_ns: IntArray,
    step_ns: int,
) -> Regret:
    """Return the savings of forecasts given window by window.

    Parameters
    ----------
    expected : mapping of str to float64 array, shape (n, n_slots)
        Name and what it said of each start's window [g/kWh].
    actual : float64 array, shape (n, n_slots)
        What came; starts with a slot that is unknown here or in any of `expected` are left out, so that
        all methods are judged on the same ones.
    asked : Asked
    starts_ns : int64 array, shape (n,)
    step_ns : int
    """
    n_slots = asked.n_slots(step_ns)
    known = ~np.isnan(actual[:, :n_slots]).any(axis=1)
    for windows in expected.values():
        known &= ~np.isnan(windows[:, :n_slots]).any(axis=1)
    truth, starts = actual[known], starts_ns[known]
    by_name = {"oracle": shifted(truth, truth, asked, step_ns=step_ns)}
    by_name |= {name: shifted(e[known], truth, asked, step_ns=step_ns) for name, e in expected.items()}
    now = by_name["oracle"].now
    by_name["run-now"] = Shifted(now=now, plan=now, promised_saving=np.zeros(len(now)))
    usual = by_name.get(persistence_day.name)
    best = _ratio(by_name["oracle"])
    rows = [_row(name, one, usual, best, starts) for name, one in by_name.items()]
    return Regret(
        asked=asked,
        rows=tuple(rows),
        n_starts=int(known.sum()),
        n_unknown=int((~known).sum()),
        starts_ns=starts,
        shifted=by_name,
    )


def _row(
    name: str, one: Shifted, usual: Shifted | None, oracle: float | None, starts_ns: IntArray
) -> SavingRow:
    positive = one.now > 0.0
    fractions = 1.0 - one.plan[positive] / one.now[positive]
    ratio = _ratio(one)
    row = SavingRow(
        method=name,
        mean_saving_fraction=float(fractions.mean()) if len(fractions) else None,
        ratio_saving_fraction=ratio,
        regret_fraction=None if ratio is None or oracle is None else oracle - ratio,
        worst_start_fraction=float(-fractions.min()) if len(fractions) else None,
        worst_start_g_per_kwh=float(np.max(one.plan - one.now)) if len(one.now) else None,
    )
    if usual is None or ratio is None or name in ("oracle", "run-now", persistence_day.name):
        return row
    return _against(row, one, usual, starts_ns)


def _against(row: SavingRow, one: Shifted, usual: Shifted, starts_ns: IntArray) -> SavingRow:
    """Return a row with its margin over persistence, judged by weeks: hours of one week err together."""
    _, week = np.unique(starts_ns // _WEEK_NS, return_inverse=True)
    gain, now = np.bincount(week, usual.plan - one.plan), np.bincount(week, one.now)
    margin = float(gain.sum() / now.sum())
    if len(gain) < _LEAST_WEEKS:
        return replace(row, margin_fraction=margin)
    off = gain - margin * now  # of a ratio of sums, to first order
    error = float(1.96 * np.sqrt(np.sum(off**2) * len(off) / (len(off) - 1)) / now.sum())
    verdict: Earns = "too close to call" if abs(margin) <= error else "yes" if margin > 0.0 else "no"
    return replace(row, margin_fraction=margin, margin_error_fraction=error, beats_persistence=verdict)


def _ratio(one: Shifted) -> float | None:
    total = float(one.now.sum())
    return 1.0 - float(one.plan.sum()) / total if total > 0.0 else None
