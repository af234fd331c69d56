"""Reading runs of a ledger as views, the bill of a run that is still going on included."""

from __future__ import annotations

import os
import socket
import time

from lowtide.errors import LowtideError
from lowtide.model.ledger import Entry
from lowtide.model.record import RunHeader
from lowtide.reporting.view import RunView
from lowtide.runtime.joining import LOST_AFTER_S, silent_s
from lowtide.stores.codec import from_plain
from lowtide.stores.ledger import Ledger

__all__ = ["read_view"]


def read_view(ledger: Ledger, run_id: str, *, preview: bool = True) -> RunView:
    """Return a run with its bills; a running one is billed as far as it has come, without keeping that.

    Raises
    ------
    StoreError, DataFileError
        If its files cannot be read.
    """
    header, end = ledger.header(run_id), ledger.end(run_id)
    path = ledger.run_dir(run_id)
    entries = tuple(from_plain(Entry, plain, path=path) for plain in ledger.entries(run_id))
    entry = entries[-1] if entries else None
    if entry is None and preview:
        entry = _preview(ledger, run_id)
    lost = end is None and _is_lost(ledger, header)
    return RunView(header=header, end=end, entry=entry, entries=entries, lost=lost)


def _is_lost(ledger: Ledger, header: RunHeader) -> bool:
    """Return whether a run that nobody has closed can have nobody left to close it.

    Here: its journal is gone. On another node: nothing was sealed for ten minutes, though it should be every one.
    """
    if header.n_ranks is not None:
        return silent_s(ledger, header.run_id) > LOST_AFTER_S
    if header.host == socket.gethostname():
        return not os.path.isdir(header.journal_dir)
    folder = ledger.segments_dir(header.run_id)
    try:
        heard_s = max(os.stat(path).st_mtime for path in (folder, ledger.run_dir(header.run_id)))
    except OSError:
        return False
    return time.time() - heard_s > LOST_AFTER_S


def _preview(ledger: Ledger, run_id: str) -> Entry | None:
    from lowtide.runtime.billing import make_entry
    from lowtide.stores.records import read_record

    try:
        return make_entry(read_record(ledger, run_id), ledger)
    except LowtideError:
        return None  # no readings yet
