"""Attribution: which part of a machine's power is a run's, so that the parts never exceed the whole.

``share`` (the default): what a component draws above idle goes to runs by their CPU time; its idle power by
the share of the machine a run may use, divided by max(1, sum of all runs' shares), split again whenever a
run starts or ends. ``dynamic`` leaves idle out, ``machine`` takes all. A GPU in a run's scope is its own, divided by
the number of runs that have it in scope. What no run takes is *unattributed*: runs and unattributed sum
to the machine (a law, tested). In a step in which runs come or go the most that were there at once count,
so nothing is given out twice. The rule itself is in :mod:`~lowtide.accounting.shares`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lowtide.accounting.shares import part_of, total_of, unattributed
from lowtide.errors import SeriesError
from lowtide.model.ledger import MethodKind
from lowtide.model.record import Gap, Readings, Record
from lowtide.series import steps
from lowtide.series.readings import Rates, counter_rates, gauge_means, greatest_held
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import PowerSeries

__all__ = ["ComponentPower", "attribute", "part_of", "total_of", "unattributed"]

_GAUGE_GAP_INTERVALS = 3.0
_LEAST_GAUGE_GAP_S = 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentPower:
    """A run's part of one component.

    Attributes
    ----------
    component : str
        ``cpu``, ``memory`` or ``gpu``.
    power : PowerSeries
        The run's part [W], at boundary ``components``.
    idle : PowerSeries
        The idle part of it [W].
    kind : {"counter", "gauge", "modelled"}
    note : str
        The method in words.
    low_fraction, high_fraction : float
        90 % interval of the true value as a fraction.
    gaps : tuple of Gap
    """

    component: str
    power: PowerSeries
    idle: PowerSeries
    kind: MethodKind
    note: str
    low_fraction: float
    high_fraction: float
    gaps: tuple[Gap, ...] = ()


def attribute(record: Record) -> tuple[ComponentPower, ...]:
    """Return the run's part of every component the record knows anything about."""
    parts = [_cpu(record), _memory(record), *_gpus(record)]
    return tuple(part for part in parts if part is not None)


def _power(edges_ns: IntArray, power_w: FloatArray) -> PowerSeries:
    return PowerSeries(edges_ns=edges_ns, power_w=power_w, boundary="components")


def _of(record: Record, *, component: str, quantity: str, consumer: str = "machine") -> list[Readings]:
    return [
        r
        for r in record.readings.values()
        if (r.channel.component, r.channel.quantity, r.channel.consumer) == (component, quantity, consumer)
    ]


def _rates(readings: Readings, record: Record) -> Rates:
    """Return power [W] or a rate from readings, by what kind of channel it is."""
    channel = readings.channel
    if channel.kind == "counter":
        return counter_rates(
            readings.t_ns,
            np.asarray(readings.raw, dtype=np.int64),
            scale=channel.scale,
            modulus=channel.modulus,
            max_rate=channel.max_power_w,
        )
    max_gap_s = max(_GAUGE_GAP_INTERVALS * record.header.interval_s, _LEAST_GAUGE_GAP_S)
    values = np.asarray(readings.raw, dtype=np.float64) * channel.scale
    return gauge_means(readings.t_ns, values, max_gap_s=max_gap_s)


def _unless_suspended(record: Record, edges_ns: IntArray, power_w: FloatArray) -> FloatArray:
    """Return a model's power with the steps blanked in which the machine was suspended."""
    for gap in record.gaps:
        if gap.reason == "suspended":
            inside = (edges_ns[:-1] < gap.end_ns) & (edges_ns[1:] > gap.start_ns)
            power_w = np.where(inside, np.nan, power_w)
    return power_w


def _gaps(rates: Rates, channel: str) -> tuple[Gap, ...]:
    broken = {(b.start_ns, b.end_ns): b.kind for b in rates.breaks}
    found = []
    for i in np.flatnonzero(np.isnan(rates.values)):
        span = int(rates.edges_ns[i]), int(rates.edges_ns[i + 1])
        reason = f"counter {broken[span]}" if span in broken else "no reading"
        found.append(Gap(start_ns=span[0], end_ns=span[1], channel=channel, reason=reason))
    return tuple(found)


def _total_share(record: Record, edges_ns: IntArray, *, component: str, own: float) -> FloatArray:
    """Return the sum of all runs' shares over time; this run's own where nobody announced."""
    announced = _of(record, component=component, quantity="shares")
    if not announced:
        return np.full(len(edges_ns) - 1, own)
    readings = announced[0]
    total = greatest_held(readings.t_ns, np.asarray(readings.raw, dtype=np.float64), edges_ns)
    return np.where(np.isnan(total), own, np.maximum(total, own))


def _cpu(record: Record) -> ComponentPower | None:
    cpu_time = {r.channel.consumer: r for c in ("machine", "run") for r in
                _of(record, component="cpu", quantity="cpu_time", consumer=c)}  # fmt: skip
    try:
        rates: dict[str, Rates] = {who: _rates(r, record) for who, r in cpu_time.items()}
    except SeriesError:
        return None  # fewer than two readings: nothing was recorded
    if set(rates) != {"machine", "run"}:
        return None
    counters = _of(record, component="cpu", quantity="energy")
    if counters:
        return _cpu_measured(record, counters, rates)
    return _cpu_modelled(record, rates)


def _cpu_modelled(record: Record, rates: Mapping[str, Rates]) -> ComponentPower:
    header, model = record.header, record.header.cpu_model
    edges = rates["run"].edges_ns
    w_per_cpu = (model.full_w - model.idle_w) / header.machine.n_logical_cpus
    used = steps.resample(rates["run"].edges_ns, rates["run"].values, edges)
    total_share = _total_share(record, edges, component="cpu", own=header.cpu_share)
    if header.attribution == "machine":
        used = steps.resample(rates["machine"].edges_ns, rates["machine"].values, edges)
    # Linear in CPU time, so a run's dynamic part is its own CPU time's and the parts sum exactly.
    power, idle = part_of(
        model.idle_w + w_per_cpu * used,
        model.idle_w,
        share=header.cpu_share,
        total_share=total_share,
        cpu_fraction=1.0,
        attribution=header.attribution,
    )
    return ComponentPower(
        component="cpu",
        power=_power(edges, _unless_suspended(record, edges, power)),
        idle=_power(edges, _unless_suspended(record, edges, idle)),
        kind="modelled",
        note=model.method,
        low_fraction=model.low_fraction,
        high_fraction=model.high_fraction,
        gaps=_gaps(rates["run"], "run.cpu"),
    )


def _cpu_measured(
    record: Record, counters: list[Readings], rates: Mapping[str, Rates]
) -> ComponentPower | None:
    header = record.header
    try:
        packages = [_rates(readings, record) for readings in counters]
    except SeriesError:
        return _cpu_modelled(record, rates)
    edges, machine_w = packages[0].edges_ns, packages[0].values
    for package in packages[1:]:
        edges, machine_w = steps.add(edges, machine_w, package.edges_ns, package.values)
    busy = steps.resample(rates["machine"].edges_ns, rates["machine"].values, edges)
    used = steps.resample(rates["run"].edges_ns, rates["run"].values, edges)
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(busy == 0.0, 0.0, np.clip(used / busy, 0.0, 1.0))  # unknown stays unknown
    power, idle = part_of(
        machine_w,
        header.cpu_model.idle_w,
        share=header.cpu_share,
        total_share=_total_share(record, edges, component="cpu", own=header.cpu_share),
        cpu_fraction=fraction,
        attribution=header.attribution,
    )
    channel = counters[0].channel
    names = ", ".join(readings.channel.device for readings in counters)
    return ComponentPower(
        component="cpu",
        power=_power(edges, power),
        idle=_power(edges, idle),
        kind="counter",
        note=f"RAPL energy counters ({names}), by CPU time",
        low_fraction=channel.low_fraction,
        high_fraction=channel.high_fraction,
        gaps=tuple(gap for r, c in zip(packages, counters, strict=True) for gap in _gaps(r, c.channel.name)),
    )


def _memory(record: Record) -> ComponentPower | None:
    header, model = record.header, record.header.memory_model
    edges = np.array([record.start_ns, record.end_ns], dtype=np.int64)
    machine_w = np.array([model.w_per_gb * model.installed_gb])
    kind: MethodKind = "modelled"
    low, high, note = model.low_fraction, model.high_fraction, model.source
    gaps: tuple[Gap, ...] = ()
    counters = _of(record, component="memory", quantity="energy")
    try:
        domains = [_rates(readings, record) for readings in counters]
    except SeriesError:
        domains = []
    if domains:
        edges, machine_w = domains[0].edges_ns, domains[0].values
        for domain in domains[1:]:
            edges, machine_w = steps.add(edges, machine_w, domain.edges_ns, domain.values)
        channel = counters[0].channel
        kind, note = "counter", "RAPL DRAM energy counters"
        low, high = channel.low_fraction, channel.high_fraction
        gaps = tuple(gap for r, c in zip(domains, counters, strict=True) for gap in _gaps(r, c.channel.name))
    elif np.isnan(machine_w).any():
        return None
    if not domains:  # constant, but its split changes as runs come and go
        announced = _of(record, component="memory", quantity="shares")
        if announced and len(announced[0].t_ns) > 1:
            edges = announced[0].t_ns
            machine_w = np.full(len(edges) - 1, machine_w[0])
        machine_w = _unless_suspended(record, edges, machine_w)
    power, idle = part_of(
        machine_w,
        machine_w,  # memory refreshes whether used or not: all of it is idle power
        share=header.memory_share,
        total_share=_total_share(record, edges, component="memory", own=header.memory_share),
        cpu_fraction=0.0,
        attribution=header.attribution,
    )
    return ComponentPower(
        component="memory",
        power=_power(edges, power),
        idle=_power(edges, idle),
        kind=kind,
        note=note,
        low_fraction=low,
        high_fraction=high,
        gaps=gaps,
    )


def _gpus(record: Record) -> list[ComponentPower]:
    found = []
    for quantity in ("energy", "power"):
        for readings in _of(record, component="gpu", quantity=quantity):
            part = _gpu(record, readings)
            if part is not None:
                found.append(part)
    return found


def _gpu(record: Record, readings: Readings) -> ComponentPower | None:
    channel = readings.channel
    try:
        rates = _rates(readings, record)
    except SeriesError:
        return None
    claims = [
        r
        for n, r in record.readings.items()
        if r.channel.quantity == "claims" and f".{n.split('.', 1)[-1]}." in f".{channel.name}."
    ]
    power_w = rates.values
    if claims:
        n_runs = greatest_held(claims[0].t_ns, np.asarray(claims[0].raw, dtype=np.float64), rates.edges_ns)
        power_w = power_w / np.maximum(1.0, np.where(np.isnan(n_runs), 1.0, n_runs))
    return ComponentPower(
        component="gpu",
        power=_power(rates.edges_ns, power_w),
        idle=_power(rates.edges_ns, np.where(np.isnan(power_w), np.nan, 0.0)),
        kind="counter" if channel.kind == "counter" else "gauge",
        note=f"{channel.method} of {channel.device}",
        low_fraction=channel.low_fraction,
        high_fraction=channel.high_fraction,
        gaps=_gaps(rates, channel.name),
    )
