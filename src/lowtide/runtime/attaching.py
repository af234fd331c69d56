"""``lowtide attach``: recording processes that are already running.

The recorder is the one of every run; it watches the process through a descriptor that is the process's own, so a pid
that is used again is not mistaken for it. If `attach` is killed, the recorder goes on until the process ends.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

from lowtide.errors import InputError, StoreError
from lowtide.model.record import RunEnd, RunHeader
from lowtide.runtime.config import Config
from lowtide.runtime.prepare import RunOptions, ledger_flag, ledger_of, make_header
from lowtide.stores.ledger import Ledger

__all__ = ["attach", "check_process", "command_of"]

_CHECK_S = 0.5


def command_of(pid: int) -> tuple[str, ...]:
    """Return the command line of a process; empty where it cannot be read."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return tuple(part.decode("utf-8", "replace") for part in file.read().split(b"\0")[:-1])
    except OSError:
        return ()


def check_process(pid: int) -> None:
    """Refuse a pid that cannot be recorded.

    Raises
    ------
    InputError
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError) as error:
        raise InputError(f"no process {pid} is running; `ps` lists those that are") from error
    except PermissionError:
        pass  # another user's: its CPU time can be read all the same
    if pid == os.getpid():
        raise InputError(f"process {pid} cannot be attached to; name the process that does the work")


def attach(
    pid: int,
    config: Config,
    *,
    say: Callable[[str], None],
    name: str | None = None,
    tags: tuple[str, ...] = (),
    lasting_s: float | None = None,
) -> tuple[Ledger, str]:
    """Record a process with all its children until it ends, Ctrl-C, or `lasting_s` [s] are over.

    Returns
    -------
    (Ledger, str)
        The ledger, and the id of the run, which has been closed.

    Raises
    ------
    InputError
        If there is no such process, or an option is wrong.
    StoreError
        If there is no place for a journal.
    """
    from lowtide.runtime.billing import check_intensity
    from lowtide.runtime.closing import close_run, open_journal_dir
    from lowtide.runtime.spawn import READY_WITHIN_S, SEALED_WITHIN_S, spawn_recorder

    check_process(pid)
    options = RunOptions(command=command_of(pid), name=name, tags=tags)
    header, remarks = make_header(options, config, check_intensity=check_intensity)
    ledger = ledger_of(config)
    for remark in remarks:
        say(f"lowtide: {remark}")
    lock = open_journal_dir(header, ledger)
    segments_dir = _create(ledger, header, say)
    sensors = config.get("sensors")
    started_ns = time.time_ns()
    recorder = spawn_recorder(
        header,
        writer="w1",
        segments_dir=segments_dir,
        root_pid=pid,
        reaper=False,
        sensors=sensors.value if sensors is not None else "auto",
        job_pid=pid,
        detach=True,
    )
    if not recorder.wait_for("ready", timeout_s=READY_WITHIN_S):
        say(f"lowtide: the recorder is not ready (see {header.journal_dir}/w1.log)")
    say(f"lowtide: {header.run_id} records process {pid} until it ends; Ctrl-C ends the recording alone")
    ended = _wait(pid, time.monotonic() + (float("inf") if lasting_s is None else lasting_s))
    note = "attached to a running process; " + (
        "its exit code cannot be seen" if ended else "it went on afterwards"
    )
    end = RunEnd(
        started_ns=started_ns, ended_ns=max(time.time_ns(), started_ns + 1), observed=False, note=note
    )
    recorder.tell("end")
    recorder.wait_for("sealed", timeout_s=SEALED_WITHIN_S)
    recorder.close()
    lock.close()
    if close_run(header.journal_dir, wait_s=5.0, end=end) is None:
        raise StoreError(
            f"the recorder is still at work; `lowtide show {header.run_id}{ledger_flag(ledger)}` closes the run later"
        )
    return ledger, header.run_id


def _create(ledger: Ledger, header: RunHeader, say: Callable[[str], None]) -> str:
    try:
        ledger.create(header)
    except StoreError as error:
        say(f"lowtide: {error}; the run is kept in {header.journal_dir} until a command can reach the ledger")
        return ""
    return ledger.segments_dir(header.run_id)


def _wait(pid: int, deadline: float) -> bool:
    """Wait until the process has ended (True) or the recording is to end (False)."""
    stop = {"wanted": False}

    def on_signal(number: int, frame: object) -> None:
        stop["wanted"] = True

    before = {n: signal.signal(n, on_signal) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        try:
            fd = os.pidfd_open(pid)
        except (OSError, AttributeError):
            return _poll(pid, stop, deadline)
        try:
            while not stop["wanted"] and (left_s := deadline - time.monotonic()) > 0.0:
                if select.select([fd], [], [], min(left_s, _CHECK_S))[0]:
                    return True
        finally:
            os.close(fd)
        return False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _poll(pid: int, stop: dict[str, bool], deadline: float) -> bool:
    while not stop["wanted"] and time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it lives and is somebody else's
        time.sleep(_CHECK_S)
    return False
