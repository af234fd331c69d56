"""Sealed segments: a stretch of one writer's journal as a small file that never changes.

Layout (documented in ``docs/reference/ledger-format.md``)::

    b"LTSEG1\\n"   uint32 length, UTF-8 JSON header   for each column: uint32 length, zlib bytes   uint32 CRC-32

The header names writer, first sequence number, number of rows, channels and events. Columns are
monotonic_ns, boot_offset_ns, wall_offset_ns and then the channels, each as 64-bit words: differences modulo 2**64
(of differences, for monotonic_ns), zigzag-coded, byte planes apart, zlib. The CRC covers all
before it and tells a torn file; that nobody has changed one is for the SHA-256 kept with each bill.

Writing needs the standard library only, so that the recorder stays small; reading uses numpy.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import StoreError

if TYPE_CHECKING:
    from lowtide.series.steps import IntArray
    from lowtide.stores.journal import Row

__all__ = ["MAGIC", "Segment", "decode_segment", "encode_segment"]

MAGIC: Final = b"LTSEG1\n"
_MASK: Final = 2**64 - 1
_CLOCKS: Final = ("monotonic_ns", "boot_offset_ns", "wall_offset_ns")
_EVENT_KEYS: Final = ("t_ns", "kind", "channel", "detail")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segment:
    """A decoded segment; every column is int64 of shape (n_rows,), gauges as the bits of a float64."""

    writer: str
    first_seq: int
    channels: list[dict[str, Any]]
    events: list[dict[str, Any]]
    monotonic_ns: IntArray
    boot_offset_ns: IntArray
    wall_offset_ns: IntArray
    columns: list[IntArray]


def encode_segment(
    *,
    writer: str,
    channels: Sequence[dict[str, Any]],
    rows: Sequence[Row],
    events: Iterable[tuple[int, str, str, str]] = (),
) -> bytes:
    """Return rows (at least one, in order) and events as the bytes of a segment."""
    n_channels = len(channels)
    words = struct.Struct(f"<{n_channels}Q")
    table = list(zip(*(words.unpack(row.data) for row in rows), strict=True)) if n_channels else []
    header = {
        "writer": writer,
        "first_seq": rows[0].seq,
        "n_rows": len(rows),
        "channels": list(channels),
        "events": [dict(zip(_EVENT_KEYS, event, strict=True)) for event in events],
    }
    parts = [_block(json.dumps(header).encode())]
    parts.append(_block(_pack(_differences([row.monotonic_ns for row in rows], twice=True))))
    parts.append(_block(_pack(_differences([row.boot_offset_ns for row in rows]))))
    parts.append(_block(_pack(_differences([row.wall_offset_ns for row in rows]))))
    parts.extend(_block(_pack(_differences(column))) for column in table)
    body = MAGIC + b"".join(parts)
    return body + struct.pack("<I", zlib.crc32(body))


def _block(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _differences(values: Sequence[int], *, twice: bool = False) -> list[int]:
    """Return the first value and then differences modulo 2**64, as signed integers."""
    out, before = [], 0
    for value in values:
        out.append(((value - before + 2**63) & _MASK) - 2**63)
        before = value
    return _differences(out) if twice else out


def _pack(differences: Sequence[int]) -> bytes:
    zigzag = [((d << 1) ^ (d >> 63)) & _MASK for d in differences]
    raw = struct.pack(f"<{len(zigzag)}Q", *zigzag)
    return zlib.compress(b"".join(raw[plane::8] for plane in range(8)), 6)


def decode_segment(data: bytes, *, path: str) -> Segment:
    """Return the segment in `data`.

    Raises
    ------
    StoreError
        If the checksum does not fit or the layout is wrong; `path` is named.
    """
    body, checksum = data[:-4], data[-4:]
    if not data.startswith(MAGIC) or struct.pack("<I", zlib.crc32(body)) != checksum:
        raise StoreError(f"{path} is damaged: its contents do not fit their own checksum")
    blocks = _blocks(body)
    header = json.loads(next(blocks))
    n = int(header["n_rows"])
    monotonic = _unpack(next(blocks), n, twice=True)
    boot, wall = _unpack(next(blocks), n), _unpack(next(blocks), n)
    return Segment(
        writer=header["writer"],
        first_seq=header["first_seq"],
        channels=header["channels"],
        events=header["events"],
        monotonic_ns=monotonic,
        boot_offset_ns=boot,
        wall_offset_ns=wall,
        columns=[_unpack(block, n) for block in blocks],
    )


def _blocks(body: bytes) -> Any:
    at = len(MAGIC)
    while at < len(body):
        (length,) = struct.unpack_from("<I", body, at)
        yield body[at + 4 : at + 4 + length]
        at += 4 + length


def _unpack(block: bytes, n: int, *, twice: bool = False) -> IntArray:
    import numpy as np

    planes = np.frombuffer(zlib.decompress(block), dtype=np.uint8).reshape(8, n)
    used = [i for i in range(8) if planes[i].any()]  # of small differences the upper bytes are all 0
    zigzag = np.zeros(n, dtype=np.uint64)
    for i in used:
        zigzag |= planes[i].astype(np.uint64) << np.uint64(8 * i)
    differences = (zigzag >> np.uint64(1)) ^ (np.uint64(0) - (zigzag & np.uint64(1)))
    if not twice and not any(planes[i][1:].any() for i in used):
        return np.full(n, differences[:1].view(np.int64)[0], dtype=np.int64)  # a constant column
    for _ in range(2 if twice else 1):
        np.cumsum(differences, dtype=np.uint64, out=differences)
    return differences.view(np.int64)
