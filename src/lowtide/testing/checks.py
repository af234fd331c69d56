"""Checks that an object keeps the promises of its door; each raises AssertionError saying which it breaks."""

from __future__ import annotations

from collections.abc import Callable

from lowtide.doors import Broken, Retry, Sensor, Stopped

__all__ = ["check_sensor"]

_QUANTITIES = (
    "energy", "power", "cpu_time", "memory_bytes", "shares", "claims", "utilization", "processes"
)  # fmt: skip


def check_sensor(make: Callable[[], Sensor], *, n_reads: int = 3) -> None:
    """Check a sensor: its channels are named and typed, reading never raises and fits them, it can be reopened.

    Parameters
    ----------
    make : callable
        Opens the sensor anew each time.
    n_reads : int
        How often to read it.

    Examples
    --------
    >>> from lowtide.testing.fakes import FakeNvml
    >>> from lowtide.power.sensors.nvml import NvmlSensor
    >>> check_sensor(lambda: NvmlSensor(FakeNvml(["GPU-1"]), visible="0"))
    """
    for _ in range(2):
        sensor = make()
        try:
            _check_channels(sensor)
            for _ in range(n_reads):
                _check_reading(sensor)
        finally:
            sensor.close()


def _check_channels(sensor: Sensor) -> None:
    channels = list(sensor.channels)
    assert sensor.name, "a sensor has a name"
    assert channels, f"{sensor.name} has no channels; raise SensorError when there is nothing to read"
    names = [channel.name for channel in channels]
    assert len(set(names)) == len(names), f"{sensor.name} names two channels alike: {names}"
    for channel in channels:
        known = channel.quantity in _QUANTITIES
        assert known, f"{channel.name}: quantity {channel.quantity!r} is none of {_QUANTITIES}"
        assert channel.kind in ("counter", "gauge"), f"{channel.name}: kind {channel.kind!r} is neither"
        assert channel.scale > 0.0, f"{channel.name}: scale must be positive, SI units in one raw unit"
        assert channel.low_fraction <= 1.0 <= channel.high_fraction, (
            f"{channel.name}: the range must contain 1"
        )
        times_ok = channel.update_s >= 0.0 and channel.window_s >= 0.0
        assert times_ok, f"{channel.name}: update_s and window_s are times, 0 or more"
        assert channel.method, f"{channel.name} does not say its method, which a bill must"
    assert tuple(sensor.channels) == tuple(channels), f"{sensor.name}: channels must not change"


def _check_reading(sensor: Sensor) -> None:
    outcomes = sensor.read()
    n, n_channels = len(outcomes), len(sensor.channels)
    assert n == n_channels, f"{sensor.name}: {n} outcomes for {n_channels} channels"
    for channel, outcome in zip(sensor.channels, outcomes, strict=True):
        if isinstance(outcome, Retry | Stopped | Broken):
            assert outcome.reason, f"{channel.name}: a failure must say its reason"
        elif channel.kind == "counter":
            is_count = isinstance(outcome, int) and not isinstance(outcome, bool)
            assert is_count, f"{channel.name}: a counter is an int, got {outcome!r}"
        else:
            assert isinstance(outcome, float), f"{channel.name}: a gauge is a float, got {outcome!r}"
