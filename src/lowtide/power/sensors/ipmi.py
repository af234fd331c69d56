"""The node's power from its management controller, through ``ipmitool dcmi power reading``.

The controller is slow and its figure a second old or more, so it is asked in the background. Source: Data Center
Manageability Interface specification 1.5, *Get Power Reading*.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from typing import Final

from lowtide.doors import Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel
from lowtide.power.sensors.background import Background
from lowtide.power.sensors.facts import method

__all__ = ["COMMAND", "IpmiSensor", "parse_reading"]

COMMAND: Final = ("ipmitool", "dcmi", "power", "reading")
_TIME_LIMIT_S: Final = 10.0
_FIRST_WITHIN_S: Final = 0.5
"""How long a run's start may wait for a controller [s]; one that is slower is read from its first answer on."""
_UPDATE_S: Final = 1.0
"""Period at which controllers renew the power now, and over which they average it [s]; the "sampling period" that is
printed beside it is not that one but of their statistics, often the time since the last reset."""
_MAX_NODE_W: Final = 100_000.0


class IpmiSensor:
    """Reads the node's power.

    Parameters
    ----------
    command : sequence of str
        What prints the reading.
    period_s : float
        Time between two questions [s].

    Raises
    ------
    SensorError
        If the command is missing, not allowed, or its controller measures no power.
    """

    name = "ipmi"

    def __init__(self, command: Sequence[str] = COMMAND, *, period_s: float = 2.0) -> None:
        self._command = tuple(command)
        self._background = Background(self._ask, period_s=period_s, first_within_s=_FIRST_WITHIN_S)
        self.channels: Sequence[Channel] = (
            Channel(
                name="ipmi.node",
                sensor=self.name,
                component="node",
                quantity="power",
                kind="gauge",
                boundary="node",
                device="node",
                low_fraction=0.9,
                high_fraction=1.1,
                method=method("ipmi", "IPMI DCMI power reading"),
                part="node",
                update_s=period_s + _UPDATE_S,
                window_s=_UPDATE_S,
            ),
        )

    def _ask(self) -> float:
        try:
            done = subprocess.run(
                self._command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIME_LIMIT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise SensorError(f"{self._command[0]} is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise SensorError(
                f"{' '.join(self._command)} did not answer within {_TIME_LIMIT_S:g} s"
            ) from error
        text = done.stdout.decode(errors="replace")
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise SensorError(
                f"{' '.join(self._command)} failed: {said[0] if said else done.returncode}; it needs /dev/ipmi0, "
                "which root may allow with: sudo chmod a+rw /dev/ipmi0 (until the next boot)"
            )
        return parse_reading(text)

    def read(self) -> Sequence[Outcome]:
        """Return the last watts the controller said."""
        return [self._background.latest()]

    def close(self) -> None:
        """Ask no more."""
        self._background.close()


def parse_reading(text: str) -> float:
    """Return the power now [W] in what ipmitool prints.

    Raises
    ------
    SensorError
        If there is none, or the controller says it is not measuring.

    Examples
    --------
    >>> parse_reading("Instantaneous power reading:   220 Watts")
    220.0
    """
    power = re.search(r"Instantaneous power reading:\s*(\d{1,9}) Watts", text)
    state = re.search(r"Power reading state is:\s*(\w+)", text)
    if power is None or (state is not None and state[1] != "activated"):
        raise SensorError(
            "the management controller measures no power (DCMI power reading is off or missing)"
        )
    watts = float(power[1])
    if not 0.0 < watts < _MAX_NODE_W:
        raise SensorError(f"the management controller says {watts:g} W, which no node draws")
    return watts
