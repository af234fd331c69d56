"""Apple silicon through IOReport, as zeus-apple-silicon reads it: energy of processor, memory and GPU, without root.

Source: zeus-apple-silicon 1.x, ``AppleEnergyMonitor.get_cumulative_energy``; every figure is in millijoules or missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lowtide.doors import Outcome, Retry
from lowtide.errors import MissingExtraError, SensorError
from lowtide.model.hardware import Channel, Component
from lowtide.power.sensors.facts import method

__all__ = ["AppleSensor"]

_FIELDS: Final[tuple[tuple[str, Component, str], ...]] = (
    ("cpu_total_mj", "cpu", "cpu"),
    ("dram_mj", "memory", "memory"),
    ("gpu_mj", "gpu", "gpu/apple/0"),
    ("ane_mj", "other", "ane"),
)
_MAX_W: Final = 500.0


class AppleSensor:
    """Reads the cumulative energy of the chip.

    Parameters
    ----------
    monitor : object, optional
        With ``get_cumulative_energy()``; the library's by default.

    Raises
    ------
    MissingExtraError
        If zeus-apple-silicon is not installed.
    SensorError
        If this is no such chip.
    """

    name = "apple"

    def __init__(self, monitor: Any = None) -> None:
        self._monitor = monitor if monitor is not None else _open_monitor()
        try:
            first = self._monitor.get_cumulative_energy()
        except Exception as error:
            raise SensorError(f"IOReport does not answer: {error}") from error
        self._fields = tuple(f for f in _FIELDS if _count(getattr(first, f[0], None)) is not None)
        if not self._fields:
            raise SensorError("IOReport shows no energy on this machine")
        self.channels: Sequence[Channel] = tuple(_channel(*field) for field in self._fields)

    def read(self) -> Sequence[Outcome]:
        """Return the raw millijoules of every part."""
        try:
            energy = self._monitor.get_cumulative_energy()
        except Exception as error:
            return [Retry(f"IOReport: {error}")] * len(self._fields)
        counts = (_count(getattr(energy, name, None)) for name, _, _ in self._fields)
        return [Retry("IOReport left this part out") if count is None else count for count in counts]

    def close(self) -> None:
        """Nothing is held."""


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**62:
        return None
    return int(value)


def _channel(name: str, component: Component, part: str) -> Channel:
    return Channel(
        name=f"apple.{name.removesuffix('_mj')}",
        sensor=AppleSensor.name,
        component=component,
        quantity="energy",
        kind="counter",
        scale=1e-3,
        boundary="chip",
        device=part,
        max_power_w=_MAX_W,
        low_fraction=0.8,
        high_fraction=1.2,
        method=method("apple", f"IOReport energy ({name})"),
        part=part,
        update_s=0.1,
    )


def _open_monitor() -> Any:
    import platform
    from importlib import import_module

    if platform.system() != "Darwin":
        raise SensorError("Apple silicon is measured on macOS only")
    try:
        library = import_module("zeus_apple_silicon")
    except ImportError as error:
        raise MissingExtraError("reading Apple silicon", extra="apple") from error
    try:
        return library.AppleEnergyMonitor()
    except RuntimeError as error:
        raise SensorError(f"IOReport does not open: {error}") from error
