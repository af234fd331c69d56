"""Freezing a job: every process of it stops where it is and goes on later, memory and all.

Two ways. A *control group* (the freezer of cgroup v2, or v1) stops whatever is in it, in milliseconds and
without a signal; it needs a group that may be written. The *process tree* works for everybody: SIGSTOP to the
root, then to its descendants until no new one is found. A signal to the process group would not do: torchrun
and others start their workers in sessions of their own.

What is about to be stopped is written to a file first, so that whoever finds the file can thaw the job, even
after everybody who knew of it was killed. A process that was stopped by its user before is left alone.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lowtide.errors import ExecutorError

__all__ = ["CgroupFreezer", "Freezer", "TreeFreezer", "is_frozen", "make_group", "remove_group", "thaw"]

_STABLE_LOOKS: Final = 2
_MOST_LOOKS: Final = 200
_EFFECT_WITHIN_S: Final = 2.0
_STOPPED: Final = frozenset("TtZX")


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    ppid: int
    start: int
    state: str


class TreeFreezer:
    """Freezes a process with all its descendants.

    Parameters
    ----------
    root : int
        The job.
    journal : str
        File that says what is frozen; it exists exactly while something may be.
    adopter : int, optional
        A process that adopts orphans of the job (``lowtide run`` itself); its other children are the job's too.
    spare : iterable of int
        Children of the adopter that are not: the recorder.
    proc : str
        Where proc is mounted.
    """

    def __init__(
        self,
        root: int,
        journal: str,
        *,
        adopter: int | None = None,
        spare: Iterable[int] = (),
        proc: str = "/proc",
    ) -> None:
        self._root, self._journal, self._adopter = root, journal, adopter
        self._spare, self._proc = frozenset(spare), proc

    def freeze(self) -> int:
        """Stop the job and return how many processes that were.

        Raises
        ------
        ExecutorError
            If a process may not be stopped, or the file cannot be written; the job then runs on.
        """
        fd = _create(self._journal, f"tree {_boot_id(self._proc)}\n")
        try:
            n = self._stop_all(fd)
        except OSError as error:
            thaw(self._journal, proc=self._proc)
            raise ExecutorError(f"the job cannot be frozen ({error}); it runs on") from error
        finally:
            os.close(fd)
        self._await_effect()
        return n

    def thaw(self) -> int:
        """Let the job go on and return how many processes did; nothing when it is not frozen."""
        return thaw(self._journal, proc=self._proc)

    def _stop_all(self, fd: int) -> int:
        """Stop the tree until a look finds nothing new; parents first, so that they make no more children."""
        stopped: set[tuple[int, int]] = set()
        quiet = 0
        for _ in range(_MOST_LOOKS):
            new = [p for p in self._members() if p.state not in _STOPPED and (p.pid, p.start) not in stopped]
            quiet = 0 if new else quiet + 1
            if quiet >= _STABLE_LOOKS:
                return len(stopped)
            if new:  # written before it is done, in one go for all of this look
                os.write(fd, "".join(f"{p.pid} {p.start}\n" for p in new).encode())
            for process in new:
                _signal(process.pid, signal.SIGSTOP)
                stopped.add((process.pid, process.start))
        raise OSError(f"new processes after {_MOST_LOOKS} looks")

    def _members(self) -> list[_Process]:
        """Return the job's processes, parents before children."""
        children: dict[int, list[_Process]] = {}
        for process in _processes(self._proc):
            children.setdefault(process.ppid, []).append(process)
            if process.pid == self._root:
                children.setdefault(-1, []).append(process)
        queue = list(children.get(-1, ()))
        if self._adopter is not None:
            queue += [p for p in children.get(self._adopter, ()) if p.pid != self._root]
        found: list[_Process] = []
        while queue:
            process = queue.pop(0)
            if process.pid not in self._spare:
                found.append(process)
                queue += children.get(process.pid, ())
        return found

    def _await_effect(self) -> None:
        """Wait until the kernel has stopped all, which takes as long as a system call in progress does."""
        deadline = time.monotonic() + _EFFECT_WITHIN_S
        while time.monotonic() < deadline:
            if all(p.state in _STOPPED for p in self._members()):
                return
            time.sleep(0.005)


class CgroupFreezer:
    """Freezes everything in a control group that may be written.

    Parameters
    ----------
    folder : str
        The group: v2 with ``cgroup.freeze``, or v1 with ``freezer.state``.
    journal : str
        As for :class:`TreeFreezer`.

    Raises
    ------
    ExecutorError
        If the group cannot be frozen.
    """

    def __init__(self, folder: str, journal: str) -> None:
        if _switch(folder) is None:
            raise ExecutorError(
                f"control group {folder} has no freezer that may be written; ask for delegation "
                "(systemd-run --user --scope -p Delegate=yes), or freeze the process tree"
            )
        self._folder, self._journal = folder, journal

    def freeze(self) -> int:
        """Freeze the group and return how many processes are in it.

        Raises
        ------
        ExecutorError
            If the kernel refuses; the job then runs on.
        """
        os.close(_create(self._journal, f"cgroup {self._folder}\n"))
        try:
            _write_switch(self._folder, frozen=True)
        except OSError as error:
            thaw(self._journal)
            raise ExecutorError(f"{self._folder} cannot be frozen ({error}); the job runs on") from error
        return _count_lines(f"{self._folder}/cgroup.procs")

    def thaw(self) -> int:
        """Let the group go on; nothing when it is not frozen."""
        return thaw(self._journal)


Freezer = TreeFreezer | CgroupFreezer
"""Either way of freezing."""


def make_group(name: str, *, root: str = "/") -> str | None:
    """Return the folder of a new control group that can be frozen, below the one we are in; None where none may be.

    A process joins it by writing 0 to its ``cgroup.procs``. Version 2 first, then the freezer of version 1.
    """
    try:
        with open(os.path.join(root, "proc/self/cgroup"), encoding="ascii") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except (OSError, ValueError):
        return None
    mount = os.path.join(root, "sys/fs/cgroup")
    places = [("unified", path) for number, _, path in lines if number == "0"]
    places += [("", path) for number, _, path in lines if number == "0"]
    places += [("freezer", path) for _, names, path in lines if "freezer" in names.split(",")]
    for hierarchy, path in places:
        folder = "/".join(part.strip("/") for part in (mount, hierarchy, path, name) if part.strip("/"))
        if (made := _made(f"/{folder}")) is not None:
            return made
    return None


def _made(folder: str) -> str | None:
    try:
        os.mkdir(folder)
    except FileExistsError:
        pass  # left by a supervisor of this run that was killed
    except OSError:
        return None
    if _switch(folder) is not None and os.access(f"{folder}/cgroup.procs", os.W_OK):
        return folder
    remove_group(folder)
    return None


def remove_group(folder: str) -> None:
    """Remove a group that nobody is in; one that is still needed, or gone, is left."""
    try:
        os.rmdir(folder)
    except OSError:
        return


def is_frozen(journal: str) -> bool:
    """Return whether a job may be frozen, by its file."""
    return os.path.exists(journal)


def thaw(journal: str, *, proc: str = "/proc") -> int:
    """Let the job of a file go on, whoever froze it, and remove the file.

    May be called by several at once and any number of times: a process that runs is not harmed by SIGCONT, and
    one that took over the number of another is told by its start time and left alone.

    Returns
    -------
    int
        How many processes were told to go on.

    Raises
    ------
    ExecutorError
        If the file is there and cannot be read.
    """
    try:
        with open(journal, encoding="utf-8") as file:
            kind, _, what = file.readline().rstrip("\n").partition(" ")
            listed = [_entry(line) for line in file]
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise ExecutorError(f"{journal} says what is frozen and cannot be read ({error})") from error
    if kind == "cgroup":
        n = _thaw_group(what)
    else:
        same_boot = what == _boot_id(proc)
        n = _continue([one for one in listed if one is not None] if same_boot else [], proc)
    try:
        os.unlink(journal)
    except FileNotFoundError:
        pass  # somebody else thawed it at the same time
    return n


def _thaw_group(folder: str) -> int:
    try:
        _write_switch(folder, frozen=False)
    except OSError:
        return 0  # the group went with its last process
    return _count_lines(f"{folder}/cgroup.procs")


def _continue(listed: list[tuple[int, int]], proc: str) -> int:
    """Continue processes, children before parents, so that a parent finds its children as they were."""
    n = 0
    for pid, start in reversed(listed):
        process = _look(pid, proc)
        if process is not None and process.start == start:
            n += _signal(pid, signal.SIGCONT)
    return n


def _entry(line: str) -> tuple[int, int] | None:
    """Return pid and start of a line; None for half a line, whose process had not been stopped yet."""
    pid, _, start = line.rstrip("\n").partition(" ")
    if not line.endswith("\n") or not pid.isdigit() or not start.isdigit():
        return None
    return int(pid), int(start)


def _create(journal: str, first_line: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        fd = os.open(journal, flags, 0o600)
        if os.fstat(fd).st_size == 0:
            os.write(fd, first_line.encode())
    except OSError as error:
        raise ExecutorError(f"{journal} cannot be written ({error.strerror}); the job runs on") from error
    return fd


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False  # it ended meanwhile
    return True


def _boot_id(proc: str) -> str:
    try:
        with open(f"{proc}/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def _processes(proc: str) -> Iterator[_Process]:
    for name in os.listdir(proc):
        if name.isdigit():
            found = _look(int(name), proc)
            if found is not None:
                yield found


def _look(pid: int, proc: str) -> _Process | None:
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            data = file.read()
    except OSError:
        return None
    fields = data[data.rindex(b")") + 2 :].split(None, 20)
    return _Process(pid, int(fields[1]), int(fields[19]), fields[0].decode())


def _switch(folder: str) -> str | None:
    """Return the file that freezes a group, None where there is none that may be written."""
    for name in ("cgroup.freeze", "freezer.state"):
        path = f"{folder}/{name}"
        if os.access(path, os.W_OK):
            return path
    return None


def _write_switch(folder: str, *, frozen: bool) -> None:
    """Turn a group's freezer and wait until it has."""
    path = _switch(folder)
    if path is None:
        raise FileNotFoundError(f"{folder} has no freezer")
    v2 = path.endswith("cgroup.freeze")
    word = ("1" if frozen else "0") if v2 else ("FROZEN" if frozen else "THAWED")
    with open(path, "w", encoding="ascii") as file:
        file.write(word)
    deadline = time.monotonic() + _EFFECT_WITHIN_S
    while time.monotonic() < deadline:
        if _turned(folder, path, v2, frozen):
            return
        time.sleep(0.002)
    raise TimeoutError(f"{path} has not turned to {word} within {_EFFECT_WITHIN_S:g} s")


def _turned(folder: str, path: str, v2: bool, frozen: bool) -> bool:
    if v2:
        with open(f"{folder}/cgroup.events", encoding="ascii") as file:
            return f"frozen {int(frozen)}" in file.read()
    with open(path, encoding="ascii") as file:
        return file.read().strip() == ("FROZEN" if frozen else "THAWED")


def _count_lines(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0
