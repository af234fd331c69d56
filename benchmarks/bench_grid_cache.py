"""How long the cache takes for a year of hourly intensity: one zone read, one zone kept, 123 zones kept.

Compares with the simplest thing that could work, one SQLite row an hour, in one run. Every read opens the file anew;
imports are not counted.

    python benchmarks/bench_grid_cache.py [repeats]
"""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from lowtide.grid.cache import Cache
from lowtide.testing.builders import intensity_series

N_HOURS, N_ZONES = 8760, 123
LIMIT_S = 0.020


def timed(work: Callable[[], object], n: int) -> list[float]:
    """Return how long `work` takes, n times [s]."""
    took = []
    for _ in range(n):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return took


def line(name: str, took: list[float], limit_s: float | None = None) -> str:
    """Return a line of the table."""
    median = statistics.median(took)
    verdict = "" if limit_s is None else f"  limit {limit_s:g} s: {'met' if median <= limit_s else 'MISSED'}"
    return f"{name:<28} n={len(took)}  best {min(took):.4f} s  median {median:.4f} s  worst {max(took):.4f} s{verdict}"


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    rng = np.random.default_rng(0)
    zones = [
        intensity_series(rng.random(N_HOURS) * 500.0, zone=f"Z-{i}", start_ns=1_640_995_200 * 10**9)
        for i in range(N_ZONES)
    ]
    one = zones[0]
    window = one.start_ns, one.end_ns
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "cache.sqlite")

        def keep_all() -> None:
            cache = Cache(path)
            for zone in zones:
                cache.put("p", zone, fetched_ns=1)
            cache.close()

        def read() -> None:
            cache = Cache(path)
            (key,) = cache.series("Z-0")
            kept = cache.get(key, window)
            assert kept is not None
            assert len(kept.intensity.status) == N_HOURS
            cache.close()

        print(line("123 zones kept", timed(keep_all, 1)))
        print(line("one zone read", timed(read, n), LIMIT_S))
        plain = os.path.join(folder, "rows.sqlite")
        db = sqlite3.connect(plain)
        db.execute("CREATE TABLE v (zone, t INTEGER, g REAL, PRIMARY KEY (zone, t)) WITHOUT ROWID")
        rows = zip(one.edges_ns[:-1].tolist(), one.intensity_g_per_kwh.tolist(), strict=True)
        db.executemany("INSERT INTO v VALUES ('Z-0', ?, ?)", rows)
        db.commit()
        db.close()

        def read_rows() -> None:
            found = (
                sqlite3.connect(plain).execute("SELECT t, g FROM v WHERE zone='Z-0' ORDER BY t").fetchall()
            )
            assert len(np.array(found)) == N_HOURS

        print(line("a row an hour, one zone read", timed(read_rows, n)))


if __name__ == "__main__":
    main()
