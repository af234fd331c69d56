"""What CSV text is accepted, and the one clear error for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lowtide.errors import DataFileError
from lowtide.grid.files import read_intensity, read_intensity_table

PLAIN = "ts_utc,DE,FR\n2026-03-01T00:00Z,300.5,40\n2026-03-01T01:00Z,310,50\n"


def found(path: Path) -> dict[str | None, list[float]]:
    table = read_intensity_table(path)
    return {zone: series.intensity_g_per_kwh.tolist() for zone, series in table.series.items()}


ACCEPTED = {
    "byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16 as spreadsheets write it": PLAIN.replace(",", "\t").encode("utf-16"),
    "CRLF": PLAIN.replace("\n", "\r\n"),
    "CR": PLAIN.replace("\n", "\r"),
    "no line end at the end": PLAIN.rstrip("\n"),
    "trailing blank lines": PLAIN + "\n\n  \n",
    "blank lines between": PLAIN.replace("\n", "\n\n"),
    "rows of empty fields": PLAIN + ",,\n,,\n",
    "quoted fields": PLAIN.replace("DE", '"DE"')
    .replace("310", '"310"')
    .replace("2026", '"2026')
    .replace("Z", 'Z"'),
    "comment lines": "# made by hand\n" + PLAIN.replace("\n", "\n# a note, with commas, 1\n"),
    "semicolons": PLAIN.replace(",", ";"),
    "semicolons and decimal commas": PLAIN.replace(",", ";").replace(".", ","),
    "tabs": PLAIN.replace(",", "\t"),
    "spaces around": PLAIN.replace(",", " , "),
    "a separator at the end of each line": PLAIN.replace("\n", ",\n"),
    "an index in front": ",ts_utc,DE,FR\n0,2026-03-01T00:00Z,300.5,40\n1,2026-03-01T01:00Z,310,50\n",
    "exponents": PLAIN.replace("310", "3.1e2").replace("50", "+5.E1"),
}


@pytest.mark.parametrize("content", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted_text(write, content):
    assert found(write(content)) == {"DE": [300.5, 310.0], "FR": [40.0, 50.0]}


REFUSED = {
    "empty": ("", None, None, "the file is empty"),
    "blank": (" \n\n", None, None, "the file is empty"),
    "comments only": ("# one\n# two\n", None, None, "the file is empty but for comments"),
    "header only": ("ts_utc,DE\n", 1, None, "there is a header and no data under it"),
    "header only, no line end": ("ts_utc,DE", 1, None, "there is a header and no data under it"),
    "one column": ("ts_utc\n2026-03-01T00:00Z\n", 1, None, "one column only, 'ts_utc'"),
    "HTML": ("<!DOCTYPE html><html>", None, None, "this is HTML or XML, not CSV"),
    "JSON": ('{"data": []}', None, None, "this is JSON, not CSV"),
    "zeros": (b"ts_utc,DE\n\x00\x01", None, None, "this is a binary file"),
    "not UTF-8": (b"ts_utc,DE\n2026,\xff\n", 2, None, r"this is not UTF-8 text \(byte 0xff\)"),
    "half UTF-16": (b"\xff\xfea", 1, None, "this is not UTF-16 text"),
    "gzip": (b"\x1f\x8b\x08\x00", None, None, "this is gzip-compressed; unpack it first"),
    "spreadsheet": (b"PK\x03\x04\x14", None, None, "a zip archive or a spreadsheet; save the sheet as CSV"),
    "no instants": ("zone,value\nDE,1\n", 1, None, "no column of instants among 'zone', 'value'"),
    "no header": (
        "2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n",
        1,
        None,
        "the first line is data, not a header",
    ),
    "hour of the year": ("hour_of_year,ci\n0,1\n1,2\n", 1, None, "'hour_of_year' counts local hours"),
    "twins": ("ts_utc,DE,DE\n2026-03-01T00:00Z,1,2\n", 1, None, "two columns are named 'DE'"),
    "word": (PLAIN.replace("310", "n.a."), 3, 2, r"DE: 'n\.a\.' is no number; leave the cell empty"),
    "underscore": (PLAIN.replace("310", "3_10"), 3, 2, "DE: '3_10' is no number"),
    "infinity": (PLAIN.replace("310", "inf"), 3, 2, "DE: 'inf' is no number"),
    "overflow": (PLAIN.replace("310", "1e999"), 3, 2, "DE: '1e999' is no number"),
    "other digits": (PLAIN.replace("310", "٣"), 3, 2, "DE: '٣' is no number"),
    "short row": (PLAIN.replace(",310", ""), 3, None, "2 fields where the header has 3"),
    "long row": (PLAIN.replace("310", "310,1"), 3, None, "4 fields where the header has 3$"),
    "rows that make up for each other": (
        "ts_utc,DE,FR\n2026-03-01T00:00Z,1\n2026-03-01T01:00Z,1,2,3\n",
        2,
        None,
        "2 fields where the header has 3",
    ),
    "decimal comma": ("ts_utc,DE\n2026-03-01T00:00Z,12,5\n", 2, None, "decimal comma need ; between fields"),
    "quoted decimal comma": ('ts_utc,DE\n2026-03-01T00:00Z,"12,5"\n', 2, 2, "DE: '12,5' has a decimal comma"),
    "two decimal marks": (
        "ts_utc;DE\n2026-03-01T00:00Z;1,5\n2026-03-01T01:00Z;1.5\n",
        3,
        2,
        "DE: '1.5' has a point",
    ),
    "naive": ("datetime,DE\n2026-03-01T00:00,1\n", 2, 1, "has no time zone; write 2026-03-01T00:00Z for UTC"),
    "naive day": (
        "date,DE\n2026-03-01,1\n",
        2,
        1,
        "write 2026-03-01T00:00Z for UTC, or name the column ts_utc",
    ),
    "no instant": (
        "ts_utc,DE\n2026-03-01T00:00Z,1\nyesterday,2\n",
        3,
        1,
        "cannot read 'yesterday' as an instant",
    ),
    "no such day": ("ts_utc,DE\n2026-02-27T00:00Z,1\n2026-02-30T00:00Z,2\n", 3, 1, "cannot read '2026-02-30"),
    "seconds since 1970": ("timestamp,DE\n1683199800,1\n", 2, 1, "seconds since 1970 is not read"),
    "missing instant": (PLAIN.replace("2026-03-01T01:00Z", ""), 3, 1, "ts_utc: the instant is missing"),
    "far future": ("ts_utc,DE\n2026-01-01,1\n9999-01-01,2\n", 3, 1, "lies outside the years 1970 to 2099"),
    "beyond the calendar": ("ts_utc,DE\n0001-01-01T00:00+23:00,1\n", 2, 1, "outside the years 1970 to 2099"),
    "missing zone": ("ts_utc,zone,value\n2026-03-01T00:00Z,,1\n", 2, 2, "zone: the zone is missing"),
    "neither true nor false": (
        "ts_utc,value,estimated\n2026-03-01T00:00Z,1,\n2026-03-01T01:00Z,1,maybe\n",
        3,
        3,
        "estimated: 'maybe' is neither true nor false",
    ),
    "line in a file with comments": (
        "# a\nts_utc,DE\n# b\n2026-03-01T00:00Z,x\n",
        4,
        2,
        "DE: 'x' is no number",
    ),
    "open quote": ('ts_utc,DE\n2026-03-01T00:00Z,"1\n2026-03-01T01:00Z,2\n', 2, 2, "is no number"),
    "endless field": (
        "ts_utc," + "x" * 200_000 + "\n1,2\n",
        1,
        None,
        "the header cannot be read: field larger",
    ),
    "changing units": (
        "ts_utc,value,unit\n2026-03-01T00:00Z,1,g/kWh\n2026-03-01T01:00Z,1,lb/MWh\n",
        1,
        3,
        "unit: the unit changes: g/kWh, lb/MWh; split the file",
    ),
}


@pytest.mark.parametrize(("content", "line", "column", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_text(write, content, line, column, message):
    path = write(content)
    with pytest.raises(DataFileError, match=message) as caught:
        read_intensity_table(path)
    assert str(caught.value).startswith(str(path))
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "stamp", ["2026-03-01 00:00", "2026-03-01T00:00:00.000", "2026-03-01", "2026-03-01T00:00 UTC"]
)
def test_naive_stamps_are_utc_where_the_column_says_so(write, stamp):
    path = write(f"ts_utc,DE\n{stamp},1\n2026-03-01T01:00:00Z,2\n")
    assert read_intensity(path).start_ns == 1_772_323_200_000_000_000  # date -u -d 2026-03-01 +%s


def test_offsets_hold_even_where_the_column_says_utc(write):
    path = write("ts_utc,DE\n2026-03-01T00:00+01:00,1\n2026-03-01T01:00+01:00,2\n")
    assert read_intensity(path).start_ns == 1_772_323_200_000_000_000 - 3600 * 10**9


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataFileError, match=r"year\.csv: no such file$"):
        read_intensity(tmp_path / "year.csv")
    with pytest.raises(DataFileError, match="no such file; a constant is written 400 or 400g"):
        read_intensity("400kg")
    with pytest.raises(DataFileError, match="this is a folder; give a CSV or Parquet file"):
        read_intensity(tmp_path)
    with pytest.raises(DataFileError, match="cannot be opened"):
        read_intensity("a\0b")


def test_a_mistake_in_another_zone_does_not_hinder(write):
    path = write(PLAIN.replace("40\n", "oops\n"))
    assert read_intensity(path, zone="DE").intensity_g_per_kwh.tolist() == [300.5, 310.0]
    with pytest.raises(DataFileError, match="line 2, column 3: FR: 'oops' is no number"):
        read_intensity_table(path)
