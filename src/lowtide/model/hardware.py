"""Where readings come from: devices and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lowtide.model.energy import Boundary

__all__ = ["Channel", "Component", "Consumer", "Kind", "Quantity"]

Component = Literal["cpu", "memory", "gpu", "node", "other"]
Quantity = Literal[
    "energy", "power", "cpu_time", "memory_bytes", "shares", "claims", "utilization", "processes"
]
Kind = Literal["counter", "gauge", "step"]
Consumer = Literal["machine", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One column of a journal: what a sensor reads, raw, and how to understand it later.

    Attributes
    ----------
    name : str
        Unique in a run, e.g. ``rapl.package-0`` or ``nvml.GPU-5f..energy``.
    sensor : str
        Name of the sensor that reads it.
    component : {"cpu", "memory", "gpu", "node", "other"}
    quantity : {"energy", "power", "cpu_time", "memory_bytes", "shares", "claims", "utilization", "processes"}
    kind : {"counter", "gauge", "step"}
        A counter only grows (integers in the journal), a gauge is the value now (floats), a step is the mean
        until the next reading (floats; what a power log that was accounted is kept as).
    scale : float
        SI units (J, W, s, bytes, 1) in one raw unit.
    boundary : Boundary
        What an energy or power contains.
    consumer : {"machine", "run"}
        Whether the figure is of the whole machine or of the run alone.
    device : str
        The device, as its owner names it.
    modulus : int or None
        Raw value at which a counter starts again from 0; None when it never should.
    max_power_w : float or None
        Power the device cannot exceed [W]; tells a wrap from a reset, and says when a counter may
        have wrapped more than once.
    low_fraction, high_fraction : float
        90 % interval of the true value as a fraction of the reading.
    method : str
        How the figure comes about, in words fit for a bill.
    part : str
        The physical part that an energy or power is of, in words that every sensor of it uses: ``cpu/0``,
        ``memory/0``, ``gpu/nvidia/GPU-5f..``, ``gpu/0`` (maker unknown), ``module/0`` (a processor with the
        GPU on its board), ``node``. Two channels of one part measure the same watts. Empty: a part of its own.
    in_scope : bool
        Whether the run may use the device; one that is read only because a node meter contains it is not billed.
    update_s, window_s : float
        Period at which the device renews a figure and time over which it averages one [s]; 0 is at once.
    known_fraction : float or None
        For a kept power log of several devices: the share of their time for which their power is known.
    """

    name: str
    sensor: str
    component: Component
    quantity: Quantity
    kind: Kind
    scale: float = 1.0
    boundary: Boundary = "components"
    consumer: Consumer = "machine"
    device: str = ""
    modulus: int | None = None
    max_power_w: float | None = None
    low_fraction: float = 1.0
    high_fraction: float = 1.0
    method: str = ""
    part: str = ""
    in_scope: bool = True
    update_s: float = 0.0
    window_s: float = 0.0
    known_fraction: float | None = None
