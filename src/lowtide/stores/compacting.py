"""Compacting: the segments of a long run, one a minute, become one of up to :data:`ROWS` rows.

Done once, when a run is closed and before it is billed. The large segment is there before the small ones go, and a
row in both counts once, so a compacting that is killed is finished by whoever closes the run next.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from lowtide.errors import StoreError
from lowtide.series.steps import IntArray
from lowtide.stores.codec import write_bytes
from lowtide.stores.merging import rows_name
from lowtide.stores.segments import COLUMN, PackedSegment, Segment, framed, open_segment, read_column

__all__ = ["LEAST", "ROWS", "compact", "encode_columns"]

ROWS: Final = 100_000
"""Rows of a segment at most."""
LEAST: Final = 60
"""A writer with fewer segments than this is left alone."""


def compact(folder: str) -> int:
    """Join the segments of each writer in a folder; return how many files went.

    A damaged segment stays as it is.

    Raises
    ------
    StoreError
        If a large segment cannot be written; the small ones are kept then.
    """
    if not os.path.isdir(folder):
        return 0
    found: dict[str, list[tuple[str, PackedSegment]]] = {}
    names = [name for name in sorted(os.listdir(folder)) if name.endswith(".seg")]
    if len(names) < LEAST:
        return 0
    for name in names:
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                segment = open_segment(file.read(), path=path)
        except (StoreError, OSError):
            continue
        found.setdefault(segment.writer, []).append((name, segment))
    return sum(
        _compact_writer(folder, writer, parts) for writer, parts in found.items() if len(parts) >= LEAST
    )


def _compact_writer(folder: str, writer: str, parts: Sequence[tuple[str, PackedSegment]]) -> int:
    batch: list[tuple[str, PackedSegment]] = []
    gone, n_rows, end = 0, 0, 0
    for part in sorted(parts, key=lambda part: (part[1].first_seq, -part[1].n_rows)):
        if part[1].first_seq + part[1].n_rows <= end:  # a merging was killed before this one was removed
            os.unlink(os.path.join(folder, part[0]))
            gone += 1
            continue
        end = part[1].first_seq + part[1].n_rows
        follows = not batch or part[1].first_seq == batch[-1][1].first_seq + batch[-1][1].n_rows
        if batch and (not follows or n_rows + part[1].n_rows > ROWS):
            gone += _join(folder, writer, batch)
            batch, n_rows = [], 0
        batch.append(part)
        n_rows += part[1].n_rows
    return gone + _join(folder, writer, batch)


def _join(folder: str, writer: str, batch: Sequence[tuple[str, PackedSegment]]) -> int:
    """Write one segment for several that follow one another, and remove these."""
    if len(batch) < 2:
        return 0
    segments = [segment for _, segment in batch]
    name = rows_name(writer, segments[0].first_seq)
    write_bytes(os.path.join(folder, name), encode_columns(segments))
    for old, _ in batch:
        if old != name:
            os.unlink(os.path.join(folder, old))
    return len(batch)


def encode_columns(segments: Sequence[Segment | PackedSegment]) -> bytes:
    """Return segments of one writer that follow one another as the bytes of one, in the format of each."""
    first = segments[0]
    n_rows = sum(segment.n_rows for segment in segments)
    header = {
        "writer": first.writer,
        "first_seq": first.first_seq,
        "n_rows": n_rows,
        "channels": first.channels,
        "events": [event for segment in segments for event in segment.events],
    }
    column = np.empty(n_rows, dtype=np.int64)  # one at a time: a month of all would fill the memory
    packed = []
    for i in range(3 + len(first.channels)):
        read_column(segments, i, column)
        packed.append(_pack(column))
    return framed(header, packed)


def _pack(column: IntArray) -> bytes:
    """Return a column packed as :mod:`~lowtide.stores.segments` does, all at once."""
    steps = np.diff(column)  # modulo 2**64
    least, most = (int(steps.min()), int(steps.max())) if len(steps) else (0, 0)
    n_planes = ((most - least).bit_length() + 7) // 8
    begin = COLUMN.pack(int(column[0]), least, n_planes)
    if not n_planes:
        return begin
    steps -= least
    planes = steps.view(np.uint8).reshape(-1, 8)[:, :n_planes].T
    return begin + zlib.compress(np.ascontiguousarray(planes).tobytes(), 6)
