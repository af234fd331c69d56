"""Attribution: which part of a machine's power is a run's, so that the parts never exceed the whole.

``share`` (the default): what a component draws above idle goes to runs by their CPU time; its idle power by
the share of the machine a run may use, divided by max(1, sum of all runs' shares), split again whenever a
run starts or ends. ``dynamic`` leaves idle out, ``machine`` takes all. A GPU in a run's scope is its own, divided by
the number of runs that have it in scope; when a process outside the run computes on it, the run takes no more than its
share of the SM utilisation. What no run takes is *unattributed*: runs and unattributed sum to the machine (a
law, tested). In a step in which runs come or go the most that were there at once count, so nothing is given out
twice. The rule itself is in :mod:`~lowtide.accounting.shares`, the choice of channels in
:mod:`~lowtide.accounting.sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lowtide.accounting.away import away_edges_ns, present_fraction
from lowtide.accounting.rates import gaps_of, range_of, rates_of, sum_of
from lowtide.accounting.shares import part_of, sm_share, total_of, unattributed
from lowtide.accounting.sources import Sources, choose_sources
from lowtide.errors import SeriesError
from lowtide.model.hardware import Channel
from lowtide.model.ledger import MethodKind
from lowtide.model.record import Gap, Readings, Record
from lowtide.series import steps
from lowtide.series.blocks import any_nan, in_blocks, side_by_side
from lowtide.series.readings import Rates, greatest_held, held, one_held
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import PowerSeries

__all__ = ["ComponentPower", "attribute", "part_of", "total_of", "unattributed"]


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
    whole : PowerSeries
        The whole component of the machine [W], whoever uses it.
    kind : {"counter", "gauge", "modelled"}
    note : str
        The method in words.
    low_fraction, high_fraction : float
        90 % interval of the true value as a fraction.
    gaps : tuple of Gap
    kwh, idle_kwh : float
        Energy of `power` and of `idle` [kWh], summed once.
    """

    component: str
    power: PowerSeries
    idle: PowerSeries
    whole: PowerSeries
    kind: MethodKind
    note: str
    low_fraction: float
    high_fraction: float
    gaps: tuple[Gap, ...] = ()
    kwh: float = field(init=False)
    idle_kwh: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kwh", self.power.energy_kwh())
        idle_kwh = self.idle.energy_kwh() if self.idle.power_w.any() else 0.0
        object.__setattr__(self, "idle_kwh", idle_kwh)


def attribute(record: Record, sources: Sources | None = None) -> tuple[ComponentPower, ...]:
    """Return the run's part of every component the record knows anything about."""
    chosen = choose_sources(record.readings.values()) if sources is None else sources
    works: list[Callable[[], ComponentPower | None]] = [
        partial(_cpu, record, chosen.cpu),
        partial(_memory, record, chosen.memory),
        *(partial(_gpu, record, readings) for readings in chosen.gpus),
    ]
    parts = side_by_side(lambda work: work(), works, 8 * record.n_readings * len(works))
    return tuple(part for part in parts if part is not None)


def _power(edges_ns: IntArray, power_w: FloatArray) -> PowerSeries:
    return PowerSeries(edges_ns=edges_ns, power_w=power_w, boundary="components")


def _of(record: Record, *, component: str, quantity: str, consumer: str = "machine") -> list[Readings]:
    return [
        r
        for r in record.readings.values()
        if (r.channel.component, r.channel.quantity, r.channel.consumer) == (component, quantity, consumer)
    ]


def _unless_suspended(record: Record, edges_ns: IntArray, power_w: FloatArray) -> FloatArray:
    """Return a model's power with the steps blanked in which the machine was suspended."""
    for gap in record.gaps:
        if gap.reason == "suspended":
            inside = (edges_ns[:-1] < gap.end_ns) & (edges_ns[1:] > gap.start_ns)
            power_w = np.where(inside, np.nan, power_w)
    return power_w


def _total_share(record: Record, edges_ns: IntArray, *, component: str, own: float) -> FloatArray:
    """Return the sum of all runs' shares over time; this run's own where nobody announced.

    One number, as an array without dimensions, where it never changed.
    """
    announced = _of(record, component=component, quantity="shares")
    if not announced:
        return np.asarray(own)
    total = _greatest(announced[0], edges_ns)
    return np.where(np.isnan(total), own, np.maximum(total, own))


def _greatest(readings: Readings, edges_ns: IntArray) -> FloatArray:
    """Return the greatest value held in each step; one, without dimensions, where it never changed."""
    values = np.asarray(readings.raw, dtype=np.float64)
    one = one_held(values)
    return greatest_held(readings.t_ns, values, edges_ns) if one is None else np.asarray(one)


def _cpu(record: Record, measured: Sequence[Readings]) -> ComponentPower | None:
    cpu_time = {r.channel.consumer: r for c in ("machine", "run") for r in
                _of(record, component="cpu", quantity="cpu_time", consumer=c)}  # fmt: skip
    try:
        rates: dict[str, Rates] = {who: rates_of(r, record.header.interval_s) for who, r in cpu_time.items()}
    except SeriesError:
        return None  # fewer than two readings: nothing was recorded
    if set(rates) != {"machine", "run"}:
        return None
    return _cpu_measured(record, measured, rates) if measured else _cpu_modelled(record, rates)


def _cpu_modelled(record: Record, rates: Mapping[str, Rates]) -> ComponentPower:
    header, model = record.header, record.header.cpu_model
    edges = rates["run"].edges_ns
    w_per_cpu = (model.full_w - model.idle_w) / header.machine.n_logical_cpus
    busy = steps.resample(rates["machine"].edges_ns, rates["machine"].values, edges)
    used = busy if header.attribution == "machine" else rates["run"].values
    # Linear in CPU time, so a run's dynamic part is its own CPU time's and the parts sum exactly.
    power, idle = part_of(
        model.idle_w + w_per_cpu * used,
        model.idle_w,
        share=header.cpu_share * present_fraction(record, edges),
        total_share=_total_share(record, edges, component="cpu", own=header.cpu_share),
        cpu_fraction=1.0,
        attribution=header.attribution,
    )
    return ComponentPower(
        component="cpu",
        power=_power(edges, _unless_suspended(record, edges, power)),
        idle=_power(edges, _unless_suspended(record, edges, idle)),
        whole=_power(edges, _unless_suspended(record, edges, model.idle_w + w_per_cpu * busy)),
        kind="modelled",
        note=model.method,
        low_fraction=model.low_fraction,
        high_fraction=model.high_fraction,
        gaps=gaps_of(rates["run"], "run.cpu", record),
    )


def _cpu_measured(record: Record, measured: Sequence[Readings], rates: Mapping[str, Rates]) -> ComponentPower:
    header = record.header
    packages = [rates_of(readings, record.header.interval_s) for readings in measured]
    edges, machine_w = sum_of(packages)
    busy = steps.resample(rates["machine"].edges_ns, rates["machine"].values, edges)
    used = steps.resample(rates["run"].edges_ns, rates["run"].values, edges)
    fraction = _fraction(used, busy)
    power, idle = part_of(
        machine_w,
        header.cpu_model.idle_w,
        share=header.cpu_share * present_fraction(record, edges),
        total_share=_total_share(record, edges, component="cpu", own=header.cpu_share),
        cpu_fraction=fraction,
        attribution=header.attribution,
    )
    low, high = range_of(measured, packages)
    return ComponentPower(
        component="cpu",
        power=_power(edges, power),
        idle=_power(edges, idle),
        whole=_power(edges, machine_w),
        kind=_kind(measured),
        note=f"{_methods(measured)}, by CPU time",
        low_fraction=low,
        high_fraction=high,
        gaps=_all_gaps(measured, packages, record),
    )


def _fraction(used: FloatArray, busy: FloatArray) -> FloatArray:
    """Return used of busy CPU time, 0 where nothing was busy and unknown where either is; to `used`, and by blocks."""
    for block in in_blocks(len(used)):
        with np.errstate(invalid="ignore", divide="ignore"):
            np.divide(used[block], busy[block], out=used[block])
        np.clip(used[block], 0.0, 1.0, out=used[block])
        used[block][busy[block] == 0.0] = 0.0
    return used


def _kind(readings: Sequence[Readings]) -> MethodKind:
    return "counter" if all(r.channel.kind == "counter" for r in readings) else "gauge"


def _methods(readings: Sequence[Readings]) -> str:
    """Return the methods in words: each once, with the devices it was used on."""
    devices: dict[str, list[str]] = {}
    for r in readings:
        method = r.channel.method.removesuffix(f" of {r.channel.device}")
        devices.setdefault(method or r.channel.name, []).append(r.channel.device)
    return "; ".join(f"{method} ({', '.join(names)})" for method, names in devices.items())


def _all_gaps(readings: Sequence[Readings], rates: Sequence[Rates], record: Record) -> tuple[Gap, ...]:
    pairs = zip(rates, readings, strict=True)
    return tuple(gap for rate, r in pairs for gap in gaps_of(rate, r.channel.name, record))


def _memory(record: Record, measured: Sequence[Readings]) -> ComponentPower | None:
    header, model = record.header, record.header.memory_model
    kind: MethodKind = "modelled"
    low, high, note = model.low_fraction, model.high_fraction, model.source
    gaps: tuple[Gap, ...] = ()
    if measured:
        domains = [rates_of(readings, record.header.interval_s) for readings in measured]
        edges, machine_w = sum_of(domains)
        kind, note = _kind(measured), _methods(measured)
        low, high = range_of(measured, domains)
        gaps = _all_gaps(measured, domains, record)
    elif np.isnan(model.installed_gb):
        return None
    else:
        edges, machine_w = _modelled_memory(record)
    power, idle = part_of(
        machine_w,
        machine_w,  # memory refreshes whether used or not: all of it is idle power
        share=header.memory_share * present_fraction(record, edges),
        total_share=_total_share(record, edges, component="memory", own=header.memory_share),
        cpu_fraction=0.0,
        attribution=header.attribution,
    )
    return ComponentPower(
        component="memory",
        power=_power(edges, power),
        idle=_power(edges, idle),
        whole=_power(edges, machine_w),
        kind=kind,
        note=note,
        low_fraction=low,
        high_fraction=high,
        gaps=gaps,
    )


def _modelled_memory(record: Record) -> tuple[IntArray, FloatArray]:
    """Return the constant power of the memory, in steps where its split may change as runs come and go."""
    model = record.header.memory_model
    edges = np.array([record.start_ns, record.end_ns], dtype=np.int64)
    announced = _of(record, component="memory", quantity="shares")
    if announced and len(announced[0].t_ns) > 1:
        edges = announced[0].t_ns
    away = away_edges_ns(record)
    if len(away):
        edges = np.union1d(edges, away[(away > edges[0]) & (away < edges[-1])])
    machine_w = np.full(len(edges) - 1, model.w_per_gb * model.installed_gb)
    return edges, _unless_suspended(record, edges, machine_w)


def _gpu(record: Record, readings: Readings) -> ComponentPower:
    channel = readings.channel
    rates = rates_of(readings, record.header.interval_s)
    share, rule = _gpu_share(record, readings, rates.edges_ns)
    share = share * present_fraction(record, rates.edges_ns)
    whole = _power(rates.edges_ns, rates.values)
    low, high = range_of([readings], [rates])
    return ComponentPower(
        component="gpu",
        power=whole if share.ndim == 0 and share == 1.0 else _power(rates.edges_ns, rates.values * share),
        idle=_power(rates.edges_ns, _nothing(rates.values)),
        whole=whole,
        kind="counter" if channel.kind == "counter" else "gauge",
        note=f"{channel.method} of {channel.device}{rule}",
        low_fraction=low,
        high_fraction=high,
        gaps=gaps_of(rates, channel.name, record),
    )


def _nothing(values: FloatArray) -> FloatArray:
    """Return zeros where values are known; without unknown ones one zero that is seen again and again."""
    if not any_nan(values):
        return np.broadcast_to(np.float64(0.0), len(values))
    zeros = np.zeros(len(values))
    zeros[np.isnan(values)] = np.nan
    return zeros


def _gpu_share(record: Record, readings: Readings, edges_ns: IntArray) -> tuple[FloatArray, str]:
    """Return the run's share of a GPU over time, and the rule in words where it is not the whole.

    A share that never changes is an array without dimensions.
    Never more than 1 / (number of runs that claim it), so what several runs take is never more than the GPU.
    """
    channel = readings.channel
    if record.header.attribution == "machine":
        return np.asarray(1.0), ""
    n_runs: FloatArray = np.asarray(1.0)
    for name, r in record.readings.items():
        if r.channel.quantity == "claims" and _is_claimed(channel, r.channel.part, name):
            claims = _greatest(r, edges_ns)
            n_runs = np.asarray(np.maximum(n_runs, np.where(np.isnan(claims), 1.0, claims)))
    by_sm = _sm_share(record, channel.part, edges_ns)
    if by_sm is None or not (by_sm < 1.0).any():
        return np.asarray(1.0 / n_runs), ""
    return np.minimum(by_sm, 1.0 / n_runs), "; shared with others by SM utilisation (an allocation rule)"


def _is_claimed(channel: Channel, part: str, name: str) -> bool:
    """Whether claims are of a channel's GPU: by its part, by its UUID in records from before claims had one."""
    if part:
        return part == (channel.part or channel.name)
    return f".{name.split('.', 1)[-1]}." in f".{channel.name}."


def _sm_share(record: Record, part: str, edges_ns: IntArray) -> FloatArray | None:
    """Return the run's share of a GPU by SM utilisation; None where nobody looked who uses it."""
    found: dict[str, FloatArray] = {}
    for r in record.readings.values():
        channel = r.channel
        if part and channel.part == part and channel.quantity in ("utilization", "processes"):
            values = np.asarray(r.raw, dtype=np.float64) * channel.scale
            found[f"{channel.quantity} {channel.consumer}"] = held(r.t_ns, values, edges_ns)
    wanted = ("utilization run", "utilization machine", "processes machine")
    if any(name not in found for name in wanted):
        return None
    return sm_share(*(found[name] for name in wanted))
