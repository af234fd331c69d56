"""What every process of a node used, scan by scan, so that a part of it can be made a run afterwards.

A line of JSON a scan, appended by one write: ``{"t": boot time [ns], "new": [[pid, start, parent, group, job], ...],
"gone": [pid, ...], "use": [[pid, CPU ns], ...]}``. CPU time is the process's own and that of the children it has
waited for; only those are named whose time has changed. In the ledger the files are packed (``use-0001.gz``).

Writing needs the standard library only; :func:`cpu_of_part` uses numpy.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lowtide.stores.codec import write_bytes

if TYPE_CHECKING:
    from lowtide.arrays import IntArray

__all__ = ["Seen", "UseWriter", "cpu_of_part", "keep_use", "read_scans"]


class Seen(NamedTuple):
    """A process as a scan found it."""

    pid: int
    start: int
    parent: int
    cpu_ns: int


@dataclass(slots=True)
class _Known:
    start: int
    cpu_ns: int


class UseWriter:
    """Appends scans to a file, naming only what has changed.

    Parameters
    ----------
    path : str
    describe : callable
        ``pid -> (control group, batch job)``, asked once for every process.
    """

    def __init__(self, path: str, describe: Callable[[int], tuple[str, str]]) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._describe = describe
        self._known: dict[int, _Known] = {}
        self._torn = False

    def append(self, boot_ns: int, seen: Sequence[Seen]) -> None:
        """Add a scan.

        Raises
        ------
        OSError
            If the disk refuses; the next scan then names what this one would have.
        """
        line: dict[str, Any] = {"t": boot_ns, "new": [], "gone": [], "use": []}
        here = {process.pid: process.start for process in seen}
        line["gone"] = [pid for pid, known in self._known.items() if here.get(pid) != known.start]
        for pid, start, parent, cpu_ns in seen:
            known = self._known.get(pid)
            if known is None or known.start != start:
                line["new"].append([pid, start, parent, *self._describe(pid)])
                line["use"].append([pid, cpu_ns])
            elif known.cpu_ns != cpu_ns:
                line["use"].append([pid, cpu_ns])
        self._write((json.dumps(line, separators=(",", ":")) + "\n").encode())
        self._known = {pid: _Known(start, cpu_ns) for pid, start, _, cpu_ns in seen}

    def _write(self, data: bytes) -> None:
        """Write a line of its own, also after one that a full disk has cut short."""
        data = b"\n" + data if self._torn else data
        if os.write(self._fd, data) < len(data):
            self._torn = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


def keep_use(journal_dir: str, run_dir: str) -> None:
    """Copy the scans of a node's recording to its folder in the ledger, packed; nothing where there are none.

    Raises
    ------
    StoreError
        If they cannot be written.
    """
    import gzip

    for name in sorted(os.listdir(journal_dir)) if os.path.isdir(journal_dir) else []:
        if name.startswith("use-") and name.endswith(".jsonl"):
            with open(os.path.join(journal_dir, name), "rb") as file:
                packed = gzip.compress(file.read(), 6, mtime=0)
            write_bytes(os.path.join(run_dir, f"{name.removesuffix('.jsonl')}.gz"), packed)


def read_scans(*folders: str) -> Iterator[dict[str, Any]]:
    """Yield the scans in folders, each once, in order of time; a torn line is left out."""
    found: dict[int, dict[str, Any]] = {}
    for folder in folders:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if name.startswith("use-"):
                for line in _lines(os.path.join(folder, name)):
                    try:
                        scan = json.loads(line)
                        found[int(scan["t"])] = scan
                    except (ValueError, KeyError, TypeError):
                        continue  # the writer was killed in the middle of it
    for t_ns in sorted(found):
        yield found[t_ns]


def _lines(path: str) -> list[bytes]:
    import gzip

    with open(path, "rb") as file:
        data = file.read()
    return (gzip.decompress(data) if path.endswith(".gz") else data).split(b"\n")


def cpu_of_part(
    scans: Sequence[Mapping[str, Any]], belongs: Callable[[int, int, str, str, bool], bool]
) -> tuple[IntArray, IntArray]:
    """Return the CPU time of a part of a node's processes at every scan.

    Parameters
    ----------
    scans : sequence of mapping
    belongs : callable
        ``(pid, start, control group, batch job, parent belongs) -> whether it is in the part``.

    Returns
    -------
    (t_ns, cpu_ns) : int64 arrays, shape (n,)
        Boot time of the scans and CPU time since the first of them; it never falls. The time a process had used
        before it was first seen counts if it began after the first scan.

    Notes
    -----
    When a process ends, its parent's time takes over its own if the parent has waited for it; where the parent is
    not in the part, what was last seen is kept. What came and went between two scans is seen through its parent only.
    """
    import numpy as np

    members: dict[int, tuple[int, int]] = {}  # pid: parent, last CPU time
    t_ns, cpu_ns, base, retired, floor = [], [], 0, 0, 0
    for i, scan in enumerate(scans):
        gone = {pid: members.pop(pid) for pid in scan["gone"] if pid in members}
        retired += sum(last for parent, last in gone.values() if parent not in members)
        use = dict(scan["use"])
        for pid, start, parent, group, job in sorted(scan["new"], key=lambda new: new[1]):
            if belongs(pid, start, group, job, parent in members):
                members[pid] = (parent, use.get(pid, 0))
                base += use.get(pid, 0) if i == 0 else 0
        for pid, used in use.items():
            if pid in members:
                members[pid] = (members[pid][0], used)
        floor = max(floor, retired + sum(last for _, last in members.values()) - base)
        t_ns.append(int(scan["t"]))
        cpu_ns.append(floor)
    return np.array(t_ns, dtype=np.int64), np.array(cpu_ns, dtype=np.int64)
