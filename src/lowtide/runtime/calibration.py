"""Calibrating the models of processor and memory on this machine, where something measures it.

A short load keeps none, a half and all of the CPUs busy. Against energy counters of the processor the line
``power = idle + (full - idle) x utilization`` is fitted directly. A node meter sees more than the processor: what it
shows beyond GPUs that are measured is divided by ``1 + rest``, the memory's modelled power is taken off, and the line
is fitted to what is left. What was found is kept in a file of the user with its date and range, and holds for the same
kind of processor only.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple

import numpy as np

from lowtide.accounting.rates import range_of, rates_of, sum_of
from lowtide.accounting.sources import choose_sources
from lowtide.doors import Clock, Sensor
from lowtide.errors import SensorError, SeriesError
from lowtide.model.machine import Machine, MemoryPowerModel, RestModel
from lowtide.model.record import Readings
from lowtide.power.sampler import Sampler
from lowtide.runtime.calibrated import Calibration
from lowtide.series import steps
from lowtide.series.readings import Rates
from lowtide.series.steps import FloatArray, IntArray

__all__ = ["Stage", "burn", "calibrate", "fit"]

STAGES: Final = (0.0, 0.5, 1.0)
_NOTHING: Final = (
    "nothing measures the processor or the node here, so there is nothing to calibrate against; "
    "`lowtide doctor` says how to get a counter or a node meter"
)
_LEAST_RISE_W: Final = 0.1
_LINE_ERROR: Final = 0.05
"""Least 90 % half-width of a fitted line: another load at the same utilization draws another power."""


class Stage(NamedTuple):
    """What one stage of the load showed: mean utilization and the power of processor, memory, node and GPUs [W]."""

    utilization: float
    cpu_w: float
    memory_w: float
    node_w: float
    gpu_w: float


def calibrate(
    sensors: Sequence[Sensor],
    *,
    machine: Machine,
    memory: MemoryPowerModel,
    rest: RestModel,
    clock: Clock,
    wait: Callable[[float], None] = time.sleep,
    load: Callable[[int], AbstractContextManager[None]] | None = None,
    stage_s: float = 10.0,
    interval_s: float = 0.5,
) -> Calibration:
    """Put the load on the machine, read the sensors meanwhile, and fit the models.

    Parameters
    ----------
    sensors : sequence of Sensor
        CPU time among them, and a counter of the processor or a node meter.
    machine, memory, rest
        The machine and the models of the parts that are not fitted.
    clock, wait, load
        The outside: what time it is, how to let it pass, how to keep a number of CPUs busy.
    stage_s, interval_s : float
        Length of a stage and time between two readings [s].

    Raises
    ------
    SensorError
        If nothing measures the processor or the node, or its power does not rise with the load.
    """
    keep_busy = burn if load is None else load
    sampler = Sampler(sensors)
    if not any(
        c.component in ("cpu", "node") and c.quantity in ("energy", "power") for c in sampler.channels
    ):
        raise SensorError(_NOTHING)
    stages = []
    against, error = "", 0.0
    for share in STAGES:
        with keep_busy(round(share * machine.n_logical_cpus)):
            wait(interval_s)  # let the load and slow sensors settle
            readings = _sample(sampler, clock, wait, round(stage_s / interval_s), interval_s)
        stages.append(_stage(readings, machine, interval_s))
        against, error = _against(readings, interval_s)
    return fit(stages, machine=machine, memory=memory, rest=rest, against=against, error=error,
               made=time.strftime("%Y-%m-%d", time.gmtime(clock.now().wall_ns / 1e9)))  # fmt: skip


@contextmanager
def burn(n_cpus: int) -> Iterator[None]:
    """Keep some CPUs busy with arithmetic, in processes of their own."""
    code = "x = 1.0\nwhile True:\n    x = x * 1.0000001 + 1e-9"
    processes = [subprocess.Popen([sys.executable, "-S", "-c", code]) for _ in range(n_cpus)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _sample(
    sampler: Sampler, clock: Clock, wait: Callable[[float], None], n: int, interval_s: float
) -> list[Readings]:
    """Return n + 1 readings of every channel."""
    rows, t_ns = [], []
    for i in range(n + 1):
        packed, _ = sampler.read()
        rows.append(sampler.packing.unpack(packed))
        t_ns.append(clock.now().monotonic_ns)
        if i < n:
            wait(interval_s)
    instants = np.array(t_ns, dtype=np.int64)
    return [
        Readings(
            channel=channel,
            t_ns=instants,
            raw=_column([row[i] for row in rows], is_counter=channel.kind == "counter"),
        )
        for i, channel in enumerate(sampler.channels)
    ]


def _column(values: Sequence[int | float], *, is_counter: bool) -> IntArray | FloatArray:
    return np.array(values, dtype=np.int64) if is_counter else np.array(values, dtype=np.float64)


def _stage(readings: Sequence[Readings], machine: Machine, interval_s: float) -> Stage:
    sources = choose_sources(readings)
    busy = [r for r in readings if r.channel.quantity == "cpu_time" and r.channel.consumer == "machine"]
    try:
        used = _mean([rates_of(r, interval_s) for r in busy]) / machine.n_logical_cpus
    except SeriesError as error:
        raise SensorError(f"the machine's CPU time cannot be read: {error}") from error
    node = () if sources.node is None else (sources.node,)
    powers = [
        _mean([rates_of(r, interval_s) for r in group])
        for group in (sources.cpu, sources.memory, node, (*sources.gpus, *sources.gpus_outside))
    ]
    return Stage(used, *powers)


def _mean(rates: Sequence[Rates]) -> float:
    """Return the mean of the sum over the known time; NaN without any."""
    return steps.mean(*sum_of(rates)) if rates else float("nan")


def _against(readings: Sequence[Readings], interval_s: float) -> tuple[str, float]:
    """Return what measures, in words, and how far it may be off as a fraction."""
    sources = choose_sources(readings)
    chosen = sources.cpu or (() if sources.node is None else (sources.node,))
    if not chosen:
        raise SensorError(_NOTHING)
    low, high = range_of(chosen, [rates_of(r, interval_s) for r in chosen])
    return ", ".join(dict.fromkeys(r.channel.method for r in chosen)), max(1.0 - low, high - 1.0)


def fit(
    stages: Sequence[Stage],
    *,
    machine: Machine,
    memory: MemoryPowerModel,
    rest: RestModel,
    against: str,
    error: float,
    made: str,
) -> Calibration:
    """Return the line through the stages with its range.

    The range holds the greatest residual of the line and the error of what measured; against a node meter also what
    the fraction of the rest may be off.

    Raises
    ------
    SensorError
        If power does not rise with utilization.
    """
    used = np.array([stage.utilization for stage in stages])
    cpu_w = np.array([stage.cpu_w for stage in stages])
    if np.isnan(cpu_w).any():
        node_w = np.array(
            [stage.node_w - np.nan_to_num(stage.gpu_w) * (1.0 + rest.fraction) for stage in stages]
        )
        memory_w = (
            memory.w_per_gb * memory.installed_gb if memory.installed_gb == memory.installed_gb else 0.0
        )
        cpu_w = node_w / (1.0 + rest.fraction) - memory_w
        error = float(np.hypot(error, (rest.high_fraction - 1.0) * rest.fraction / (1.0 + rest.fraction)))
    slope, idle_w = (float(x) for x in np.polyfit(used, cpu_w, 1)) if np.ptp(used) > 0.1 else (0.0, 0.0)
    if not np.isfinite(slope) or slope < _LEAST_RISE_W:
        shown = ", ".join(f"{w:.1f} W at {u:.0%}" for u, w in zip(used, cpu_w, strict=True))
        raise SensorError(
            f"power does not rise with the load ({shown}); is the machine busy with something else?"
        )
    idle_w = max(0.0, idle_w)
    line = idle_w + slope * used
    residual = float(np.max(np.abs(cpu_w - line) / np.maximum(line, _LEAST_RISE_W)))
    width = float(np.sqrt(error**2 + residual**2 + _LINE_ERROR**2))
    dram_w = np.array([stage.memory_w for stage in stages])
    is_known = not np.isnan(dram_w).any() and memory.installed_gb > 0.0
    return Calibration(
        made=made,
        against=against,
        cpu_brand=machine.cpu_brand,
        n_logical_cpus=machine.n_logical_cpus,
        idle_w=round(idle_w, 3),
        full_w=round(idle_w + slope, 3),
        low_fraction=round(max(0.0, 1.0 - width), 4),
        high_fraction=round(1.0 + width, 4),
        w_per_gb=round(float(dram_w.mean()) / memory.installed_gb, 5) if is_known else None,
    )
