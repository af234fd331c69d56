"""Bills: the energy of a record or of somebody else's power log, and its emissions, each with a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lowtide.accounting.attribution import ComponentPower, attribute, total_of
from lowtide.accounting.node import MeteredNode, meter_node
from lowtide.accounting.operational import Operational, operational
from lowtide.accounting.sources import choose_sources, lost_gaps
from lowtide.accounting.uncertainty import Deviation, combine, scale_to
from lowtide.errors import NothingRecordedError
from lowtide.model.ledger import EmissionsBill, EnergyBill, IntensityUsed, MethodKind, RangePart
from lowtide.model.machine import RestModel
from lowtide.model.record import Gap, Record, RunEnd
from lowtide.model.signal import Signal
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.units import NS_PER_S

__all__ = ["NodeEnergy", "emissions_bill", "energy_of", "node_energy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeEnergy:
    """A run's power at the node with the deviations of its energy [kWh] and what of it is unknown."""

    power: PowerSeries
    bill: EnergyBill
    deviations: tuple[Deviation, ...]
    gaps: tuple[Gap, ...] = ()
    known_fraction: float = 1.0
    """Share of a power log's time, over all its devices, that is known; the rest has no emissions either."""


def _merge(parts: Sequence[ComponentPower]) -> dict[str, list[ComponentPower]]:
    merged: dict[str, list[ComponentPower]] = {}
    for part in parts:
        merged.setdefault(part.component, []).append(part)
    return merged


def _component_deviations(
    kwh: Mapping[str, float], merged: Mapping[str, list[ComponentPower]], rest: RestModel
) -> tuple[Deviation, ...]:
    """Return how far each component, with the rest modelled on it, and the rest itself move the energy [kWh]."""
    on_top = 1.0 + rest.fraction
    deviations = []
    for component, parts in merged.items():
        below = sum(p.kwh * (1.0 - p.low_fraction) for p in parts) * on_top
        above = sum(p.kwh * (p.high_fraction - 1.0) for p in parts) * on_top
        deviations.append(Deviation(f"{component}: {parts[0].kind}", below, above))
    rest_kwh = sum(kwh.values()) * rest.fraction
    deviations.append(
        Deviation(
            "rest of the node: modelled",
            rest_kwh * (1.0 - rest.low_fraction),
            rest_kwh * (rest.high_fraction - 1.0),
        )
    )
    return tuple(deviations)


def node_energy(record: Record) -> NodeEnergy:
    """Return the run's power at the node, and its energy with range and methods.

    The rest of the node is its meter minus what is known inside it, and without a meter a model on the sum of the
    components. A power log that was accounted stays at its own boundary.

    Raises
    ------
    NothingRecordedError
        If nothing at all was recorded.
    """
    log = _logged(record)
    if log is not None:
        return log
    sources = choose_sources(record.readings.values())
    parts = attribute(record, sources)
    if not parts:
        raise NothingRecordedError(
            f"run {record.header.run_id} holds fewer than two readings; there is nothing to bill"
        )
    lost = lost_gaps(record, sources)
    if sources.node is not None:
        return _metered(record, meter_node(record, parts, sources.gpus_outside, sources.node), lost)
    return _unmetered(record, parts, lost)


def _unmetered(record: Record, parts: Sequence[ComponentPower], lost: tuple[Gap, ...]) -> NodeEnergy:
    """Return the energy of a node without a meter: its components and a rest modelled on them."""
    merged, rest = _merge(parts), record.header.rest_model
    power = total_of([part.power for part in parts]).scaled(1.0 + rest.fraction, boundary="node")
    kwh = {name: sum(p.kwh for p in group) for name, group in merged.items()}
    components_kwh = sum(kwh.values())
    deviations = _component_deviations(kwh, merged, rest)
    bill = _bill(
        record,
        parts,
        power=power,
        total_kwh=components_kwh * (1.0 + rest.fraction),
        rest_kwh=components_kwh * rest.fraction,
        rest_kind="modelled",
        rest_note=rest.source,
        measured_kwh=sum(p.kwh for p in parts if p.kind != "modelled"),
        deviations=deviations,
    )
    gaps = tuple(gap for part in parts for gap in part.gaps)
    return NodeEnergy(power=power, bill=bill, deviations=deviations, gaps=(*gaps, *lost))


def _metered(record: Record, node: MeteredNode, lost: tuple[Gap, ...]) -> NodeEnergy:
    """Return the energy of a node with a meter."""
    bill = _bill(
        record,
        node.parts,
        power=node.power,
        total_kwh=node.power.energy_kwh(),
        rest_kwh=node.rest_kwh,
        rest_kind=node.kind,
        rest_note=node.note,
        measured_kwh=node.metered_kwh,
        deviations=node.deviations,
    )
    gaps = tuple(gap for part in node.parts for gap in part.gaps)
    return NodeEnergy(
        power=node.power, bill=bill, deviations=node.deviations, gaps=(*gaps, *node.gaps, *lost)
    )


def _bill(
    record: Record,
    parts: Sequence[ComponentPower],
    *,
    power: PowerSeries,
    total_kwh: float,
    rest_kwh: float,
    rest_kind: MethodKind,
    rest_note: str,
    measured_kwh: float,
    deviations: Sequence[Deviation],
) -> EnergyBill:
    merged = _merge(parts)
    idle_kwh = sum(part.idle_kwh for part in parts)
    kwh = {name: sum(p.kwh for p in group) for name, group in merged.items()}
    kinds = {name: _worst_kind(group) for name, group in merged.items()}
    notes = {name: "; ".join(dict.fromkeys(p.note for p in group)) for name, group in merged.items()}
    low, high = combine(total_kwh, deviations)
    return EnergyBill(
        boundary="node",
        total_kwh=total_kwh,
        low_kwh=low,
        high_kwh=high,
        idle_kwh=idle_kwh,
        dynamic_kwh=sum(kwh.values()) - idle_kwh,
        rest_kwh=rest_kwh,
        by_component={f"{name}_kwh": value for name, value in kwh.items()},
        method={**kinds, "rest": rest_kind},
        method_notes={**notes, "rest": rest_note},
        measured_fraction=measured_kwh / total_kwh if total_kwh else 0.0,
        known_time_fraction=_known_time_fraction(power, record.end),
        attribution=record.header.attribution,
    )


def _worst_kind(parts: Sequence[ComponentPower]) -> MethodKind:
    """Return the least exact method among the parts of one component."""
    kinds: tuple[MethodKind, ...] = ("modelled", "gauge", "counter")
    return min((part.kind for part in parts), key=kinds.index)


def _logged(record: Record) -> NodeEnergy | None:
    """Return the energy of a record that holds a power log of the run, None for one that does not."""
    for readings in record.readings.values():
        channel = readings.channel
        if channel.kind == "step" and channel.quantity == "power" and channel.consumer == "run":
            power_w = np.asarray(readings.raw, dtype=np.float64)[:-1] * channel.scale
            power = PowerSeries(edges_ns=readings.t_ns, power_w=power_w, boundary=channel.boundary)
            energy = energy_of(
                power,
                low_fraction=channel.low_fraction,
                high_fraction=channel.high_fraction,
                note=channel.method,
                kind="modelled" if channel.sensor == "model" else "gauge",
                known_fraction=channel.known_fraction,
            )
            return replace(energy, gaps=_unknown(power, channel.name))
    return None


def _unknown(power: PowerSeries, channel: str) -> tuple[Gap, ...]:
    steps_ns = zip(power.edges_ns[:-1].tolist(), power.edges_ns[1:].tolist(), strict=True)
    return tuple(
        Gap(start_ns=start_ns, end_ns=end_ns, channel=channel, reason="no reading")
        for (start_ns, end_ns), unknown in zip(steps_ns, np.isnan(power.power_w).tolist(), strict=True)
        if unknown
    )


def _known_time_fraction(power: PowerSeries, end: RunEnd | None) -> float:
    """Return the share of the command's life, or of the readings' span, for which power is known."""
    if end is None or not end.observed:
        return power.covered_fraction()
    life = np.array([end.started_ns, end.ended_ns], dtype=np.int64)
    known_s = float(steps.covered_s(power.edges_ns, power.power_w, life)[0])
    return known_s / ((end.ended_ns - end.started_ns) / NS_PER_S)


def energy_of(
    power: PowerSeries,
    *,
    low_fraction: float = 1.0,
    high_fraction: float = 1.0,
    note: str,
    kind: MethodKind = "gauge",
    known_fraction: float | None = None,
) -> NodeEnergy:
    """Return the energy of a power log that somebody else measured or modelled, at the log's own boundary.

    `known_fraction` is the share of its devices' time for which their power is known; by default that of the
    series, which cannot tell one device that is missing from one that is not there.
    """
    known = power.covered_fraction() if known_fraction is None else known_fraction
    kwh = power.energy_kwh()
    deviation = Deviation("power log", kwh * (1.0 - low_fraction), kwh * (high_fraction - 1.0))
    low, high = combine(kwh, [deviation])
    component = "gpu" if power.boundary in ("gpu", "chip") else power.boundary
    bill = EnergyBill(
        boundary=power.boundary,
        total_kwh=kwh,
        low_kwh=low,
        high_kwh=high,
        idle_kwh=0.0,
        dynamic_kwh=kwh,
        rest_kwh=0.0,
        by_component={f"{component}_kwh": kwh},
        method={component: kind},
        method_notes={component: note},
        measured_fraction=0.0 if kind == "modelled" else 1.0,
        known_time_fraction=known,
        attribution=None,
    )
    return NodeEnergy(power=power, bill=bill, deviations=(deviation,), known_fraction=known)


def emissions_bill(
    power: PowerSeries,
    intensity: IntensitySeries,
    *,
    energy_deviations: Sequence[Deviation],
    direct: IntensitySeries | None = None,
    known_fraction: float = 1.0,
) -> EmissionsBill:
    """Return the emissions of `power` (at its own boundary) with the range and where it comes from.

    Parameters
    ----------
    power : PowerSeries
    intensity : IntensitySeries
    energy_deviations : sequence of Deviation
        Of the energy [kWh], at the same boundary.
    direct : IntensitySeries, optional
        The same signal with direct factors, for the figure beside.
    known_fraction : float
        Share of all energy that `power` knows; the rest is not covered either.
    """
    account = operational(power, intensity)
    deviations = _deviations_g(account, energy_deviations, intensity.signal, power.duration_s / 3600.0)
    unknown = np.isnan(account.g)
    low, high = (None, None) if unknown else combine(account.g, deviations)
    covered = account.covered_kwh
    direct_g = operational(power, direct).g if direct is not None else float("nan")
    return EmissionsBill(
        g=None if unknown else account.g,
        low_g=low,
        high_g=high,
        of=power.boundary,
        covered_fraction=account.covered_fraction * known_fraction,
        status_fractions={s: (kwh / covered if covered else 0.0) for s, kwh in account.kwh_by_status},
        intensity=_used(intensity.signal, account.mean_g_per_kwh),
        range_parts=() if unknown else tuple(RangePart(source=s, low_g=account.g - b, high_g=account.g + a)
                                             for s, b, a in deviations),
        range_note=_range_note(intensity.signal),
        direct_g=None if np.isnan(direct_g) else direct_g,
    )  # fmt: skip


def _range_note(signal: Signal) -> str:
    if signal.spread is not None:
        return f"energy and intensity ({signal.spread.note})"
    return "energy only; the source of the intensity states no error"


def _used(signal: Signal, mean_g_per_kwh: float) -> IntensityUsed:
    return IntensityUsed(
        zone=signal.zone,
        basis=signal.basis,
        factors=signal.factors,
        flow=signal.flow,
        vintage=signal.vintage,
        source=signal.source,
        time_resolved=signal.time_resolved,
        mean_g_per_kwh=None if np.isnan(mean_g_per_kwh) else mean_g_per_kwh,
    )


def _deviations_g(
    account: Operational, energy_deviations: Sequence[Deviation], signal: Signal, hours: float
) -> list[Deviation]:
    if np.isnan(account.g) or not account.energy_kwh:
        return []
    deviations = scale_to(energy_deviations, account.g / account.energy_kwh)
    if signal.spread is not None:
        low, high = signal.spread.at_hours(hours)
        deviations.append(Deviation("intensity", abs(account.g) * (1.0 - low), abs(account.g) * (high - 1.0)))
    return deviations
