"""What an agent over an executor is about to do, written before it does it, and since when each go really runs.

``FOLDER/NAME.jsonl`` has an object a line: ``{"at_ns", "act", "tag"}`` with an act of ``start``, ``pause``, ``resume``,
and ``runs``, which has ``go_ns`` and ``begin_ns`` too: the go that the executor dates to one instant has been at work
since another, having waited for its turn in between.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from typing import Any, Final

from lowtide.stores.codec import write_bytes
from lowtide.stores.lines import append_line, whole_lines

__all__ = ["ActLog"]

_MOST_BYTES: Final = 4_000_000
_KEYS: Final = {"at_ns", "act", "tag"}


class ActLog:
    """The log of an agent.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._begins: dict[tuple[str, int], int] = {}
        self._ended: set[str] = set()
        for line in whole_lines(path, _KEYS):
            self._take(line)

    def begin_ns(self, tag: str, go_ns: int) -> int | None:
        """Return since when a go really runs [ns]; None where that was not noted."""
        return self._begins.get((tag, go_ns))

    def has_told_end(self, tag: str) -> bool:
        """Return whether the end of a job was noted."""
        return tag in self._ended

    def write(self, act: str, tag: str, *, at_ns: int, **more: int) -> None:
        """Note an act and make sure that it is on the disk.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        line = {"at_ns": at_ns, "act": act, "tag": tag, **more}
        append_line(self.path, line)
        self._take(line)

    def forget(self, alive: Collection[str]) -> None:
        """Drop what is said of other jobs, once the file has grown large."""
        try:
            small = os.path.getsize(self.path) < _MOST_BYTES
        except FileNotFoundError:
            return
        if not small:
            kept = [line for line in whole_lines(self.path, _KEYS) if line["tag"] in alive]
            write_bytes(self.path, b"".join(json.dumps(line).encode() + b"\n" for line in kept))

    def _take(self, line: dict[str, Any]) -> None:
        if line["act"] == "runs":
            self._begins[line["tag"], line["go_ns"]] = line["begin_ns"]
        elif line["act"] == "ended":
            self._ended.add(line["tag"])
