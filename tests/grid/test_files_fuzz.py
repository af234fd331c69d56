"""Whatever the bytes, a file is read or refused with an error of ours; and both ways to read agree."""

from __future__ import annotations

import csv
import io
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lowtide.errors import LowtideError
from lowtide.grid.files import constant_g_per_kwh, read_intensity, read_intensity_table

SEEDS = [
    "ts_utc,DE,FR\n2026-03-01T00:00:00Z,300,40\n2026-03-01T01:00:00Z,310,50.5\n2026-03-01T02:00:00Z,,60\n",
    "ts_utc,zone,value\n2026-03-01T00:00Z,DE,300\n2026-03-01T00:00Z,FR,40\n2026-03-01T01:00Z,DE,310\n",
    "point_time,value,units\n2026-03-01T00:00+00:00,870,lbs_co2_per_mwh\n2026-03-01T00:05+00:00,9,lbs_co2_per_mwh\n",
    "from,to,forecast,actual,index\n2026-03-01T00:00Z,2026-03-01T00:30Z,266,263,low\n2026-03-01T00:30Z,,2,,low\n",
    "Datetime (UTC),Zone id,Carbon intensity gCO₂eq/kWh (direct),Data estimated\n2026-03-01 00:00:00,DE,2,true\n"
    "2026-03-01 01:00:00,DE,3,false\n",
    '# a\nts_utc;"DE";FR\n"2026-03-01T00:00Z";1,5;2\n\n2026-03-01T01:00Z;;3\n',
]


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def read_or_refuse(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for read in (read_intensity_table, read_intensity, partial(read_intensity, zone="DE")):
        try:
            read(path)
        except LowtideError:
            continue


FUZZ = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)


@FUZZ
@given(content=st.binary(max_size=300))
@example(content=b"PAR1")
@example(content=b"PAR1" * 30)
def test_random_bytes(folder, content):
    read_or_refuse(folder / "random.csv", content)


@FUZZ
@given(content=st.text(alphabet='0129-:TZ,;\t\n"#.eE+ ts_utcDEvalue\x00é', max_size=200))
def test_random_text(folder, content):
    read_or_refuse(folder / "text.csv", content.encode())


@FUZZ
@given(data=st.data())
def test_mutated_files(folder, data):
    content = bytearray(data.draw(st.sampled_from(SEEDS)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        n_cut = data.draw(st.integers(0, 12))
        new = data.draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([b",", b"\n", b'"', b"-", b"e9", b"nan"]))
        )
        content[at : at + n_cut] = new
    read_or_refuse(folder / "mutated.csv", bytes(content))


@FUZZ
@given(data=st.data())
def test_mutated_parquet(folder, data):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    stamps = pa.array([0, 3_600_000], pa.timestamp("ms", tz="UTC"))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"ts_utc": stamps, "zone": ["DE", "DE"], "value": [1.0, 2.0]}), buffer)
    content = bytearray(buffer.getvalue())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 2)) if content else 0):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refuse(folder / "mutated.parquet", bytes(content))


CELLS = st.one_of(
    st.floats(0, 1e6, allow_nan=False).map(repr),
    st.integers(0, 999).map(str),
    st.sampled_from(["", "nan", "null", " 7 "]),
)


@FUZZ
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=2, max_size=30))
def test_quoting_changes_nothing(folder, rows):
    """Plain text is cut at its separators, quoted text goes through the csv module."""
    table = [["ts_utc", "DE", "FR"]]
    table += [
        [f"2026-03-01T{i:02}:00Z" if i < 24 else f"2026-03-02T{i - 24:02}:00Z", *row]
        for i, row in enumerate(rows)
    ]
    found = []
    for name, quoting in (("plain.csv", csv.QUOTE_NONE), ("quoted.csv", csv.QUOTE_ALL)):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file, quoting=quoting, lineterminator="\n").writerows(table)
        found.append(read_intensity_table(folder / name))
    plain, quoted = found
    for zone in ("DE", "FR"):
        expected = [
            float(row[zone == "FR"]) if row[zone == "FR"].strip() not in ("", "null") else np.nan
            for row in rows
        ]
        for result in (plain, quoted):
            np.testing.assert_array_equal(result.series[zone].intensity_g_per_kwh, expected)
        assert plain.notes[zone] == quoted.notes[zone]


@given(text=st.text(max_size=20))
def test_any_text_is_a_constant_or_not(text):
    try:
        number = constant_g_per_kwh(text)
    except LowtideError:
        return
    assert number is None or np.isfinite(number)
