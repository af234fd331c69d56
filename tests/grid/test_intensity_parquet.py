"""Intensity from Parquet: types of columns, nulls, and what is refused."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from lowtide.errors import DataFileError, MissingExtraError
from lowtide.grid.files import read_intensity, read_intensity_table

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
MARCH_MS = 1_772_323_200_000
HOUR_MS = 3_600_000


@pytest.fixture
def write(tmp_path: Path):
    def _write(**columns) -> Path:
        path = tmp_path / "file.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return _write


def stamps(n: int = 2, *, unit: str = "ms", tz: str | None = "UTC"):
    milliseconds = pa.array([MARCH_MS + i * HOUR_MS for i in range(n)], pa.timestamp("ms", tz=tz))
    return milliseconds.cast(pa.timestamp(unit, tz=tz))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin"])
def test_wide(write, unit, tz):
    path = write(datetime=stamps(unit=unit, tz=tz), DE=[300.0, None], FR=np.float32([40, 50]))
    table = read_intensity_table(path)
    assert table.zones == ("DE", "FR")
    np.testing.assert_array_equal(table.series["DE"].intensity_g_per_kwh, [300.0, np.nan])
    assert table.series["FR"].start_ns == MARCH_MS * 1_000_000
    assert table.notes["DE"].n_missing_steps == 1


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_long(write, text):
    zones = pa.array(["DE", "FR", "DE", "FR"], pa.string()).cast(text)
    ts = pa.array([MARCH_MS, MARCH_MS, MARCH_MS + HOUR_MS, MARCH_MS + HOUR_MS], pa.timestamp("ms", tz="UTC"))
    path = write(zone=zones, ts_utc=ts, ci_lca=[1.0, 2.0, 3.0, 4.0], estimated=[True, None, False, True])
    series = read_intensity(path, zone="FR")
    assert series.intensity_g_per_kwh.tolist() == [2.0, 4.0]
    assert series.status.tolist() == [0, 1]
    assert read_intensity_table(path).series["DE"].intensity_g_per_kwh.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    "column", [[1, 2], pa.array([Decimal("1.00"), Decimal("2.00")]), np.float16([1, 2]), np.uint8([1, 2])]
)
def test_kinds_of_numbers(write, column):
    assert read_intensity(write(ts_utc=stamps(), DE=column)).intensity_g_per_kwh.tolist() == [1.0, 2.0]


def test_naive_stamps_are_utc_where_the_column_says_so(write):
    assert read_intensity(write(ts_utc=stamps(tz=None), DE=[1, 2])).start_ns == MARCH_MS * 1_000_000
    with pytest.raises(DataFileError, match=r"ts: its stamps have no time zone; store them with one \(UTC\)"):
        read_intensity(write(ts=stamps(tz=None), DE=[1, 2]))


def test_text_stamps(write):
    path = write(ts_utc=["2026-03-01T00:00", "2026-03-01T01:00Z"], DE=[1, 2])
    assert read_intensity(path).start_ns == MARCH_MS * 1_000_000
    with pytest.raises(DataFileError, match="row 2: datetime: cannot read 'x' as an instant"):
        read_intensity(write(datetime=["2026-03-01T00:00Z", "x"], DE=[1, 2]))


def test_the_only_timestamps_need_no_name(write):
    assert read_intensity(write(when=stamps(), DE=[1, 2])).signal.zone == "DE"


def test_type_without_a_name_is_not_enough_for_dates(write):
    with pytest.raises(DataFileError, match=r"ts_utc: holds date32\[day\], not instants"):
        read_intensity(write(ts_utc=[date(2026, 3, 1), date(2026, 3, 2)], DE=[1, 2]))


def test_disagreeing_duplicates_name_their_rows(write):
    path = write(ts_utc=pa.array([MARCH_MS] * 2, pa.timestamp("ms", tz="UTC")), DE=[1.0, 2.0])
    with pytest.raises(
        DataFileError, match=r"row 2: DE: 2026-03-01T.* of DE is 2 here and 1 in row 1; keep one"
    ):
        read_intensity(path)


REFUSED = {
    "text": ({"DE": ["1", "2"]}, "DE: holds string, not numbers"),
    "infinity": ({"DE": [1.0, float("inf")]}, "row 2: DE: is infinite; unknown is null"),
    "negative": ({"DE": [1.0, -2.0]}, "row 2: DE: -2 g/kWh is negative"),
    "missing zone": ({"zone": ["DE", None], "value": [1.0, 2.0]}, "row 2: zone: the zone is missing"),
    "numbered zones": ({"zone": [1, 2], "value": [1.0, 2.0]}, "zone: holds int64, not text"),
    "wordy flags": (
        {"value": [1.0, 2.0], "estimated": ["a", "b"]},
        "estimated: holds string, not true and false",
    ),
    "nested": ({"DE": [[1.0], [2.0]]}, r"DE: (holds list|cannot be read as one plain column)"),
    "structs": ({"DE": [{"a": 1}, {"a": 2}]}, r"DE: (holds struct|cannot be read as one plain column)"),
}


@pytest.mark.parametrize(("columns", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(write, columns, message):
    with pytest.raises(DataFileError, match=message):
        read_intensity_table(write(ts_utc=stamps(), **columns))


def test_missing_and_far_instants(write):
    utc = pa.timestamp("ms", tz="UTC")
    with pytest.raises(DataFileError, match="row 2: ts_utc: the instant is missing"):
        read_intensity(write(ts_utc=pa.array([MARCH_MS, None], utc), DE=[1, 2]))
    with pytest.raises(DataFileError, match="row 1: ts_utc: lies outside the years 1970 to 2099"):
        read_intensity(write(ts_utc=pa.array([2**62, MARCH_MS], utc), DE=[1, 2]))


def test_no_rows(write):
    with pytest.raises(DataFileError, match="there are columns and no rows"):
        read_intensity(
            write(ts_utc=pa.array([], pa.timestamp("ms", tz="UTC")), DE=pa.array([], pa.float64()))
        )


def test_cut_off_file(tmp_path):
    path = tmp_path / "cut.parquet"
    path.write_bytes(b"PAR1\x15\x04\x15")
    with pytest.raises(DataFileError, match="not a readable Parquet file"):
        read_intensity(path)


def test_the_bytes_tell_not_the_ending(write, tmp_path):
    path = write(ts_utc=stamps(), DE=[1, 2])
    renamed = path.rename(tmp_path / "data.bin")
    assert read_intensity(renamed).signal.source == "file data.bin"


def test_without_pyarrow_the_extra_is_named(write, monkeypatch):
    path = write(ts_utc=stamps(), DE=[1, 2])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"reading Parquet needs .* 'lowtide\[parquet\]'"):
        read_intensity(path)
