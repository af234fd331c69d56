"""Merging: sealed segments of one writer that follow one another become one, while their run goes on.

The recorder does this, so it needs the standard library only and holds one column at a time. The large segment is
there, whole and synced, before the first small one goes, and a row that is in both counts once: whoever reads sees
every row at any moment, and so does who comes after a kill.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from lowtide.errors import StoreError
from lowtide.stores.codec import write_bytes
from lowtide.stores.segments import PackedSegment, framed, open_segment, pack_steps, unpack_steps

__all__ = ["merge_files", "merged", "rows_name"]

_N_CLOCKS = 3


def rows_name(writer: str, first_seq: int) -> str:
    """Return the name of a segment that holds the rows of several."""
    return f"{writer}-rows{first_seq:09d}.seg"


def merge_files(folder: str, names: Sequence[str]) -> str:
    """Make one segment of several, in order, and remove these; return its name.

    Raises
    ------
    StoreError
        If one is damaged or away, they do not follow one another, or the new one cannot be written; all are kept then.
    """
    parts = [_opened(os.path.join(folder, name)) for name in names]
    name = rows_name(parts[0].writer, parts[0].first_seq)
    write_bytes(os.path.join(folder, name), merged(parts))
    for old in names:
        if old != name:
            with contextlib.suppress(
                OSError
            ):  # it holds nothing that the new one does not; whoever closes removes it
                os.unlink(os.path.join(folder, old))
    return name


def _opened(path: str) -> PackedSegment:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    return open_segment(data, path=path)


def merged(parts: Sequence[PackedSegment]) -> bytes:
    """Return segments that follow one another as the bytes of one, the same as all rows at once would give.

    Raises
    ------
    StoreError
        If they are of several writers or do not follow one another.
    """
    first, ends = parts[0], [part.first_seq + part.n_rows for part in parts]
    follow = all(end == part.first_seq for end, part in zip(ends, parts[1:], strict=False))
    if not follow or any((part.writer, part.channels) != (first.writer, first.channels) for part in parts):
        raise StoreError(
            f"segments of {first.writer} from row {first.first_seq} on do not follow one another"
        )
    header = {
        "writer": first.writer,
        "first_seq": first.first_seq,
        "n_rows": sum(part.n_rows for part in parts),
        "channels": first.channels,
        "events": [event for part in parts for event in part.events],
    }
    return framed(header, (_column(parts, i) for i in range(_N_CLOCKS + len(first.channels))))


def _column(parts: Sequence[PackedSegment], i: int) -> bytes:
    """Return one column of all parts: their differences, and between two parts that of their ends."""
    steps: list[int] = []
    begin, last = 0, 0
    for n, part in enumerate(parts):
        word, inner = unpack_steps(part.blocks[i], part.n_rows)
        if n == 0:
            begin = word
        else:
            steps.append((word - last + 2**63) % 2**64 - 2**63)
        steps += inner
        last = word + sum(inner)
    return pack_steps(begin, steps)
