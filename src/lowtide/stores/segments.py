"""Sealed segments: a stretch of one writer's journal as a small file that never changes.

Layout (documented in ``docs/reference/ledger-format.md``)::

    b"LTSEG2\\n"   uint32 length, zlib of the JSON header   for each column: uint32 length, bytes   uint32 CRC-32

The header names writer, first sequence number, number of rows, channels and events. Columns are
monotonic_ns, boot_offset_ns, wall_offset_ns and then the channels, each as 64-bit words: the first word, the least
difference of one word from the word before it, and what each difference has above the least, modulo 2**64, as byte
planes (those that are needed, lowest first) in zlib. A column that never changes has no planes, so that a month of it
is read at no cost. The CRC covers all before it and tells a torn file; that nobody has changed one is for the SHA-256
kept with each bill.

Writing needs the standard library only, so that the recorder stays small; reading uses numpy.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import StoreError

if TYPE_CHECKING:
    from lowtide.series.steps import IntArray
    from lowtide.stores.journal import Row

__all__ = [
    "COLUMN",
    "MAGIC",
    "PackedSegment",
    "Segment",
    "decode_segment",
    "encode_segment",
    "framed",
    "open_segment",
    "pack_steps",
    "read_column",
    "unpack_steps",
]

MAGIC: Final = b"LTSEG2\n"
COLUMN: Final = struct.Struct("<qqB")
"""What a column begins with: first word, least difference, number of planes."""
_MASK: Final = 2**64 - 1
_WORD_BYTES: Final = 8
_N_CLOCKS: Final = 3
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

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.monotonic_ns)

    def constant(self, i: int) -> int | None:
        """Return None: whether a decoded column is constant nobody has looked."""
        return None

    def read(self, i: int, out: IntArray) -> None:
        """Copy column `i`, the three clocks first, to `out`."""
        out[:] = self._column(i)

    def first(self, i: int) -> int:
        """Return the first word of column `i`, the three clocks first."""
        return int(self._column(i)[0])

    def _column(self, i: int) -> IntArray:
        clocks = (self.monotonic_ns, self.boot_offset_ns, self.wall_offset_ns)
        return clocks[i] if i < _N_CLOCKS else self.columns[i - _N_CLOCKS]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackedSegment:
    """A segment whose checksum fits and whose columns are still packed, so that each can go where it is wanted."""

    writer: str
    first_seq: int
    n_rows: int
    channels: list[dict[str, Any]]
    events: list[dict[str, Any]]
    blocks: list[memoryview]

    def constant(self, i: int) -> int | None:
        """Return the word that column `i`, the three clocks first, holds in every row; None where it changes."""
        first, least, n_planes = _begin(self.blocks[i])
        return None if n_planes or (least and self.n_rows > 1) else first

    def read(self, i: int, out: IntArray) -> None:
        """Unpack column `i`, the three clocks first, to `out`, int64 of shape (n_rows,)."""
        import numpy as np

        first, least, n_planes = _begin(self.blocks[i])
        out[:1], out[1:] = first, least
        if n_planes:
            out[1:] += _planes(self.blocks[i][COLUMN.size :], n_planes, self.n_rows - 1)
        np.cumsum(out, out=out)  # modulo 2**64, as the differences are

    def first(self, i: int) -> int:
        """Return the first word of column `i`, the three clocks first."""
        return _begin(self.blocks[i])[0]

    def unpacked(self) -> Segment:
        """Return the segment with all its columns unpacked."""
        import numpy as np

        columns = [np.empty(self.n_rows, dtype=np.int64) for _ in self.blocks]
        for i, column in enumerate(columns):
            self.read(i, column)
        return Segment(
            writer=self.writer,
            first_seq=self.first_seq,
            channels=self.channels,
            events=self.events,
            monotonic_ns=columns[0],
            boot_offset_ns=columns[1],
            wall_offset_ns=columns[2],
            columns=columns[_N_CLOCKS:],
        )


def _begin(block: memoryview) -> tuple[int, int, int]:
    """Return a column's first word, least difference and number of planes."""
    try:
        first, least, n_planes = COLUMN.unpack_from(block)
    except struct.error as error:
        raise StoreError(f"a column of a segment is damaged: {error}") from error
    if n_planes > _WORD_BYTES:
        raise StoreError(f"a column of a segment is damaged: {n_planes} bytes in a word of 8")
    return first, least, n_planes


def _inflated(block: memoryview, n_bytes: int) -> bytes:
    try:
        raw = zlib.decompress(block, bufsize=max(1, n_bytes))
    except zlib.error as error:
        raise StoreError(f"a column of a segment is damaged: {error}") from error
    if len(raw) != n_bytes:
        raise StoreError(f"a column of a segment is damaged: {len(raw)} bytes where {n_bytes} belong")
    return raw


def _planes(block: memoryview, n_planes: int, n: int) -> IntArray:
    """Return the words of byte planes, as narrow as they can be."""
    import numpy as np

    raw = _inflated(block, n_planes * n)
    width = next(width for width in (1, 2, 4, 8) if width >= n_planes)
    words = np.zeros((n, width), dtype=np.uint8)
    for plane in range(n_planes):
        words[:, plane] = np.frombuffer(raw, dtype=np.uint8, count=n, offset=plane * n)
    found = words.view(f"<u{width}")[:, 0]
    return found.view(np.int64) if width == 8 else found


def encode_segment(
    *,
    writer: str,
    channels: Sequence[dict[str, Any]],
    rows: Sequence[Row],
    events: Iterable[tuple[int, str, str, str]] = (),
) -> bytes:
    """Return rows (at least one, in order) and events as the bytes of a segment."""
    n_channels = len(channels)
    words = struct.Struct(f"<{n_channels}q")
    table = list(zip(*(words.unpack(row.data) for row in rows), strict=True)) if n_channels else []
    header = {
        "writer": writer,
        "first_seq": rows[0].seq,
        "n_rows": len(rows),
        "channels": list(channels),
        "events": [dict(zip(_EVENT_KEYS, event, strict=True)) for event in events],
    }
    clocks = zip(*((row.monotonic_ns, row.boot_offset_ns, row.wall_offset_ns) for row in rows), strict=True)
    return framed(header, [_pack(column) for column in (*clocks, *table)])


def framed(header: dict[str, Any], columns: Iterable[bytes]) -> bytes:
    """Return a header and packed columns as the bytes of a segment."""
    blocks = [zlib.compress(json.dumps(header).encode(), 6), *columns]
    body = MAGIC + b"".join(struct.pack("<I", len(block)) + block for block in blocks)
    return body + struct.pack("<I", zlib.crc32(body))


def _pack(column: Sequence[int]) -> bytes:
    return pack_steps(column[0], [_signed(after - before) for before, after in pairwise(column)])


def _signed(word: int) -> int:
    """Return an integer modulo 2**64, as one with a sign."""
    return ((word + 2**63) & _MASK) - 2**63


def pack_steps(first: int, steps: Sequence[int]) -> bytes:
    """Return a column by its first word and the differences of the following ones, each as an int64."""
    least, most = min(steps, default=0), max(steps, default=0)
    n_planes = ((most - least).bit_length() + 7) // 8
    begin = COLUMN.pack(first, least, n_planes)
    if not n_planes:
        return begin
    raw = struct.pack(f"<{len(steps)}Q", *(step - least for step in steps))
    return begin + zlib.compress(b"".join(raw[plane::8] for plane in range(n_planes)), 6)


def unpack_steps(block: memoryview, n_rows: int) -> tuple[int, list[int]]:
    """Return a packed column's first word and the differences of the following ones, without numpy."""
    first, least, n_planes = _begin(block)
    n = n_rows - 1
    if not n_planes:
        return first, [least] * n
    raw, words = _inflated(block[COLUMN.size :], n_planes * n), bytearray(_WORD_BYTES * n)
    for plane in range(n_planes):
        words[plane::8] = raw[plane * n : (plane + 1) * n]
    return first, [least + step for step in struct.unpack(f"<{n}Q", words)]


def open_segment(data: bytes, *, path: str) -> PackedSegment:
    """Return the segment in `data` with its columns still packed.

    Raises
    ------
    StoreError
        If the checksum does not fit or the layout is wrong; `path` is named.
    """
    body = memoryview(data)[:-4]
    if not data.startswith(MAGIC) or struct.pack("<I", zlib.crc32(body)) != data[-4:]:
        raise StoreError(f"{path} is damaged: its contents do not fit their own checksum")
    try:
        head, *blocks = _blocks(body)
        header = json.loads(zlib.decompress(head))
        segment = PackedSegment(**header, blocks=blocks)
        fits = segment.n_rows > 0 and len(blocks) == _N_CLOCKS + len(segment.channels)
    except (struct.error, zlib.error, ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: its header cannot be read ({error})") from error
    if not fits:
        raise StoreError(f"{path} is damaged: its header does not fit its columns")
    return segment


def decode_segment(data: bytes, *, path: str) -> Segment:
    """Return the segment in `data`, unpacked.

    Raises
    ------
    StoreError
        As :func:`open_segment`.
    """
    return open_segment(data, path=path).unpacked()


def _blocks(body: memoryview) -> Iterator[memoryview]:
    at = len(MAGIC)
    while at < len(body):
        (length,) = struct.unpack_from("<I", body, at)
        yield body[at + 4 : at + 4 + length]
        at += 4 + length


def read_column(segments: Iterable[Segment | PackedSegment], i: int, out: IntArray) -> None:
    """Read column `i`, the three clocks first, of segments one after another to `out`."""
    at = 0
    for segment in segments:
        segment.read(i, out[at : at + segment.n_rows])
        at += segment.n_rows
