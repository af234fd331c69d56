"""How long it takes to read a year of hourly intensity for 123 zones.

Compares ``read_intensity_table`` and ``read_intensity`` with the simplest thing that could work,
``csv.DictReader`` and ``datetime.fromisoformat``, on the same file in one run. The file comes from the
public test data (``LOWTIDE_TEST_DATA`` or ``../shared/data``) when they are there, else it is made up
with the same shape. Imports and the first read, which fills the page cache, are not counted.

    python benchmarks/bench_read_intensity.py [repeats]
"""

from __future__ import annotations

import csv
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from lowtide.grid.files import read_intensity, read_intensity_table

N_HOURS, N_ZONES = 8760, 123
LIMITS_S = {"csv, all zones": 0.6, "parquet, all zones": 0.5, "csv, one zone": 0.1, "parquet, one zone": 0.1}


def write_files(folder: Path) -> tuple[Path, Path | None, str]:
    """Return a CSV and, with pyarrow, a Parquet file, and the last zone."""
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        return write_made_up_csv(folder), None, f"Z-{N_ZONES - 1}"
    data = Path(os.environ.get("LOWTIDE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    source = data / "ci_hourly_2022_123zones.parquet"
    if not source.exists():
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(write_made_up_csv(folder)), folder / "year.parquet")
        source = folder / "year.parquet"
    table = pyarrow.parquet.read_table(source)
    write_csv(folder / "year.csv", table.column_names, table.columns)
    return folder / "year.csv", source, table.column_names[-1]


def write_csv(path: Path, names: list[str], columns: list) -> None:
    """Write stamps with Z and values with two decimals."""
    stamps = np.datetime_as_string(columns[0].to_numpy().astype("datetime64[s]"))
    values = [[f"{v:.2f}" for v in column.to_numpy().tolist()] for column in columns[1:]]
    with path.open("w") as file:
        file.write(",".join(names) + "\n")
        for stamp, *row in zip(stamps, *values, strict=True):
            file.write(f"{stamp}Z,{','.join(row)}\n")


def write_made_up_csv(folder: Path) -> Path:
    """Return a CSV of the same shape with drawn values."""
    values = np.random.default_rng(0).uniform(20, 800, (N_HOURS, N_ZONES)).round(2)
    hours = np.datetime64("2022-01-01T00:00:00") + np.arange(N_HOURS) * np.timedelta64(1, "h")
    with (folder / "year.csv").open("w") as file:
        file.write("ts_utc," + ",".join(f"Z-{i}" for i in range(N_ZONES)) + "\n")
        for stamp, row in zip(hours.astype("datetime64[s]"), values.tolist(), strict=True):
            file.write(f"{stamp}Z,{','.join(map(str, row))}\n")
    return folder / "year.csv"


def simplest(path: Path) -> dict[str, list[tuple[datetime, float]]]:
    """Return the zones of a wide CSV with nothing but the standard library."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        time_name, *zones = reader.fieldnames or []
        found: dict[str, list[tuple[datetime, float]]] = {zone: [] for zone in zones}
        for row in reader:
            moment = datetime.fromisoformat(row[time_name])
            for zone in zones:
                found[zone].append((moment, float(row[zone])))
    return found


def measure(name: str, work: Callable[[], object], repeats: int) -> float:
    """Print and return the best time [s] of some repeats after one that is not counted."""
    work()
    times_s = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start)
    best_s, limit_s = min(times_s), LIMITS_S.get(name)
    verdict = (
        "" if limit_s is None else f"  limit {limit_s:.1f} s: {'met' if best_s <= limit_s else 'MISSED'}"
    )
    print(
        f"{name:28} n={repeats}  best {best_s:.4f} s  median {statistics.median(times_s):.4f} s  "
        f"worst {max(times_s):.4f} s{verdict}"
    )
    return best_s


def main(repeats: int) -> int:
    """Run all comparisons; the exit code is 1 when a limit is missed."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}"
    )
    with tempfile.TemporaryDirectory() as name:
        csv_path, parquet_path, zone = write_files(Path(name))
        print(f"{N_HOURS} hours x {N_ZONES} zones, {csv_path.stat().st_size / 1e6:.1f} MB of CSV")
        best_s = {
            "csv, all zones": measure("csv, all zones", lambda: read_intensity_table(csv_path), repeats),
            "csv, one zone": measure("csv, one zone", lambda: read_intensity(csv_path, zone=zone), repeats),
        }
        if parquet_path is not None:
            for what, work in (
                ("parquet, all zones", lambda: read_intensity_table(parquet_path)),
                ("parquet, one zone", lambda: read_intensity(parquet_path, zone=zone)),
            ):
                best_s[what] = measure(what, work, repeats)
        simple_s = measure("csv.DictReader, all zones", lambda: simplest(csv_path), max(2, repeats // 2))
        print(f"csv, all zones: {simple_s / best_s['csv, all zones']:.1f} times as fast as csv.DictReader")
    return int(any(best_s[what] > limit_s for what, limit_s in LIMITS_S.items() if what in best_s))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
