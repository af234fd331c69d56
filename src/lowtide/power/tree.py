"""CPU time and memory of a process tree from /proc, short-lived children included.

The kernel adds the CPU time of a child to its parent when the parent waits for it, so the total of a
tree is the sum over living members of (own + waited-for children) and nothing that came and went
between two looks is missed. Orphans are adopted by the *reaper* (``lowtide run`` makes itself one), whose
waited-for time then carries them. Without a reaper a member whose parent is outside the tree is
remembered with what was last seen of it.

Nothing can have joined, left or been waited for while the kernel has made no process and every member still
has its clock, so a quiet look reads /proc/loadavg and one CPU clock per member (nanoseconds); otherwise new members are
looked for and each one's stat is read. The kernel numbers processes one after the other, so the new ones are those
between the last number then and now; all of /proc is listed only when these are many, the numbers have begun again,
or it has not been done for a while. What cannot be seen: children of a parent that
ignores SIGCHLD, which the kernel credits to nobody.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["NS_PER_TICK", "ProcessTree", "TreeUse"]

NS_PER_TICK = 1_000_000_000 // (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)
"""Nanoseconds in a clock tick of /proc (10 ms on Linux)."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_MAX_OPEN = 200
_QUIET_LOOKS = 10
_SCHED_CLOCK = 2
_MOST_PROBES = 48
_PROBING_LOOKS = 20


class TreeUse(NamedTuple):
    """What a tree has used: CPU since it began [ns], memory resident [bytes], living members.

    Memory is as of the last full look, at most ten looks ago.
    """

    cpu_ns: int
    rss_bytes: int
    n_processes: int


class _Stat(NamedTuple):
    ppid: int
    pgrp: int
    waited_ns: int
    start: int
    rss_pages: int


def _parse_stat(data: bytes) -> _Stat:
    """Parse /proc/PID/stat; the command name may hold spaces and parentheses, so start after the last."""
    f = data[data.rindex(b")") + 2 :].split(None, 23)
    waited_ns = (int(f[13]) + int(f[14])) * NS_PER_TICK
    return _Stat(int(f[1]), int(f[2]), waited_ns, int(f[19]), int(f[21]))


class _Member:
    """One living process, read through a descriptor that dies with it (a reused pid is not mistaken)."""

    __slots__ = ("clock_id", "fd", "last", "own_ns", "path", "start")

    def __init__(self, pid: int, path: str, stat: _Stat, keep_open: bool) -> None:
        self.path, self.start, self.last = path, stat.start, stat
        self.own_ns = 0
        self.clock_id = (~pid << 3) | _SCHED_CLOCK  # the process's CPU clock, as clock_getcpuclockid makes it
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if keep_open else -1
        self.read()

    def read(self) -> bool:
        """Read stat and clock; return False when the process is gone."""
        try:
            stat = _parse_stat(os.pread(self.fd, 1024, 0) if self.fd >= 0 else _read(self.path))
            own_ns = time.clock_gettime_ns(self.clock_id)
        except (OSError, ValueError, IndexError):
            return False
        if stat.start != self.start:
            return False
        self.last, self.own_ns = stat, own_ns
        return True

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1024)
    finally:
        os.close(fd)


class ProcessTree:
    """A process with all its descendants.

    Parameters
    ----------
    root : int
        The process measured with its descendants; or, with `reaper`, the reaper itself, of whom only the
        children count.
    reaper : bool
        Whether `root` adopts orphans of the tree (PR_SET_CHILD_SUBREAPER) and is not part of it.
    exclude : tuple of int
        Children of the root that are not part of the tree (the recorder itself).
    already_reaped_ns : int
        CPU time of former excluded children, now among the root's waited-for time [ns].
    proc : str
        Where proc is mounted.
    """

    def __init__(
        self,
        root: int,
        *,
        reaper: bool = False,
        exclude: tuple[int, ...] = (),
        already_reaped_ns: int = 0,
        proc: str = "/proc",
    ) -> None:
        self._proc, self._root, self._reaper = proc, root, reaper
        self._exclude = set(exclude)
        self._excluded_ns = already_reaped_ns
        self._members: dict[int, _Member] = {}
        self._known: set[str] = {str(root)}
        self._loadavg_fd = os.open(f"{proc}/loadavg", os.O_RDONLY | os.O_CLOEXEC)
        self._last_pid = b""
        self._quiet = self._probing = 0
        self._retired_ns = self._waited_ns = self._floor_ns = self._rss_bytes = 0
        path = f"{proc}/{root}/stat"
        self._root_member = _Member(root, path, _parse_stat(_read(path)), True)
        if not reaper:
            self._members[root] = self._root_member

    def adopt(self, pid: int) -> None:
        """Add a process (with what will descend from it) that is known to belong to the tree."""
        self._try_add(str(pid), lambda _: True)
        self._last_pid = b""

    def spare(self, pid: int) -> None:
        """Leave a child of the reaper out from now on; tell :meth:`exclude_ns` once it has been waited for."""
        self._exclude.add(pid)
        member = self._members.pop(pid, None)
        if member is not None:
            member.close()
        self._last_pid = b""

    def exclude_ns(self, cpu_ns: int) -> None:
        """Leave out CPU time that the reaper has got by waiting for a child that was spared [ns]."""
        self._excluded_ns += cpu_ns
        self._last_pid = b""

    def pids(self) -> frozenset[int]:
        """Return the members as of the last look."""
        return frozenset(self._members)

    def use(self) -> TreeUse:
        """Return what the tree has used so far; CPU time never falls."""
        total_ns = -1
        last_pid = os.pread(self._loadavg_fd, 128, 0).rsplit(None, 1)[-1]
        if last_pid == self._last_pid and self._quiet < _QUIET_LOOKS:
            self._quiet += 1
            total_ns = self._quiet_total_ns()
        if total_ns < 0:
            before, self._last_pid, self._quiet = self._last_pid, last_pid, 0
            self._discover(_numbers_between(before, last_pid))
            total_ns = self._full_total_ns()
        self._floor_ns = max(self._floor_ns, total_ns)
        return TreeUse(self._floor_ns, self._rss_bytes, len(self._members))

    def _quiet_total_ns(self) -> int:
        """Return the total from the members' clocks alone, or -1 if one of them is gone."""
        total_ns = self._waited_ns
        read_clock = time.clock_gettime_ns
        try:
            for member in self._members.values():
                total_ns += read_clock(member.clock_id)
        except OSError:
            return -1
        return total_ns

    def _full_total_ns(self) -> int:
        """Read every member; parents come before their children, so nothing is counted twice."""
        waited_ns, own_ns, rss_pages = self._reaped_ns() if self._reaper else 0, 0, 0
        gone: list[int] = []
        for pid, member in self._members.items():
            if member.read():
                own_ns += member.own_ns
                waited_ns += member.last.waited_ns
                rss_pages += member.last.rss_pages
            else:
                gone.append(pid)
        self._retire(gone)
        self._rss_bytes = rss_pages * _PAGE_BYTES
        self._waited_ns = waited_ns + self._retired_ns
        return self._waited_ns + own_ns

    def close(self) -> None:
        """Close all descriptors."""
        for member in {*self._members.values(), self._root_member}:
            member.close()
        self._members.clear()
        os.close(self._loadavg_fd)

    def _reaped_ns(self) -> int:
        """Return what the reaper has waited for; once it is dead, what it had is kept."""
        if self._root_member.read():
            return self._root_member.last.waited_ns - self._excluded_ns
        self._reaper = False
        self._retired_ns += self._root_member.last.waited_ns - self._excluded_ns
        return 0

    def _retire(self, gone: list[int]) -> None:
        """Drop the dead, keeping the CPU time of those that nobody in the tree has waited for."""
        dead = {pid: self._members.pop(pid) for pid in gone}
        for member in dead.values():
            parent = member.last.ppid
            credited = parent in self._members or (self._reaper and (parent == self._root or parent in dead))
            if not credited:
                self._retired_ns += member.own_ns + member.last.waited_ns
            self._known.discard(member.path.split("/")[-2])
            member.close()

    def _discover(self, numbers: range | None) -> None:
        """Look for new members among the processes that have appeared since the last look."""
        if numbers is not None and self._probing < _PROBING_LOOKS:
            self._probing += 1
            new = [str(pid) for pid in numbers if pid not in self._members]
            while sum(self._try_add(name, self._belongs) for name in new if int(name) not in self._members):
                pass
            return
        self._probing = 0
        present = {name for name in os.listdir(self._proc) if name[0] <= "9"}
        new = sorted(present - self._known, key=int)
        self._known &= present
        while sum(self._try_add(name, self._belongs) for name in new if name not in self._known):
            pass  # a parent may follow its child in the list once pids have wrapped
        self._known.update(new)

    def _belongs(self, stat: _Stat) -> bool:
        return (
            stat.ppid in self._members
            or (self._reaper and stat.ppid == self._root)
            or stat.pgrp in self._members
        )

    def _try_add(self, name: str, belongs: Callable[[_Stat], bool]) -> bool:
        pid = int(name)
        if pid in self._exclude or pid in self._members:
            return False
        path = f"{self._proc}/{name}/stat"
        try:
            stat = _parse_stat(_read(path))
            if not belongs(stat) or not self._is_process(name):
                return False
            self._members[pid] = _Member(pid, path, stat, len(self._members) < _MAX_OPEN)
        except (OSError, ValueError, IndexError):
            return False  # it came and went while we looked: its parent has its time
        self._known.add(name)
        return True

    def _is_process(self, name: str) -> bool:
        """Return whether a number is a process's: a thread has a folder in /proc too, that only a listing hides."""
        return f"\nTgid:\t{name}\n".encode() in _read(f"{self._proc}/{name}/status")


def _numbers_between(before: bytes, after: bytes) -> range | None:
    """Return the numbers the kernel has given since; None where they are too many to try, or unknown."""
    if not (before.isdigit() and after.isdigit()) or not 0 < int(after) - int(before) <= _MOST_PROBES:
        return None
    return range(int(before) + 1, int(after) + 1)
