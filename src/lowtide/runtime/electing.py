"""Which of the ranks of a launch reads what the ranks of a node share.

Two locks on the node's own disk, one for the machine and one for GPUs as a rank sees them; the kernel drops a lock
with its holder, and the next rank that looks takes over. What is read this way goes into a journal of its own, so that
a rank can begin to at any time. Two that read at once by mistake do no harm: readings of one channel of one
machine are one series, whoever took them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lowtide.doors import Outcome, Sensor
from lowtide.errors import LowtideError, SensorError
from lowtide.model.hardware import Channel
from lowtide.power.scope import Scope
from lowtide.power.sensors.cpu_time import CpuTimeSensor
from lowtide.power.tree import TreeUse

if TYPE_CHECKING:
    from lowtide.runtime.recorder import Recorder

__all__ = ["Columns", "Duty", "NodeLock", "Nobody", "RankSensor", "duties", "presence"]

_VISIBLE: Final = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
)


class NodeLock:
    """A lock held until its holder ends; tried again and again by the others.

    Parameters
    ----------
    path : str
        On the node's own disk; removed by the holder that leaves in good order.
    """

    def __init__(self, path: str) -> None:
        self._path, self._fd = path, -1

    def try_take(self) -> bool:
        """Return whether the lock is held, taking it when it is free."""
        import fcntl

        if self._fd >= 0:
            return True
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False  # the folder is gone with the run, or the disk is full
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == os.stat(self._path).st_ino:  # else its last holder has just removed it
                self._fd, fd = fd, -1
        except OSError:
            pass
        finally:
            if fd >= 0:
                os.close(fd)
        return self._fd >= 0

    def release(self) -> None:
        """Let go, leaving nothing behind."""
        if self._fd >= 0:
            try:
                os.unlink(self._path)
            except OSError:
                pass  # gone with its folder
            os.close(self._fd)
            self._fd = -1


class RankSensor:
    """CPU time and memory of one rank's processes: what every rank reads by itself."""

    name = "cpu_time"

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.channels = (
            Channel(name="run.cpu", sensor=self.name, component="cpu", quantity="cpu_time", kind="counter",
                    scale=1e-9, consumer="run", device="all CPUs", method="CPU time of the run from /proc"),
            Channel(name="run.rss", sensor=self.name, component="memory", quantity="memory_bytes",
                    kind="gauge", consumer="run", device="memory", method="resident memory from /proc"),
        )  # fmt: skip

    def read(self) -> Sequence[Outcome]:
        """Return CPU nanoseconds and resident bytes."""
        use = self._scope.use()
        return use.cpu_ns, float(use.rss_bytes)

    def close(self) -> None:
        """Close the scope."""
        self._scope.close()


class Columns:
    """Some channels of a sensor.

    Parameters
    ----------
    sensor : Sensor
    wanted : callable
        Whether a channel is one of them.
    """

    def __init__(self, sensor: Sensor, wanted: Callable[[Channel], bool]) -> None:
        self._sensor, self.name = sensor, sensor.name
        self._places = [i for i, channel in enumerate(sensor.channels) if wanted(channel)]
        self.channels = tuple(sensor.channels[i] for i in self._places)

    def read(self) -> Sequence[Outcome]:
        """Return the outcomes of these channels."""
        row = self._sensor.read()
        return [row[i] for i in self._places]

    def close(self) -> None:
        """Close the sensor."""
        self._sensor.close()


class Nobody:
    """The scope of a recording that is of the machine alone."""

    def use(self) -> TreeUse:
        """Return that no process belongs to it."""
        return TreeUse(0, 0, 0)

    def close(self) -> None:
        """Nothing is held."""


class Duty:
    """Reads shared sensors as soon as, and as long as, this rank holds their lock.

    Parameters
    ----------
    lock : NodeLock
    start : callable
        Opens the sensors and their journal; None when there is nothing to read.
    """

    def __init__(self, lock: NodeLock, start: Callable[[], Recorder | None]) -> None:
        self._lock, self._start = lock, start
        self._recorder: Recorder | None = None
        self._state = "waiting"

    def tick(self) -> None:
        """Take a reading if this rank is the one that reads."""
        if self._state == "waiting" and self._lock.try_take():
            self._take_over()
        if self._recorder is not None:
            self._recorder.tick()

    def _take_over(self) -> None:
        try:
            self._recorder, self._state = self._start(), "elected"
        except (LowtideError, OSError):  # no room for a journal here: another rank may have some
            self._lock.release()
            self._state = "unable"

    def finish(self) -> None:
        """Take the last reading, seal it and let another rank take over."""
        if self._recorder is not None:
            self._recorder.finish()
        self._lock.release()


def duties(
    options: Mapping[str, Any], begin: Callable[[Sequence[Sensor], str, Sequence[str]], Recorder]
) -> list[Duty]:
    """Return the duties a rank may be elected for.

    Parameters
    ----------
    options : mapping
        Of the recorder.
    begin : callable
        Makes a recorder of sensors, the name of a writer, and notes.
    """
    folder, writer = options["elect_dir"], options["writer"]
    seen = zlib.crc32("|".join(f"{name}={os.environ.get(name)}" for name in _VISIBLE).encode())

    def machine() -> Recorder | None:
        sensors, notes = _machine_sensors(options)
        return begin(sensors, f"{writer}-machine", notes)

    def gpus() -> Recorder | None:
        opened, _ = _opened(options)
        sensors = [sensor for sensor in opened if _is_gpu(sensor)]
        for sensor in opened:
            if sensor not in sensors:
                sensor.close()
        return begin(*_with_claims(sensors, options, f"{writer}-gpus")) if sensors else None

    return [
        Duty(NodeLock(os.path.join(folder, "machine.lock")), machine),
        Duty(NodeLock(os.path.join(folder, f"gpus-{seen:08x}.lock")), gpus),
    ]


def _opened(options: Mapping[str, Any]) -> tuple[list[Sensor], list[str]]:
    from lowtide.runtime.sensing import open_sensors

    return open_sensors(options["sensors"])


def _is_gpu(sensor: Sensor) -> bool:
    return all(channel.component == "gpu" for channel in sensor.channels)


def _machine_sensors(options: Mapping[str, Any]) -> tuple[list[Sensor], list[str]]:
    """Return all that is no GPU of this machine, with the run's announcement on the node."""
    opened, notes = _opened(options)
    sensors: list[Sensor] = [Columns(CpuTimeSensor(Nobody()), lambda channel: channel.consumer == "machine")]
    for sensor in opened:
        if _is_gpu(sensor):
            sensor.close()
        else:
            sensors.append(sensor)
    try:
        sensors.append(presence(options, sensors))
    except LowtideError as error:
        notes.append(str(error))
    return sensors, notes


def _with_claims(
    sensors: Sequence[Sensor], options: Mapping[str, Any], writer: str
) -> tuple[list[Sensor], str, list[str]]:
    """Return GPU sensors with the announcement of what they read, the name of the writer, and notes.

    Who announces the run may see other GPUs than these, so whoever reads GPUs claims them for the run.
    """
    try:
        announced = _announce(options, sensors, options["run_id"].replace("/", "_"), claims_alone=True)
    except SensorError as error:
        return list(sensors), writer, [str(error)]
    return [*sensors, Columns(announced, lambda channel: channel.quantity == "claims")], writer, []


def presence(options: Mapping[str, Any], sensors: Sequence[Sensor]) -> Sensor:
    """Announce the run on this node, with the GPUs in scope that some sensors read.

    Raises
    ------
    SensorError
    """
    return _announce(options, sensors, options["run_id"].partition("/")[0])


def _announce(
    options: Mapping[str, Any], sensors: Sequence[Sensor], name: str, *, claims_alone: bool = False
) -> Sensor:
    from lowtide.power.sensors.presence import PresenceSensor

    if not options["presence_dir"]:
        raise SensorError("this recording is announced to no other run on the node")
    return PresenceSensor(
        options["presence_dir"],
        run_id=name,
        parent_run_id=options["parent_run_id"],
        cpu_share=0.0 if claims_alone else options["cpu_share"],
        memory_share=0.0 if claims_alone else options["memory_share"],
        gpus=_gpu_parts(sensors),
        claims_for=options["run_id"].partition("/")[0],
    )


def _gpu_parts(sensors: Sequence[Sensor]) -> list[str]:
    """Return the GPUs in scope that some sensors read, each once."""
    channels = [channel for sensor in sensors for channel in sensor.channels]
    return list(
        dict.fromkeys(
            channel.part or channel.name
            for channel in channels
            if channel.component == "gpu" and channel.quantity in ("energy", "power") and channel.in_scope
        )
    )
