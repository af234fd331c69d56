"""What belongs to a run: a process tree, or everything in a control group."""

from __future__ import annotations

import os
from typing import Protocol

from lowtide.errors import SensorError
from lowtide.power.tree import TreeUse

__all__ = ["CgroupScope", "PsutilScope", "Scope", "own_cgroup"]


class Scope(Protocol):
    """Says what a run has used; :class:`~lowtide.power.tree.ProcessTree` is one."""

    def use(self) -> TreeUse:
        """Return CPU time since the beginning and memory now."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


def own_cgroup(root: str = "/") -> str | None:
    """Return the folder of the control group (v2, else v1 cpuacct) this process is in, if it can be read."""
    try:
        with open(os.path.join(root, "proc/self/cgroup")) as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except (OSError, ValueError):
        return None
    mount = os.path.join(root, "sys/fs/cgroup")
    for number, controllers, path in lines:
        if number == "0" and os.path.exists(f"{mount}{path}/cpu.stat"):
            return f"{mount}{path}"
        if "cpuacct" in controllers.split(","):
            for name in (controllers, "cpuacct"):
                if os.path.exists(f"{mount}/{name}{path}/cpuacct.usage"):
                    return f"{mount}/{name}{path}"
    return None


class CgroupScope:
    """Everything in a control group: a container or a batch step that is the job.

    Parameters
    ----------
    path : str
        Folder of the group (v2 with ``cpu.stat``, or v1 cpuacct with ``cpuacct.usage``).

    Raises
    ------
    SensorError
        If the group shows no CPU time.
    """

    def __init__(self, path: str) -> None:
        v2, v1 = f"{path}/cpu.stat", f"{path}/cpuacct.usage"
        self._v2 = os.path.exists(v2)
        self._path = path
        try:
            self._fd = os.open(v2 if self._v2 else v1, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SensorError(f"control group {path} shows no CPU time ({error.strerror})") from error

    def use(self) -> TreeUse:
        """Return what the group has used."""
        data = os.pread(self._fd, 1024, 0)
        # v2 begins with "usage_usec N", v1 is a number of nanoseconds
        cpu_ns = int(data.split(None, 2)[1]) * 1000 if self._v2 else int(data)
        return TreeUse(cpu_ns, self._memory_bytes(), 0)

    def pids(self) -> frozenset[int]:
        """Return the processes in the group itself."""
        try:
            with open(f"{self._path}/cgroup.procs", "rb") as file:
                return frozenset(int(line) for line in file)
        except (OSError, ValueError):
            return frozenset()

    def _memory_bytes(self) -> int:
        try:
            with open(f"{self._path}/memory.current", "rb") as file:
                return int(file.read())
        except (OSError, ValueError):
            return 0

    def close(self) -> None:
        """Close the group's file."""
        os.close(self._fd)


class PsutilScope:
    """A process tree where there is no /proc (macOS, Windows), through psutil.

    Children that come and go between two looks are seen only as far as their parent waited for them.
    """

    def __init__(self, root: int, *, include_root: bool = True) -> None:
        import psutil

        self._psutil = psutil
        self._root = psutil.Process(root)
        self._include_root = include_root
        self._floor = 0

    def pids(self) -> frozenset[int]:
        """Return the living members."""
        try:
            members = {process.pid for process in self._root.children(recursive=True)}
        except self._psutil.Error:
            members = set()
        return frozenset(members | ({self._root.pid} if self._include_root else set()))

    def use(self) -> TreeUse:
        """Return what the tree has used so far."""
        seconds, rss_bytes, n = 0.0, 0, 0
        try:
            members = self._root.children(recursive=True)
        except self._psutil.Error:
            members = []
        for process in [*members, *([self._root] if self._include_root else [])]:
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except self._psutil.Error:
                continue
            seconds += times.user + times.system
            seconds += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            rss_bytes += memory.rss
            n += 1
        self._floor = max(self._floor, round(seconds * 1e9))
        return TreeUse(self._floor, rss_bytes, n)

    def close(self) -> None:
        """Nothing is held."""
