"""The recorder: a small process that reads the sensors of one run and journals what they say.

It is started by ``lowtide run`` or :func:`lowtide.measure` in a session of its own, so that neither a Ctrl-C nor
the death of its parent stops it. It ends when told to, or when the process it watches has ended. Nothing
here computes: readings go into the journal raw. numpy is not imported (a test looks).

Talk over the control socket, one word a line: the recorder says ``ready`` after its first reading and
``sealed`` at the end; it is told ``job PID``, ``spare PID`` and ``reaped NS`` (a child of the supervisor is not the
job's, nor what it has used), and ``end``.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lowtide.doors import Clock, Sensor
from lowtide.errors import LowtideError, SensorError, StoreError
from lowtide.power.sampler import Sampler
from lowtide.power.scope import CgroupScope, PsutilScope, Scope, own_cgroup
from lowtide.power.sensors.cpu_time import CpuTimeSensor
from lowtide.power.tree import ProcessTree
from lowtide.runtime.clock import SystemClock
from lowtide.runtime.sealing import Sealer
from lowtide.stores.codec import to_plain, write_json
from lowtide.stores.journal import JournalWriter

if TYPE_CHECKING:
    from lowtide.runtime.electing import Duty

__all__ = ["Recorder", "begin_recorder", "main"]

_CHECK_JOB_S = 1.0


class Recorder:
    """Reads, journals and seals on a fixed schedule until the run has ended.

    Parameters
    ----------
    sampler : Sampler
    journal : JournalWriter
    sealer : Sealer
    clock : Clock
    interval_ns : int
        Time between two readings [ns].
    """

    def __init__(
        self,
        *,
        sampler: Sampler,
        journal: JournalWriter,
        sealer: Sealer,
        clock: Clock,
        interval_ns: int,
    ) -> None:
        self.sampler, self.journal, self.sealer, self.clock = sampler, journal, sealer, clock
        self._interval_ns = interval_ns
        self._next_ns = clock.now().monotonic_ns
        self.overruns = 0

    def tick(self) -> None:
        """Take and commit one reading, and plan the next one."""
        data, failures = self.sampler.read()
        moment = self.clock.now()
        for channel, failure in failures:
            self.journal.event(moment.wall_ns, type(failure).__name__.lower(), channel, failure.reason)
        self.journal.append(moment, data)
        self._next_ns += self._interval_ns
        if self._next_ns <= moment.monotonic_ns:
            missed = (moment.monotonic_ns - self._next_ns) // self._interval_ns + 1
            self._next_ns += missed * self._interval_ns
            self.overruns += missed
        self.sealer.poll(moment.monotonic_ns)

    def wait_s(self) -> float:
        """Return the time until the next reading [s]."""
        return max(0, self._next_ns - time.monotonic_ns()) / 1e9

    def finish(self) -> None:
        """Take the last reading and seal everything."""
        self.tick()
        if self.overruns:
            self.journal.event(
                self.clock.now().wall_ns,
                "overrun",
                "",
                f"{self.overruns} readings came too late to be taken",
            )
        self.journal.flush()
        self.sealer.finish()
        self.sampler.close()
        self.journal.close()


def _open_scope(options: dict[str, Any]) -> Scope:
    root_pid, is_reaper = int(options["root_pid"]), bool(options["reaper"])
    if options["scope"] == "cgroup":
        path = own_cgroup()
        if path is None:
            raise SensorError("no control group of this process shows CPU time; use --scope tree")
        return CgroupScope(path)
    if not os.path.isdir("/proc/self"):
        return PsutilScope(root_pid, include_root=not is_reaper)
    return ProcessTree(
        root_pid,
        reaper=is_reaper,
        exclude=(os.getpid(),),
        already_reaped_ns=int(options["reaped_ns"]),
    )


def _open_sensors(scope: Scope, options: dict[str, Any]) -> tuple[list[Sensor], list[str]]:
    """Return the sensors that work here, and what the others say."""
    from lowtide.runtime.electing import RankSensor, presence
    from lowtide.runtime.sensing import open_sensors

    if options["elect_dir"]:  # one rank of several: the others' sensors come by election
        return [RankSensor(scope)], []
    sensors, notes = open_sensors(options["sensors"], members=getattr(scope, "pids", None))
    opened: list[Sensor] = [CpuTimeSensor(scope), *sensors]
    try:
        opened.append(presence(options, sensors))
    except SensorError as error:
        notes.append(str(error))
    return opened, notes


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return -1


class _Watch:
    """Waits for the next reading, a word on the control socket, or the end of the job."""

    def __init__(self, control_fd: int, job_pid: int) -> None:
        self._control_fd = control_fd
        self._poll = select.poll()
        if control_fd >= 0:
            self._poll.register(control_fd, select.POLLIN)
        self._job_pid, self._job_fd = -1, -1
        self._buffer = b""
        self.orphaned = control_fd < 0
        self.job_gone = False
        if job_pid > 0:
            self.watch_job(job_pid)

    def watch_job(self, pid: int) -> None:
        """Remember the job, so that its end is seen when nobody is left to tell of it."""
        self._job_pid, self._job_fd = pid, _pidfd(pid)
        if self._job_fd < 0 and not os.path.exists(f"/proc/{pid}"):
            self.job_gone = True
        if self.orphaned:
            self._follow_job()

    def _follow_job(self) -> None:
        if self._job_fd >= 0:
            self._poll.register(self._job_fd, select.POLLIN)

    def words(self, timeout_s: float) -> list[str]:
        """Return the words received within `timeout_s`; returns early when something happens."""
        if self.orphaned and self._job_fd < 0:
            timeout_s = min(timeout_s, _CHECK_JOB_S)
            self.job_gone = self._job_pid < 0 or not _alive(self._job_pid)
        for fd, _ in self._poll.poll(timeout_s * 1000.0):
            if fd == self._job_fd:
                self.job_gone = True
            elif fd == self._control_fd:
                return self._receive()
        return []

    def _receive(self) -> list[str]:
        try:
            data = os.read(self._control_fd, 4096)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(self._control_fd)
            self.orphaned = True
            self.job_gone = self._job_pid < 0
            self._follow_job()
            return []
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [line.decode() for line in lines]

    def say(self, word: str) -> None:
        """Send a word, if anybody listens."""
        if not self.orphaned:
            try:
                os.write(self._control_fd, word.encode() + b"\n")
            except OSError:
                self.orphaned = True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def record(options: dict[str, Any]) -> None:
    """Record one run until it ends; `options` are what :mod:`lowtide.runtime.spawn` writes."""
    scope = _open_scope(options)
    clock = SystemClock()
    sensors, notes = _open_sensors(scope, options)
    recorder = begin_recorder(sensors, options["writer"], notes, options=options, clock=clock)
    shared: list[Duty] = []
    if options["elect_dir"]:
        from lowtide.runtime.electing import duties

        shared = duties(
            options,
            lambda found, writer, said: begin_recorder(found, writer, said, options=options, clock=clock),
        )
    watch = _Watch(int(options["control_fd"]), int(options["job_pid"]))
    recorder.tick()
    for duty in shared:
        duty.tick()
    watch.say("ready")
    _loop(recorder, watch, scope, shared, journal_dir=options["journal_dir"])
    recorder.finish()
    for duty in shared:
        duty.finish()
    if watch.orphaned:
        _note_unseen_end(options, clock)
    watch.say("sealed")


def begin_recorder(
    sensors: Sequence[Sensor],
    writer: str,
    notes: Sequence[str],
    *,
    options: dict[str, Any],
    clock: Clock,
) -> Recorder:
    """Return a recorder of some sensors with a journal of its own.

    Raises
    ------
    StoreError
        If the journal cannot be made.
    """
    sampler = Sampler(sensors)
    channels = [to_plain(channel) for channel in sampler.channels]
    journal = JournalWriter(f"{options['journal_dir']}/{writer}.sqlite", channels=channels)
    for note in notes:
        journal.event(clock.now().wall_ns, "sensor", "", note)
    return Recorder(
        sampler=sampler,
        journal=journal,
        sealer=Sealer(journal, writer=writer, channels=channels, folder=options["segments_dir"]),
        clock=clock,
        interval_ns=int(options["interval_ns"]),
    )


def _loop(
    recorder: Recorder, watch: _Watch, scope: Scope, shared: Sequence[Duty] = (), *, journal_dir: str
) -> None:
    alone = watch.orphaned
    while True:
        wait_s = recorder.wait_s()
        if wait_s <= 0.0:
            recorder.tick()
            for duty in shared:
                duty.tick()
            wait_s = recorder.wait_s()
        for word in watch.words(wait_s):
            if word == "end":
                return
            if word.startswith("job "):
                pid = int(word[4:])
                watch.watch_job(pid)
                if isinstance(scope, ProcessTree):
                    scope.adopt(pid)
            elif word.startswith("spare ") and isinstance(scope, ProcessTree):
                scope.spare(int(word[6:]))
            elif word.startswith("reaped ") and isinstance(scope, ProcessTree):
                scope.exclude_ns(int(word[7:]))
        if watch.orphaned and not alone:
            alone = True
            _thaw(journal_dir)
        if watch.job_gone:
            return


def _thaw(journal_dir: str) -> None:
    """Let a job go on that was frozen by a supervisor that has died; nobody else would."""
    frozen = os.path.join(journal_dir, "frozen")
    if not os.path.exists(frozen):
        return
    from lowtide.executors.freezing import thaw

    thaw(frozen)
    try:
        write_json(os.path.join(journal_dir, "thawed.json"), {"t_ns": time.time_ns()})
    except StoreError:
        return  # the pause then seems to last until the job's end, in the comparison alone


def _note_unseen_end(options: dict[str, Any], clock: Clock) -> None:
    """Leave a note of when the job vanished, for the command that will close the run."""
    try:
        write_json(f"{options['journal_dir']}/vanished.json", {"t_ns": clock.now().wall_ns})
    except StoreError:
        return  # the last reading tells it to within an interval


def main(argv: Sequence[str]) -> int:
    """Run the recorder with options from a JSON argument; return its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    options = json.loads(argv[0])
    try:
        import fcntl

        gc.disable()  # nothing here makes cycles, and a collection would touch all memory
        lock_fd = os.open(f"{options['journal_dir']}/lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_SH)
        record(options)
    except (LowtideError, OSError) as error:
        print(f"lowtide recorder: {error}", file=sys.stderr)
        return 1
    return 0
