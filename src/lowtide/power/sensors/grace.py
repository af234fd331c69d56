"""NVIDIA Grace superchips through hwmon: power of the processor, and of the module as evidence.

The module holds the GPU beside the processor, so it is recorded as a part of its own and never added to them. Source:
NVIDIA Grace Performance Tuning Guide, power telemetry; Linux kernel, hwmon/acpi_power_meter.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from lowtide.doors import Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.files import NumberFiles, folders, text_of

__all__ = ["DEFAULT_ROOT", "GraceSensor"]

DEFAULT_ROOT: Final = "/sys/class/hwmon"
_RAILS: Final[dict[str, tuple[Component, str]]] = {
    "CPU Power Socket": ("cpu", "cpu"),
    "SysIO Power Socket": ("other", "sysio"),
    "Grace Power Socket": ("other", "grace"),
    "Module Power Socket": ("other", "module"),
}


class GraceSensor:
    """Reads ``power1_average`` of every rail.

    Parameters
    ----------
    root : str
        The hwmon folder.

    Raises
    ------
    SensorError
        If no rail of a Grace processor is there or may be read.
    """

    name = "grace"

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self._files = NumberFiles()
        channels = []
        denied = ""
        for folder in (os.path.join(path, "device") for path in folders(root, "hwmon")):
            rail, _, socket = text_of(f"{folder}/power1_oem_info").rpartition(" ")
            if rail not in _RAILS or not socket.isdigit():
                continue
            try:
                self._files.add(f"{folder}/power1_average", float)
            except OSError as error:
                denied = f"{folder}/power1_average ({error.strerror})"
                continue
            channels.append(_channel(rail, socket, text_of(f"{folder}/power1_average_interval")))
        if not any(channel.component == "cpu" for channel in channels):
            self._files.close()
            raise SensorError(
                f"{denied} cannot be read; is acpi_power_meter loaded with force_cap_on=1?"
                if denied
                else f"no NVIDIA Grace power rail under {root}"
            )
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw microwatts of every rail."""
        return self._files.read()

    def close(self) -> None:
        """Close all rails."""
        self._files.close()


def _channel(rail: str, socket: str, interval_ms: str) -> Channel:
    component, part = _RAILS[rail]
    window_s = int(interval_ms) / 1e3 if interval_ms.isascii() and interval_ms.isdigit() else 0.05
    return Channel(
        name=f"grace.{part}-{socket}",
        sensor=GraceSensor.name,
        component=component,
        quantity="power",
        kind="gauge",
        scale=1e-6,
        boundary="chip",
        device=f"{rail} {socket}",
        low_fraction=0.95,
        high_fraction=1.05,
        method=method("grace", "hwmon power"),
        part=f"{part}/{socket}",
        update_s=window_s,
        window_s=window_s,
    )
