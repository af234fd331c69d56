"""The devices of a power log: each one's readings in order, its power between them, and their sum."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lowtide.model.energy import Boundary
from lowtide.model.record import Gap
from lowtide.power.log_table import LogTable
from lowtide.series.readings import gauge_means
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import PowerSeries, total_power
from lowtide.units import NS_PER_S

__all__ = ["Device", "Flaw", "Rows", "device_of_rows", "power_of_devices"]

BoolArray = npt.NDArray[np.bool_]
FlawArray = npt.NDArray[np.uint8]

_GAP_STEPS: Final = 10.0
_LEAST_GAP_S: Final = 5.0
_IDENTITY: Final = re.compile(r"\d+|(?:GPU|MIG)-[0-9A-Fa-f/-]+|[0-9A-Fa-f]{4,}:[0-9A-Fa-f:.]+")
"""Names that only one device has, unlike that of a model."""


class Flaw(IntEnum):
    """What can be wrong with a reading that is there."""

    NONE = 0
    NEGATIVE = 1
    FAILED = 2


class Rows(NamedTuple):
    """All rows of a file: instants [ns], power [W] with NaN for none, its flaw, and whose it is."""

    t_ns: IntArray
    power_w: FloatArray
    flaw: FlawArray
    device_of: IntArray
    devices: list[str]
    n_negative: int
    n_failed: int


class Device(NamedTuple):
    """The readings of one device in order of time, each instant once."""

    channel: str
    t_ns: IntArray
    power_w: FloatArray
    flaw: FlawArray


def device_of_rows(table: LogTable, rows: Rows, code: int, columns: str) -> Device:
    """Return one device's readings, sorted, with those of one instant merged.

    Raises
    ------
    DataFileError
        If readings of one instant differ and may be of several devices.
    """
    mine = np.flatnonzero(rows.device_of == code) if len(rows.devices) > 1 else np.arange(len(rows.t_ns))
    mine = mine[np.argsort(rows.t_ns[mine], kind="stable")]
    t_ns, power_w, flaw = rows.t_ns[mine], rows.power_w[mine], rows.flaw[mine]
    name = rows.devices[code]
    starts = np.flatnonzero(np.diff(t_ns, prepend=t_ns[0] - 1) > 0)
    if len(starts) < len(t_ns):
        known = ~np.isnan(power_w)
        if not _IDENTITY.fullmatch(name.rsplit("/", 1)[-1]):
            _check_agreement(table, mine, starts, power_w, known)
        n_known = np.add.reduceat(known.astype(np.int64), starts)
        with np.errstate(invalid="ignore"):
            power_w = np.add.reduceat(np.where(known, power_w, 0.0), starts) / n_known
        flaw = np.maximum.reduceat(flaw, starts)
        t_ns = t_ns[starts]
    return Device(name or columns, t_ns, np.where(flaw > Flaw.NONE, np.nan, power_w), flaw)


def _check_agreement(
    table: LogTable, rows: IntArray, starts: IntArray, power_w: FloatArray, known: BoolArray
) -> None:
    """Refuse different readings of one instant: of two devices, or of one with coarse stamps?"""
    least = np.minimum.reduceat(np.where(known, power_w, np.inf), starts)
    most = np.maximum.reduceat(np.where(known, power_w, -np.inf), starts)
    differ = np.flatnonzero(most > least)
    if len(differ):
        first = int(starts[differ[0]])
        raise table.refuse(
            f"two readings of one instant differ, {least[differ[0]]:g} W and {most[differ[0]]:g} W; if they are "
            "of several devices, add a column index or uuid that tells them apart, else write finer stamps",
            row=int(rows[first + 1]),
        )


def power_of_devices(
    table: LogTable, devices: Sequence[Device], boundary: Boundary, max_gap_s: float | None
) -> tuple[PowerSeries, tuple[Gap, ...]]:
    """Return the sum of the devices, and when which of them is unknown.

    Raises
    ------
    DataFileError
        If no device has two good readings.
    """
    parts: list[PowerSeries] = []
    gaps: list[Gap] = []
    start_ns = min(int(device.t_ns[0]) for device in devices)
    end_ns = max(int(device.t_ns[-1]) for device in devices)
    for device in devices:
        known = ~np.isnan(device.power_w)
        if known.sum() < 2:
            gaps.append(_gap(device, start_ns, end_ns, "fewer than two readings"))
            continue
        step_s = float(np.median(np.diff(device.t_ns[known]))) / NS_PER_S
        longest_s = max(_GAP_STEPS * step_s, _LEAST_GAP_S) if max_gap_s is None else max_gap_s
        part, inside = _trace(device, boundary, longest_s)
        parts.append(part)
        gaps += inside + _around(device, part, start_ns, end_ns, longest_s)
    if not parts:
        raise table.refuse("fewer than two readings of power; at least two are needed")
    power = total_power(parts, boundary=boundary, where_known="any")
    return power, tuple(sorted(gaps, key=lambda gap: (gap.start_ns, gap.channel)))


def _trace(device: Device, boundary: Boundary, longest_s: float) -> tuple[PowerSeries, list[Gap]]:
    """Return a device's power between its good readings; unknown if they are too far apart or one failed."""
    edges, values, _ = gauge_means(device.t_ns, device.power_w, max_gap_s=longest_s)
    reasons = {int(i): f"no reading for {(edges[i + 1] - edges[i]) / NS_PER_S:.3g} s"
               for i in np.flatnonzero(np.isnan(values))}  # fmt: skip
    for row in np.flatnonzero(device.flaw):
        i = int(np.searchsorted(edges, device.t_ns[row], side="right")) - 1
        if 0 <= i < len(values):
            reasons[i] = f"{Flaw(device.flaw[row]).name.lower()} reading"
    values[list(reasons)] = np.nan
    gaps = [_gap(device, edges[i], edges[i + 1], reason) for i, reason in sorted(reasons.items())]
    return PowerSeries(edges_ns=edges, power_w=values, boundary=boundary), gaps


def _around(device: Device, part: PowerSeries, start_ns: int, end_ns: int, longest_s: float) -> list[Gap]:
    """Return what of the log's time lies before a device's first or after its last good reading."""
    ends = (
        (start_ns, part.start_ns, bool(device.flaw[device.t_ns < part.start_ns].any())),
        (part.end_ns, end_ns, bool(device.flaw[device.t_ns > part.end_ns].any())),
    )
    return [
        _gap(device, first, last, "failed reading" if failed else "no reading")
        for first, last, failed in ends
        if failed or (last - first) / NS_PER_S > longest_s
    ]


def _gap(device: Device, start_ns: int, end_ns: int, reason: str) -> Gap:
    return Gap(start_ns=int(start_ns), end_ns=int(end_ns), channel=device.channel, reason=reason)
