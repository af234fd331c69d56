"""Booking: from a record to the entry that bills it. The same door for a measured and a simulated past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lowtide.accounting.bills import NodeEnergy, emissions_bill, energy_of
from lowtide.accounting.embodied import embodied_share
from lowtide.accounting.followed import plan_bill, window_ns
from lowtide.accounting.idle import idle_power
from lowtide.accounting.intensities import Intensities
from lowtide.accounting.nodes import node_energy
from lowtide.accounting.phases import phases_bill
from lowtide.accounting.pue import overhead
from lowtide.accounting.sci import parse_functional_unit, sci_score
from lowtide.accounting.uncertainty import Deviation, scale_to
from lowtide.errors import CoverageError
from lowtide.model.ledger import EmbodiedBill, EmissionsBill, EmissionsSet, Entry, JoinedIntensity, SciScore
from lowtide.model.pue import PueSteps
from lowtide.model.record import Record, RunEnd, RunHeader
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import NS_PER_H

__all__ = ["Intensities", "NodeEnergy", "book", "emissions_bill", "energy_of", "node_energy"]

_ACCOUNTS = ("location", "direct", "marginal", "market")


def _joined(intensity: IntensitySeries, power: PowerSeries, end: RunEnd | None) -> JoinedIntensity | None:
    start_ns, end_ns = window_ns(power.start_ns, power.end_ns, end)
    try:
        part = intensity.clip(start_ns=start_ns, end_ns=end_ns)
    except CoverageError:
        return None
    return JoinedIntensity(
        edges_ns=tuple(part.edges_ns.tolist()),
        intensity_g_per_kwh=tuple(part.intensity_g_per_kwh.tolist()),
        status=tuple(part.status.tolist()),
    )


def book(
    record: Record,
    intensities: Intensities,
    *,
    made: str,
    segments: Mapping[str, str],
    version: str,
    pue: float | PueSteps | None = None,
    problem: str = "",
) -> Entry:
    """Return the entry that bills a record.

    Parameters
    ----------
    record : Record
    intensities : Intensities
        Without a location signal the emissions are None: energy without emissions.
    made : str
        When, for the entry.
    segments : mapping of name to SHA-256
        The raw readings the record was read from.
    version : str
    pue : float or PueSteps, optional
        Instead of the header's.
    problem : str
        Why an account is missing.

    Raises
    ------
    NothingRecordedError
        If nothing was recorded.
    """
    node = node_energy(record)
    added = overhead(node.power, node.bill.total_kwh, record.header.pue if pue is None else pue)
    power, deviations = added.power, list(node.deviations)
    if added.pue is not None:
        deviations = scale_to(deviations, added.pue)
    embodied = _embodied(record)
    known = added.known_fraction * node.known_fraction
    accounts = _accounts(power, deviations, intensities, embodied, known)
    billed = accounts.location or accounts.marginal
    marked = phases_bill(
        record.marks,
        power=node.power,
        total_kwh=node.bill.total_kwh,
        emitting=power,
        intensity=intensities.location or intensities.marginal,
        total_g=None if billed is None else billed.g,
    )
    given = {n: s for n in _ACCOUNTS if (s := getattr(intensities, n)) is not None}
    joined = {n: part for n, s in given.items() if (part := _joined(s, power, record.end)) is not None}
    return Entry(
        id="",
        made=made,
        energy=node.bill,
        pue=added.pue,
        pue_steps=added.steps,
        facility_kwh=added.facility_kwh,
        emissions=accounts,
        sci=_sci(record, accounts, embodied),
        gaps=(*record.gaps, *node.gaps),
        n_readings=record.n_readings,
        joined=joined,
        signals={name: series.signal for name, series in given.items()},
        segments=segments,
        version=version,
        problem=problem,
        phases=marked.phases,
        outside_phases_kwh=marked.outside_phases_kwh,
        steps=marked.steps,
        units=marked.units or {},
        plan=plan_bill(
            record.end,
            power,
            intensities.location or intensities.marginal,
            deviations=deviations,
            pue=added.pue,
            idle=idle_power(record),
        ),
    )


def _accounts(
    power: PowerSeries,
    deviations: Sequence[Deviation],
    intensities: Intensities,
    embodied: EmbodiedBill | None,
    known_fraction: float,
) -> EmissionsSet:
    def bill(series: IntensitySeries | None, direct: IntensitySeries | None = None) -> EmissionsBill | None:
        if series is None:
            return None
        return emissions_bill(
            power, series, energy_deviations=deviations, direct=direct, known_fraction=known_fraction
        )

    return EmissionsSet(
        location=bill(intensities.location, intensities.direct),
        marginal=bill(intensities.marginal),
        market=bill(intensities.market),
        embodied=embodied,
    )


def _embodied(record: Record) -> EmbodiedBill | None:
    header: RunHeader = record.header
    if header.embodied_kg is None or header.lifetime_years is None:
        return None
    return embodied_share(
        header.embodied_kg,
        duration_h=(record.end_ns - record.start_ns) / NS_PER_H,
        lifetime_years=header.lifetime_years,
        utilization=1.0 if header.utilization is None else header.utilization,
        machine_share=header.cpu_share,
    )


def _sci(record: Record, accounts: EmissionsSet, embodied: EmbodiedBill | None) -> SciScore | None:
    unit = record.header.functional_unit
    if unit is None or accounts.location is None or accounts.location.g is None:
        return None
    _, name = parse_functional_unit(unit)
    counts = dict(record.end.counts) if record.end else {}
    count = counts.get(name, 1.0 if name == "run" else 0.0)
    if count <= 0.0:
        return None
    return sci_score(
        accounts.location.g,
        embodied_g=None if embodied is None else embodied.g,
        functional_unit=unit,
        count=count,
    )
