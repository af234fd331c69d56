"""What several runs come to together, failed and killed ones included.

Ranges of runs add as they are, low to low and high to high: the same models stand behind each of them and
err the same way in each, so errors do not cancel as independent ones would. Grams are summed within one
account, zone, basis, factors and boundary; over zones only where basis, factors and boundary agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from lowtide.model.energy import Boundary
from lowtide.model.ledger import EmissionsBill, Entry
from lowtide.model.record import RunStatus
from lowtide.model.signal import Basis, Factors
from lowtide.quantities import format_duration
from lowtide.reporting.figures import percent, range_of
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import primary_bill

__all__ = ["RANGE_NOTE", "Account", "CarbonSum", "EnergySum", "Totals", "totals_of"]

Account = Literal["location", "marginal", "market"]
RANGE_NOTE: Final = (
    "ranges of runs are added as they are, since the same models err the same way in each of them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySum:
    """Energy of the runs with one boundary.

    Attributes
    ----------
    boundary : Boundary
    n_runs : int
    kwh, low_kwh, high_kwh, measured_kwh : float
    """

    boundary: Boundary
    n_runs: int
    kwh: float
    low_kwh: float
    high_kwh: float
    measured_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonSum:
    """Grams that may be summed: one account, basis, factors and boundary.

    Attributes
    ----------
    account : {"location", "marginal", "market"}
    basis, factors
    of : Boundary
        The energy that was multiplied.
    zones : tuple of str or None
        None is an intensity that names no zone.
    n_runs : int
    g, low_g, high_g : float
        Of the covered energy.
    """

    account: Account
    basis: Basis
    factors: Factors
    of: Boundary
    zones: tuple[str | None, ...]
    n_runs: int
    g: float
    low_g: float
    high_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What runs come to together.

    Attributes
    ----------
    by_status : mapping of status to int
        Every status, zeros included; together all runs.
    n_inside : int
        Runs inside another of the runs: part of that one, and not added again.
    hours : float
        Of the runs whose duration is known [h].
    n_unknown_hours, n_unknown_energy, n_unknown_carbon : int
        Runs added up without.
    energies : tuple of EnergySum
        One for each boundary.
    groups : tuple of CarbonSum
        All accounts and zones, side by side.
    carbon : CarbonSum or None
        Overall; None where nothing is known, or where basis, factors or boundary differ.
    covered_fraction : float or None
        Share of the energy for which carbon is known; None without energy.
    """

    by_status: dict[RunStatus, int]
    n_inside: int
    hours: float
    n_unknown_hours: int
    n_unknown_energy: int
    n_unknown_carbon: int
    energies: tuple[EnergySum, ...]
    groups: tuple[CarbonSum, ...]
    carbon: CarbonSum | None
    covered_fraction: float | None

    @property
    def n_runs(self) -> int:
        """All runs, those inside others included."""
        return sum(self.by_status.values())

    @property
    def n_known_carbon(self) -> int:
        """Runs added up whose carbon is known."""
        return self.n_runs - self.n_inside - self.n_unknown_carbon

    @property
    def energy(self) -> EnergySum | None:
        """The energy overall; None where nothing is known or boundaries differ."""
        return self.energies[0] if len(self.energies) == 1 else None

    @property
    def energy_kwh(self) -> float | None:
        """Energy overall [kWh]."""
        return None if self.energy is None else self.energy.kwh

    @property
    def g(self) -> float | None:
        """Carbon overall [g CO2e]."""
        return None if self.carbon is None else self.carbon.g

    @property
    def measured_fraction(self) -> float | None:
        """Share of the energy that a counter or gauge has seen."""
        total = sum(e.kwh for e in self.energies)
        return sum(e.measured_kwh for e in self.energies) / total if total else None

    def words(self) -> list[str]:
        """Return the totals in words: runs and energy, carbon, and how ranges were added."""
        if not self.n_runs:
            return ["no runs"]
        words = [f"{_runs_words(self)}: {_energy_words(self)}", _carbon_words(self)]
        return [*words, RANGE_NOTE] if self.n_runs > 1 else words

    def sentence(self) -> str:
        """Return the totals as one sentence, without its full stop."""
        return "; ".join(self.words())


def totals_of(views: Sequence[RunView]) -> Totals:
    """Return what the runs come to."""
    ids = {view.header.run_id for view in views}
    added = [v for v in views if v.header.parent_run_id not in ids]
    bills = [primary_bill(view.entry) for view in added]
    durations = [view.duration_s for view in added if view.duration_s is not None]
    return Totals(
        by_status={status: sum(v.status == status for v in views) for status in get_args(RunStatus)},
        n_inside=len(views) - len(added),
        hours=sum(durations) / 3600.0,
        n_unknown_hours=len(added) - len(durations),
        n_unknown_energy=sum(view.entry is None for view in added),
        n_unknown_carbon=sum(bill is None or bill.g is None for bill in bills),
        energies=_energies(added),
        groups=_groups(added),
        carbon=_overall(added),
        covered_fraction=_covered(added),
    )


def _energies(views: Sequence[RunView]) -> tuple[EnergySum, ...]:
    found: dict[Boundary, list[tuple[float, float, float, float]]] = {}
    for entry in (view.entry for view in views):
        if entry is not None:
            bill = entry.energy
            measured_kwh = bill.total_kwh * bill.measured_fraction
            row = (bill.total_kwh, bill.low_kwh, bill.high_kwh, measured_kwh)
            found.setdefault(bill.boundary, []).append(row)
    return tuple(
        EnergySum(
            boundary=boundary,
            n_runs=len(rows),
            kwh=sum(row[0] for row in rows),
            low_kwh=sum(row[1] for row in rows),
            high_kwh=sum(row[2] for row in rows),
            measured_kwh=sum(row[3] for row in rows),
        )
        for boundary, rows in found.items()
    )


def _accounts(entry: Entry | None) -> list[tuple[Account, EmissionsBill]]:
    """Return the accounts of a bill that are known."""
    bills = [] if entry is None else [(a, getattr(entry.emissions, a)) for a in get_args(Account)]
    return [(account, bill) for account, bill in bills if bill is not None and bill.g is not None]


def _groups(views: Sequence[RunView]) -> tuple[CarbonSum, ...]:
    found: dict[tuple[object, ...], list[tuple[Account, EmissionsBill]]] = {}
    for view in views:
        for account, bill in _accounts(view.entry):
            used = bill.intensity
            key = (account, used.zone, used.basis, used.factors, bill.of)
            found.setdefault(key, []).append((account, bill))
    return tuple(_sum(bills) for bills in found.values())


def _overall(views: Sequence[RunView]) -> CarbonSum | None:
    primary = [
        (account, bill)
        for view in views
        for account, bill in _accounts(view.entry)
        if bill is primary_bill(view.entry)
    ]
    kinds = {(b.intensity.basis, b.intensity.factors, b.of) for _, b in primary}
    return _sum(primary) if len(kinds) == 1 else None


def _sum(bills: Sequence[tuple[Account, EmissionsBill]]) -> CarbonSum:
    account, first = bills[0]
    return CarbonSum(
        account=account,
        basis=first.intensity.basis,
        factors=first.intensity.factors,
        of=first.of,
        zones=tuple(dict.fromkeys(bill.intensity.zone for _, bill in bills)),
        n_runs=len(bills),
        g=sum(bill.g or 0.0 for _, bill in bills),
        low_g=sum(bill.low_g or 0.0 for _, bill in bills),
        high_g=sum(bill.high_g or 0.0 for _, bill in bills),
    )


def _covered(views: Sequence[RunView]) -> float | None:
    total_kwh = covered_kwh = 0.0
    for view in views:
        if view.entry is not None:
            bill = primary_bill(view.entry)
            total_kwh += view.entry.energy.total_kwh
            covered_kwh += view.entry.energy.total_kwh * (bill.covered_fraction if bill else 0.0)
    return covered_kwh / total_kwh if total_kwh else None


def _runs_words(totals: Totals) -> str:
    statuses = [f"{n} {status}" for status, n in totals.by_status.items() if n]
    noun = "run" if totals.n_runs == 1 else "runs"
    words = f"{totals.n_runs} {noun} ({', '.join(statuses)})"
    if totals.n_inside:
        words += f", {totals.n_inside} of them inside another and not added again"
    return words


def _energy_words(totals: Totals) -> str:
    if not totals.energies:
        return "energy unknown"
    sums = [
        f"{range_of(e.kwh, e.low_kwh, e.high_kwh, of='energy')} at the {e.boundary}" for e in totals.energies
    ]
    words = " and ".join(sums) + f" in {format_duration(totals.hours * 3600.0)}"
    if totals.measured_fraction is not None:
        words += f", {percent(totals.measured_fraction)} measured"
    if totals.n_unknown_energy:
        words += f", without {totals.n_unknown_energy} of unknown energy"
    return words


def _carbon_words(totals: Totals) -> str:
    if not totals.n_known_carbon:
        return "carbon unknown"
    if totals.carbon is None:
        groups = "; ".join(_sum_words(group) for group in totals.groups)
        return f"carbon not summed, since basis, factors or boundary differ: {groups}"
    words = _sum_words(totals.carbon)
    if totals.covered_fraction is not None and totals.covered_fraction < 0.9995:
        words += f", of {percent(totals.covered_fraction)} of the energy; the rest has no intensity"
    return words


def _sum_words(part: CarbonSum) -> str:
    zones = ", ".join(zone or "no zone named" for zone in part.zones)
    factors = "factors unknown" if part.factors == "unknown" else part.factors
    market = "market-based, " if part.account == "market" else ""
    amount = range_of(part.g, part.low_g, part.high_g, of="grams")
    return f"{amount} CO2e of the {part.of} ({market}{zones}; {part.basis}, {factors})"
