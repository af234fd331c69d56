"""Reads all sensors at once into one row, and keeps a failing sensor from harming the others."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from lowtide.doors import Broken, Retry, Sensor, Stopped

if TYPE_CHECKING:
    from lowtide.model.hardware import Channel

__all__ = ["MISSING_COUNT", "Failure", "Sampler"]

MISSING_COUNT: Final = -(2**63)
"""Raw counter value that stands for a failed reading (as in :mod:`lowtide.series.readings`)."""

Failure = Retry | Stopped | Broken


class Sampler:
    """Turns the outcomes of several sensors into packed rows.

    Parameters
    ----------
    sensors : sequence of Sensor
        Read in this order.

    Attributes
    ----------
    channels : tuple of Channel
        The columns of a row.
    packing : struct.Struct
        A row's layout: int64 for counters, float64 for gauges.
    """

    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._sensors = list(sensors)
        self._counts = [len(sensor.channels) for sensor in sensors]
        self.channels: tuple[Channel, ...] = tuple(c for s in sensors for c in s.channels)
        self.packing = struct.Struct(
            "<" + "".join("q" if c.kind == "counter" else "d" for c in self.channels)
        )
        self._missing = [MISSING_COUNT if c.kind == "counter" else float("nan") for c in self.channels]
        self._ended: set[int] = set()
        self._failing: set[int] = set()

    def read(self) -> tuple[bytes, list[tuple[str, Failure]]]:
        """Return one packed row, and the failures that are new since the last row.

        A channel that was ``Stopped`` or ``Broken`` stays missing; a sensor that breaks its promise and
        raises counts as ``Retry`` for all its channels.
        """
        row: list[int | float] = []
        for sensor, n in zip(self._sensors, self._counts, strict=True):
            try:
                row.extend(sensor.read())  # type: ignore[arg-type]
            except Exception as error:  # the door forbids it, and a plug-in may do it all the same
                row.extend([Retry(f"{type(error).__name__}: {error}")] * n)  # type: ignore[list-item]
        try:
            if not self._ended and not self._failing:
                return self.packing.pack(*row), []
        except (struct.error, TypeError):
            pass  # some outcome is no number: take the slow path that says which
        return self._pack_failures(row)

    def _pack_failures(self, row: Sequence[object]) -> tuple[bytes, list[tuple[str, Failure]]]:
        new: list[tuple[str, Failure]] = []
        packed: list[int | float] = []
        for i, outcome in enumerate(row):
            failure = self._failure(i, outcome)
            packed.append(self._missing[i] if failure or i in self._ended else outcome)  # type: ignore[arg-type]
            if failure is None:
                self._failing.discard(i)
            elif i not in self._failing and i not in self._ended:
                new.append((self.channels[i].name, failure))
                (self._failing if isinstance(failure, Retry) else self._ended).add(i)
        return self.packing.pack(*packed), new

    def _failure(self, i: int, outcome: object) -> Failure | None:
        if isinstance(outcome, Retry | Stopped | Broken):
            return outcome
        counter = self.channels[i].kind == "counter"
        if counter and not (isinstance(outcome, int) and -(2**63) < outcome < 2**63):
            return Retry(f"a counter must be an integer of 64 bits, got {outcome!r}")
        if not counter and not isinstance(outcome, int | float):
            return Retry(f"a gauge must be a number, got {outcome!r}")
        return None

    def close(self) -> None:
        """Close every sensor."""
        for sensor in self._sensors:
            try:
                sensor.close()
            except Exception:  # closing must not keep a journal from being sealed
                continue
