"""Intel GPUs through hwmon: the energy counter of the card, in microjoules, as drivers i915 and xe show it.

Of a card's counters the one of the whole card is read, else that of the package. Source: Linux kernel documentation,
ABI/testing/sysfs-driver-intel-i915-hwmon and sysfs-driver-intel-xe-hwmon.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
    environ : mapping of str to str, optional
        The run's environment; this process's by default.

    Raises
    ------
    SensorError
        If there is no such card, or its counter may not be read.
    """

    name = "intel_gpu"

    def __init__(self, root: str = DEFAULT_ROOT, *, environ: Mapping[str, str] | None = None) -> None:
        self._files = NumberFiles()
        channels = []
        denied = ""
        cards = _cards(root)
        chosen = _in_scope(os.environ if environ is None else environ, [_tiles(card) for card, _ in cards])
        for i, (card, counter) in enumerate(cards):
            try:
                self._files.add(counter)
            except OSError as error:
                denied = (
                    f"{counter} cannot be read ({error.strerror}); allow it with: sudo chmod a+r {counter}"
                )
                continue
            channels.append(_channel(os.path.basename(card), in_scope=i in chosen))
        if not channels:
            raise SensorError(denied or f"no Intel GPU with an energy counter under {root}")
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw microjoules of every card."""
        return self._files.read()

    def close(self) -> None:
        """Close all counters."""
        self._files.close()


def _cards(root: str) -> list[tuple[str, str]]:
    """Return the PCI folder and the counter of every card, in the order of their addresses."""
    cards = []
    for folder in folders(root, "hwmon"):
        counter = _counter(folder) if text_of(f"{folder}/name") in _DRIVERS else ""
        if counter:
            cards.append((os.path.realpath(os.path.join(folder, "device")), counter))
    return sorted(cards, key=lambda card: os.path.basename(card[0]))


def _tiles(card: str) -> int:
    """Return how many tiles a card has: xe shows them in its folder, i915 one ``gt`` for each."""
    found = folders(card, "tile") or [
        gt for drm in folders(f"{card}/drm", "card") for gt in folders(f"{drm}/gt", "gt")
    ]
    return max(1, len(found))


def _in_scope(environ: Mapping[str, str], tiles: Sequence[int]) -> set[int]:
    """Return the cards that ``ZE_AFFINITY_MASK`` leaves: ``0,2.1`` are devices, or tiles of them, numbered from 0.

    A tile stands for its whole card. Source: Level Zero specification, *Core programming guide*, environment
    variables: every tile counts as a device unless ``ZE_FLAT_DEVICE_HIERARCHY`` is ``COMPOSITE``.
    """
    mask = environ.get("ZE_AFFINITY_MASK", "").strip()
    if not mask:
        return set(range(len(tiles)))
    are_whole = environ.get("ZE_FLAT_DEVICE_HIERARCHY", "").upper() == "COMPOSITE"
    devices = [card for card, n in enumerate(tiles) for _ in range(1 if are_whole else n)]
    numbers = [entry.strip().partition(".")[0] for entry in mask.split(",")]
    return {devices[int(n)] for n in numbers if n.isascii() and n.isdigit() and int(n) < len(devices)}


def _counter(folder: str) -> str:
    """Return the path of the counter of the whole card, else of the package, else nothing."""
    found = {text_of(f"{folder}/energy{i}_label") or "card": f"{folder}/energy{i}_input" for i in (2, 1)
             if os.path.exists(f"{folder}/energy{i}_input")}  # fmt: skip
    return found.get("card", found.get("pkg", ""))


def _channel(address: str, *, in_scope: bool) -> Channel:
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
        in_scope=in_scope,
        update_s=0.1,
    )
