"""The share of a machine a process may use: CPU affinity and control-group limits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from lowtide.model.machine import Machine, UsableShare

__all__ = ["count_cpu_list", "share_within_limits"]


def share_within_limits(machine: Machine, root: str) -> UsableShare:
    """Return what affinity and control groups leave; see ``hardware.usable_share``."""
    cpu, cpu_reason = _cpu_share(root, machine.n_logical_cpus)
    memory, memory_reason = _memory_share(root, machine.memory_bytes)
    reason = "; ".join(r for r in (cpu_reason, memory_reason) if r)
    return UsableShare(cpu=cpu, memory=memory, reason=reason)


def count_cpu_list(text: str) -> int:
    """Return how many CPUs a kernel list like ``0-3,8`` names; 0 when it cannot be read.

    >>> count_cpu_list("0-3,8")
    5
    """
    n = 0
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            return 0
        n += int(last or first) - int(first) + 1
    return n


def _cpu_share(root: str, n_cpus: int) -> tuple[float, str]:
    allowed = _n_allowed(root) or n_cpus
    quota = min(_quotas(root), default=float("inf"))
    usable = min(allowed, quota, n_cpus)
    if usable >= n_cpus:
        return 1.0, ""
    if quota < allowed:
        return usable / n_cpus, f"control group quota of {quota:g} of {n_cpus} CPUs"
    return usable / n_cpus, f"CPU affinity to {allowed} of {n_cpus} CPUs"


def _memory_share(root: str, memory_bytes: int | None) -> tuple[float, str]:
    limit = min(_memory_limits(root), default=None)
    if limit is None or memory_bytes is None or limit >= memory_bytes:
        return 1.0, ""
    shown = f"{limit / 2**30:.1f} of {memory_bytes / 2**30:.1f} GB"
    return limit / memory_bytes, f"control group memory limit of {shown}"


def _n_allowed(root: str) -> int:
    for line in _read(os.path.join(root, "proc/self/status")).splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return count_cpu_list(line.partition(":")[2])
    return 0


def _quotas(root: str) -> Iterator[float]:
    """Yield every CPU quota that binds the process, in CPUs."""
    for group in _groups(root, "cpu"):
        words = _read(f"{group}/cpu.max").split()
        if len(words) != 2:
            quota, period = _read(f"{group}/cpu.cfs_quota_us"), _read(f"{group}/cpu.cfs_period_us")
            words = [quota.strip(), period.strip()]
        if words[0].isdigit() and words[1].isdigit() and int(words[0]) and int(words[1]):
            yield int(words[0]) / int(words[1])


def _memory_limits(root: str) -> Iterator[int]:
    for group in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(f"{group}/{name}").strip()
            if text.isdigit() and int(text):
                yield int(text)


def _groups(root: str, controller: str) -> Iterator[str]:
    """Yield the folders of the process's control group and all above it, in both versions.

    In a container the path in /proc/self/cgroup may be the host's while the mount shows only the
    container's own group: the walk then meets missing folders until it comes to the mount itself.
    """
    mount = os.path.join(root, "sys/fs/cgroup")
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _upwards(mount, path)
        elif controller in controllers.split(","):
            for folder in {controllers, controller}:
                yield from _upwards(f"{mount}/{folder}", path)


def _upwards(mount: str, path: str) -> Iterable[str]:
    parts = [p for p in path.split("/") if p]
    if ".." in parts:  # outside this namespace: only the mount itself can be seen
        parts = []
    for n in range(len(parts), -1, -1):
        yield "/".join([mount, *parts[:n]])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
