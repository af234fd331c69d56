"""Compacting: the segments of a long run, one a minute, become one of up to :data:`ROWS` rows.

Done once, when a run is closed and before it is billed. The large segment is there before the small ones go, and a
row in both counts once, so a compacting that is killed is finished by whoever closes the run next.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from lowtide.errors import StoreError
from lowtide.series.steps import IntArray
from lowtide.stores.codec import write_bytes
from lowtide.stores.segments import MAGIC, Segment, decode_segment

__all__ = ["LEAST", "ROWS", "compact", "encode_columns"]

ROWS: Final = 500_000
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
    found: dict[str, list[tuple[str, Segment]]] = {}
    names = [name for name in sorted(os.listdir(folder)) if name.endswith(".seg")]
    if len(names) < LEAST:
        return 0
    for name in names:
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                segment = decode_segment(file.read(), path=path)
        except (StoreError, OSError):
            continue
        found.setdefault(segment.writer, []).append((name, segment))
    return sum(
        _compact_writer(folder, writer, parts) for writer, parts in found.items() if len(parts) >= LEAST
    )


def _compact_writer(folder: str, writer: str, parts: Sequence[tuple[str, Segment]]) -> int:
    batch: list[tuple[str, Segment]] = []
    gone, n_rows = 0, 0
    for part in sorted(parts, key=lambda part: part[1].first_seq):
        follows = not batch or part[1].first_seq == batch[-1][1].first_seq + len(batch[-1][1].monotonic_ns)
        if batch and (not follows or n_rows + len(part[1].monotonic_ns) > ROWS):
            gone += _join(folder, writer, batch)
            batch, n_rows = [], 0
        batch.append(part)
        n_rows += len(part[1].monotonic_ns)
    return gone + _join(folder, writer, batch)


def _join(folder: str, writer: str, batch: Sequence[tuple[str, Segment]]) -> int:
    """Write one segment for several that follow one another, and remove these."""
    if len(batch) < 2:
        return 0
    segments = [segment for _, segment in batch]
    name = f"{writer}-rows{segments[0].first_seq:09d}.seg"
    write_bytes(os.path.join(folder, name), encode_columns(segments))
    for old, _ in batch:
        if old != name:
            os.unlink(os.path.join(folder, old))
    return len(batch)


def encode_columns(segments: Sequence[Segment]) -> bytes:
    """Return segments of one writer that follow one another as the bytes of one, in the format of each."""
    first = segments[0]
    clocks = [
        np.concatenate([getattr(segment, name) for segment in segments])
        for name in ("monotonic_ns", "boot_offset_ns", "wall_offset_ns")
    ]
    header = {
        "writer": first.writer,
        "first_seq": first.first_seq,
        "n_rows": len(clocks[0]),
        "channels": first.channels,
        "events": [event for segment in segments for event in segment.events],
    }
    blocks = [json.dumps(header).encode(), _pack(clocks[0], times=2), *(_pack(c) for c in clocks[1:])]
    blocks += [
        _pack(np.concatenate([segment.columns[i] for segment in segments]))
        for i in range(len(first.channels))
    ]
    body = MAGIC + b"".join(struct.pack("<I", len(block)) + block for block in blocks)
    return body + struct.pack("<I", zlib.crc32(body))


def _pack(column: IntArray, *, times: int = 1) -> bytes:
    """Return a column packed as :mod:`~lowtide.stores.segments` does, all at once."""
    words = np.ascontiguousarray(column).view(np.uint64)
    for _ in range(times):
        words = np.diff(words, prepend=np.uint64(0))  # modulo 2**64
    signed = words.view(np.int64)
    zigzag = ((signed << 1) ^ (signed >> 63)).view(np.uint8).reshape(-1, 8)
    return zlib.compress(np.ascontiguousarray(zigzag.T).tobytes(), 6)
