"""Intel GPUs through hwmon: the energy counter of the card, in microjoules, as drivers i915 and xe show it.

Of a card's counters the one of the whole card is read, else that of the package. Source: Linux kernel documentation,
ABI/testing/sysfs-driver-intel-i915-hwmon and sysfs-driver-intel-xe-hwmon.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from lowtide.doors import Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.files import NumberFiles, folders, text_of

__all__ = ["DEFAULT_ROOT", "IntelGpuSensor"]

DEFAULT_ROOT: Final = "/sys/class/hwmon"
_DRIVERS: Final = ("i915", "xe")
_MAX_BOARD_W: Final = 1500.0


class IntelGpuSensor:
    """Reads the energy counter of every card.

    Parameters
    ----------
    root : str
        The hwmon folder.

    Raises
    ------
    SensorError
        If there is no such card, or its counter may not be read.
    """

    name = "intel_gpu"

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self._files = NumberFiles()
        channels = []
        denied = ""
        for folder in folders(root, "hwmon"):
            counter = _counter(folder) if text_of(f"{folder}/name") in _DRIVERS else ""
            if not counter:
                continue
            try:
                self._files.add(counter)
            except OSError as error:
                denied = (
                    f"{counter} cannot be read ({error.strerror}); allow it with: sudo chmod a+r {counter}"
                )
                continue
            channels.append(_channel(os.path.basename(os.path.realpath(os.path.join(folder, "device")))))
        if not channels:
            raise SensorError(denied or f"no Intel GPU with an energy counter under {root}")
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw microjoules of every card."""
        return self._files.read()

    def close(self) -> None:
        """Close all counters."""
        self._files.close()


def _counter(folder: str) -> str:
    """Return the path of the counter of the whole card, else of the package, else nothing."""
    found = {text_of(f"{folder}/energy{i}_label") or "card": f"{folder}/energy{i}_input" for i in (2, 1)
             if os.path.exists(f"{folder}/energy{i}_input")}  # fmt: skip
    return found.get("card", found.get("pkg", ""))


def _channel(address: str) -> Channel:
    return Channel(
        name=f"intel_gpu.{address}",
        sensor=IntelGpuSensor.name,
        component="gpu",
        quantity="energy",
        kind="counter",
        scale=1e-6,
        boundary="gpu",
        device=f"Intel GPU {address}",
        max_power_w=_MAX_BOARD_W,
        low_fraction=0.9,
        high_fraction=1.1,
        method=method("intel_gpu", "hwmon energy counter"),
        part=f"gpu/intel/{address}",
        update_s=0.1,
    )
