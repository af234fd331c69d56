"""Fuzzing what is read back after a crash: sealed segments, the tail of a journal, SQLite journals, marks.

    python benchmarks/fuzz_journal.py [--seconds 60] [--seed 0]

Bytes that are damaged in any way must be read as far as they go or refused with an error of lowtide's own; anything
else (another exception, a hang, a row that nobody wrote) is a finding, and its bytes are kept. With atheris installed
(``pip install atheris``, coverage guided) that drives it; without, seeded mutations do. Exits 1 with a finding.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
import random
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from lowtide.errors import LowtideError
from lowtide.stores import journal as journal_module
from lowtide.stores import merging, segments
from lowtide.stores.journal import JournalWriter, Row, read_journal, tail_path
from lowtide.stores.merging import merged
from lowtide.stores.segments import MAGIC, encode_segment, open_segment
from lowtide.testing.fakes import FakeClock

CHANNELS = [{"name": "x", "kind": "counter"}, {"name": "y", "kind": "gauge"}]
N_ROWS = 24


def words(i: int) -> bytes:
    """Return the data of row `i`."""
    return struct.pack("<qd", i * i % 97, i / 3.0)


def segment() -> bytes:
    """Return a good segment."""
    rows = [Row(i + 1, 10**9 * i, 5, 10**18, words(i)) for i in range(N_ROWS)]
    return encode_segment(writer="w1", channels=CHANNELS, rows=rows, events=[(3, "retry", "x", "busy")])


def journal(folder: Path) -> tuple[bytes, bytes]:
    """Return the bytes of a good journal and of its tail."""
    path, clock = str(folder / "good.sqlite"), FakeClock()
    writer = JournalWriter(path, channels=CHANNELS)
    for i in range(N_ROWS):
        clock.advance(1.0)
        writer.append(clock.now(), words(i))
    tail = Path(tail_path(path)).read_bytes()
    writer.close()
    return Path(path).read_bytes(), tail


def try_segment(data: bytes) -> None:
    """Read bytes as a segment; with a checksum that fits as well, so that what lies behind it is reached."""
    for body in (data, data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))):
        with contextlib.suppress(LowtideError):
            part = open_segment(body, path="fuzz")
            part.unpacked()
            merged([part])


def try_tail(data: bytes, good: bytes, folder: Path) -> None:
    """Read bytes as the tail of a good journal; a row that nobody wrote is a finding."""
    path = folder / "tail.sqlite"
    path.write_bytes(good)
    Path(tail_path(str(path))).write_bytes(data)
    with contextlib.suppress(LowtideError):
        for row in read_journal(str(path))[1]:
            if row.data != words(row.seq - 1):
                raise AssertionError(f"row {row.seq} was never written: {row.data!r}")


def try_journal(data: bytes, folder: Path) -> None:
    """Read bytes as an SQLite journal."""
    path = folder / "any.sqlite"
    for ending in ("-wal", "-shm", "-tail"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    path.write_bytes(data)
    with contextlib.suppress(LowtideError):
        read_journal(str(path))


def targets(folder: Path) -> dict[str, tuple[bytes, Callable[[bytes], None]]]:
    """Return good bytes and what reads them, by name."""
    good, tail = journal(folder)
    return {
        "segment": (segment(), try_segment),
        "tail": (tail, lambda data: try_tail(data, good, folder)),
        "journal": (good, lambda data: try_journal(data, folder)),
    }


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with a few things wrong with them."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(found) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            del found[at:]
        elif kind == 1:
            del found[at : at + rng.randrange(1, 64)]
        elif kind == 2:
            found[at:at] = rng.randbytes(rng.randrange(1, 64))
        elif kind == 3:
            found[at : at + 8] = struct.pack("<q", rng.choice((0, -1, 2**63 - 1, -(2**63), 2**31)))
        elif at < len(found):
            found[at] ^= 1 << rng.randrange(8)
    return bytes(found)


def by_mutation(folder: Path, seconds: float, seed: int) -> int:
    """Try mutations until the time is up; return how many findings there are."""
    rng, until, counts, n_findings = random.Random(seed), time.monotonic() + seconds, {}, 0
    every = targets(folder)
    while time.monotonic() < until:
        for name, (good, read) in every.items():
            data = mutated(good, rng)
            counts[name] = counts.get(name, 0) + 1
            try:
                read(data)
            except Exception as error:
                n_findings += 1
                place = Path(tempfile.gettempdir()) / f"finding-{name}-{n_findings}"
                place.write_bytes(data)
                print(f"{name}: {type(error).__name__}: {error} (bytes in {place})")
                if n_findings >= 20:
                    return n_findings
    print(f"mutations: {', '.join(f'{n} of {name}' for name, n in counts.items())}; {n_findings} findings")
    return n_findings


def by_coverage(folder: Path, seconds: float, seed: int) -> int:
    """Let atheris look for new paths until the time is up; it ends the process at a finding."""
    import atheris

    every = list(targets(folder).values())
    corpus = folder / "corpus"
    corpus.mkdir()
    for i, (good, _) in enumerate(every):
        (corpus / str(i)).write_bytes(bytes([i]) + good)

    def one(data: bytes) -> None:
        if data:
            every[data[0] % len(every)][1](data[1:])

    for module in (journal_module, merging, segments):  # all that python holds would take minutes
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                atheris.instrument_func(function)
    options = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={round(seconds)}",
        f"-seed={seed + 1}",
        "-max_len=16384",
    ]
    atheris.Setup(options, one)
    atheris.Fuzz()
    return 0


def main() -> int:
    """Fuzz; return 1 with a finding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    assert segment().startswith(MAGIC)
    with tempfile.TemporaryDirectory() as folder:
        try:
            import atheris  # noqa: F401 - whether it is there decides which engine drives
        except ImportError:
            print("atheris is not installed; seeded mutations instead")
            return 1 if by_mutation(Path(folder), args.seconds, args.seed) else 0
        return by_coverage(Path(folder), args.seconds, args.seed)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
