"""Sealing: every minute, and at the end, what a journal has gained becomes a segment in the ledger.

Every hour the minutes' segments are merged into one (:mod:`~lowtide.stores.merging`).

The ledger may be on a network disk that hangs, so a segment is written by a thread of its own: a dead
ledger delays nothing, and the journal keeps what was not copied.
"""

from __future__ import annotations

import _thread
import contextlib
import os
from collections.abc import Sequence
from typing import Any, Final

from lowtide.errors import StoreError
from lowtide.stores.codec import write_bytes
from lowtide.stores.journal import JournalWriter, Row
from lowtide.stores.segments import encode_segment

__all__ = ["MERGE_EVERY", "SEAL_EVERY_NS", "Sealer"]

SEAL_EVERY_NS: Final = 60_000_000_000
MERGE_EVERY: Final = 60
"""So many segments become one while the run goes on: a month is 720 files then, and not 43,200."""
_FINISH_WITHIN_S: Final = 8.0


class Sealer:
    """Copies a journal's new rows to `folder` as segments.

    Parameters
    ----------
    journal : JournalWriter
    writer : str
        Name of the writer, first part of the segments' names.
    channels : sequence of dict
        The journal's columns.
    folder : str
        The run's segments in the ledger; empty when there is no ledger to copy to.
    every_ns : int
        Time between two sealings [ns].
    """

    def __init__(
        self,
        journal: JournalWriter,
        *,
        writer: str,
        channels: Sequence[dict[str, Any]],
        folder: str,
        every_ns: int = SEAL_EVERY_NS,
    ) -> None:
        self._journal, self._writer, self._channels, self._folder = (
            journal,
            writer,
            channels,
            folder,
        )
        self._every_ns = every_ns
        self._due_ns = -1
        self._sealed_seq, self._last_event, self._number = 0, 0, 0
        self._small: list[str] = []
        self._busy = _thread.allocate_lock()
        self._outcome: tuple[int, int, Exception | None] | None = None

    def poll(self, monotonic_ns: int) -> None:
        """Start a sealing when one is due and none is under way; take note of one that has ended."""
        if self._due_ns < 0:
            self._due_ns = monotonic_ns + self._every_ns
        self._take_outcome()
        if monotonic_ns >= self._due_ns and self._folder and self._busy.acquire(blocking=False):
            self._due_ns = monotonic_ns + self._every_ns
            self._start()

    def _start(self) -> None:
        rows = self._journal.rows_after(self._sealed_seq)
        last_event, events = self._journal.events_after(self._last_event)
        if not rows:
            self._busy.release()
            return
        _thread.start_new_thread(self._copy, (rows, events, last_event))

    def _copy(self, rows: list[Row], events: list[tuple[int, str, str, str]], last_event: int) -> None:
        problem: Exception | None = None
        try:
            data = encode_segment(writer=self._writer, channels=self._channels, rows=rows, events=events)
            name = f"{self._writer}-{self._number + 1:06d}.seg"
            write_bytes(os.path.join(self._folder, name), data)
            self._merge_with(name)
        except Exception as error:  # whatever it is, the rows stay in the journal and are tried again
            problem = error
        self._outcome = (rows[-1].seq, last_event, problem)
        self._busy.release()

    def _merge_with(self, name: str) -> None:
        """Make one file of an hour's; where that does not work they stay, and closing the run joins them."""
        self._small.append(name)
        if len(self._small) < MERGE_EVERY:
            return
        from lowtide.stores.merging import merge_files

        small, self._small = self._small, []
        with contextlib.suppress(StoreError):
            merge_files(self._folder, small)

    def _take_outcome(self) -> None:
        if self._outcome is None or self._busy.locked():
            return
        (seq, last_event, problem), self._outcome = self._outcome, None
        if problem is None:
            self._sealed_seq, self._last_event = seq, last_event
            self._number += 1
            self._journal.forget(seq)

    def finish(self) -> None:
        """Seal what is left, waiting some seconds at most; what cannot be copied stays in the journal."""
        if not self._folder:
            return
        for _ in range(2):  # one that may be under way, then the rest
            if not self._busy.acquire(timeout=_FINISH_WITHIN_S):
                return
            self._busy.release()
            self._take_outcome()
            if self._busy.acquire(blocking=False):
                self._start()
        if self._busy.acquire(timeout=_FINISH_WITHIN_S):
            self._busy.release()
            self._take_outcome()
