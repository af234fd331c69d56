"""The checking loader, and what every packaged table of this area owes its reader."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

from lowtide.data.tables import Row, Table, parse_table
from lowtide.errors import DataFileError

NOTES = "# title: t\n# unit: g\n# source: s\n# licence: l\n"
TABLES = (
    "cloud_regions.csv",
    "countries.csv",
    "equivalences.csv",
    "fuels.csv",
    "typical_levels.csv",
    "typical_profiles.csv",
    "typical_spread.csv",
    "typical_widening.csv",
    "zones.csv",
)


def parse(body: str, *, notes: str = NOTES) -> Table:
    return parse_table(notes + body, path="x.csv", columns=("zone", "g"), key=("zone",))


def test_rows_know_their_line() -> None:
    # four notes, the header on line 5, rows from line 6, a blank line is no row
    table = parse("zone,g\nDE,381\n\nFR,56\n")
    assert [(row.text("zone"), row.line) for row in table.rows] == [("DE", 6), ("FR", 8)]


def test_notes_are_kept() -> None:
    assert (parse("zone,g\n").title, parse("zone,g\n").licence) == ("t", "l")


@pytest.mark.parametrize("missing", ["title", "unit", "source", "licence"])
def test_missing_note_is_named(missing: str) -> None:
    notes = "".join(line for line in NOTES.splitlines(keepends=True) if missing not in line)
    with pytest.raises(DataFileError, match=f"no '# {missing}: ...' line") as caught:
        parse("zone,g\nDE,381\n", notes=notes)
    assert (caught.value.path, caught.value.line) == ("x.csv", 1)


def test_wrong_column_is_named_with_a_close_one() -> None:
    with pytest.raises(DataFileError, match=r"x\.csv, line 5: no column 'zone'; did you mean zones\?"):
        parse("zones,g\nDE,381\n")


def test_columns_out_of_order_are_refused() -> None:
    with pytest.raises(DataFileError, match="columns are g,zone; expected zone,g"):
        parse("g,zone\n381,DE\n")


def test_missing_header_is_refused() -> None:
    with pytest.raises(DataFileError, match="no header line; the columns must be zone,g"):
        parse("")


def test_row_of_wrong_length_is_named_by_line() -> None:
    with pytest.raises(DataFileError, match="line 7: 1 cells where the header has 2: 'FR'"):
        parse("zone,g\nDE,381\nFR\n")


def test_duplicate_names_both_lines() -> None:
    with pytest.raises(DataFileError, match="line 8: DE stands already on line 6"):
        parse("zone,g\nDE,381\nFR,56\nDE,380\n")


def only_row(cell: str) -> Row:
    return parse(f"zone,g\nDE,{cell}\n").rows[0]


def test_text_that_is_no_number_is_named_by_line_and_column() -> None:
    with pytest.raises(DataFileError, match="g is 'many', which is not a number") as caught:
        only_row("many").number("g")
    assert (caught.value.line, caught.value.column) == (6, 2)


@pytest.mark.parametrize("cell", ["-1", "1501", "nan", "inf"])
def test_number_out_of_range_is_refused(cell: str) -> None:
    with pytest.raises(DataFileError, match=f"g is {cell}; it must lie between 0 and 1500"):
        only_row(cell).number("g", low=0.0, high=1500.0)


def test_infinite_number_is_refused_without_a_range() -> None:
    with pytest.raises(DataFileError, match="g is inf"):
        only_row("inf").number("g")


def test_empty_cell_is_refused_unless_optional() -> None:
    assert only_row("").text("g", optional=True) == ""
    assert only_row("").optional_number("g") is None
    assert only_row("2").optional_number("g") == 2.0
    with pytest.raises(DataFileError, match="g is empty; every row needs one"):
        only_row("").number("g")


def test_fraction_where_a_whole_number_is_needed_is_refused() -> None:
    assert only_row("12").integer("g", low=1, high=12) == 12
    with pytest.raises(DataFileError, match=r"g is 1\.5; it must be a whole number"):
        only_row("1.5").integer("g", low=1, high=12)


def test_unknown_choice_lists_the_known() -> None:
    assert only_row("a").choice("g", ("a", "b")) == "a"
    with pytest.raises(DataFileError, match="g is 'c'; it must be one of a, b"):
        only_row("c").choice("g", ("a", "b"))


def test_quoted_comma_is_part_of_a_cell() -> None:
    assert only_row('"a, b"').text("g") == "a, b"


@pytest.mark.parametrize("name", TABLES)
def test_packaged_table_says_what_it_holds(name: str) -> None:
    text = files("lowtide.data").joinpath(name).read_text(encoding="utf-8")
    header = next(line for line in text.splitlines() if not line.startswith("#")).split(",")
    table = parse_table(text, path=name, columns=header, key=header)
    assert table.rows
    assert all((table.title, table.unit, table.source, table.licence))


def test_packaged_tables_are_small() -> None:
    folder = files("lowtide.data")
    sizes = {name: len(folder.joinpath(name).read_bytes()) for name in TABLES}
    assert sum(sizes.values()) < 400_000, sizes


def test_data_is_read_without_numpy() -> None:
    code = (
        "import sys; from lowtide.data import factors, intensity, zones; "
        "from lowtide.grid.typical import has_profile, typical_signal; "
        "zones.resolve_zone('aws:us-west-2'); intensity.typical_profile('DE', 'lifecycle'); "
        "factors.equivalences(); has_profile('DE'); typical_signal('DE', 0); "
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
