"""NVIDIA Jetson boards through the INA3221 monitor: voltage times current of each rail.

``VDD_IN`` is the whole module and stands as the node's meter; rails of the processor or the GPU alone are read as
these; rails that several share (``VDD_CPU_GPU_CV``) are kept as evidence. Source: NVIDIA Jetson Linux Developer Guide,
*Platform power and performance*; Linux kernel documentation, hwmon/ina3221.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lowtide.doors import Broken, Outcome, Retry
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.files import NumberFiles, folders, text_of

__all__ = ["DEFAULT_ROOT", "JetsonSensor"]

DEFAULT_ROOT: Final = "/sys/class/hwmon"
_N_RAILS: Final = 3
_COMPONENTS: Final[dict[str, Component]] = {
    "VDD_IN": "node",
    "POM_5V_IN": "node",
    "VDD_CPU": "cpu",
    "VDD_CPU_CV": "other",
    "POM_5V_CPU": "cpu",
    "VDD_GPU": "gpu",
    "POM_5V_GPU": "gpu",
}


class JetsonSensor:
    """Reads the power of every rail that has a name.

    Parameters
    ----------
    root : str
        The hwmon folder.

    Raises
    ------
    SensorError
        If there is no such monitor, or it may not be read.
    """

    name = "jetson"

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        self._files = NumberFiles()
        channels = []
        for label, voltage, current in _rails(root):
            try:
                self._files.add(voltage, float)
                self._files.add(current, float)
            except OSError as error:
                self._files.close()
                raise SensorError(f"rail {label} cannot be read ({error.strerror}); allow it with: "
                                  f"sudo chmod a+r {voltage} {current}") from error  # fmt: skip
            channels.append(_channel(label))
        if not channels:
            raise SensorError(f"no INA3221 power monitor under {root}: not an NVIDIA Jetson")
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw mV x mA of every rail."""
        values = self._files.read()
        return [_product(*pair) for pair in zip(values[::2], values[1::2], strict=True)]

    def close(self) -> None:
        """Close all rails."""
        self._files.close()


def _product(millivolts: Outcome, milliamperes: Outcome) -> Outcome:
    for outcome in (millivolts, milliamperes):
        if isinstance(outcome, Retry | Broken):
            return outcome
    return float(millivolts) * float(milliamperes)  # type: ignore[arg-type]


def _rails(root: str) -> Iterator[tuple[str, str, str]]:
    for folder in folders(root, "hwmon"):
        if text_of(f"{folder}/name") != "ina3221":
            continue
        for i in range(1, _N_RAILS + 1):
            label = text_of(f"{folder}/in{i}_label")
            if label and label != "NC":
                yield label, f"{folder}/in{i}_input", f"{folder}/curr{i}_input"


def _channel(label: str) -> Channel:
    component = _COMPONENTS.get(label, "other")
    return Channel(
        name=f"jetson.{label}",
        sensor=JetsonSensor.name,
        component=component,
        quantity="power",
        kind="gauge",
        scale=1e-6,
        boundary="node" if component == "node" else "chip",
        device=label,
        low_fraction=0.95,
        high_fraction=1.05,
        method=method("jetson", "INA3221 power monitor"),
        part="node" if component == "node" else f"{component}/{label}",
        update_s=0.001,
        window_s=0.001,
    )
