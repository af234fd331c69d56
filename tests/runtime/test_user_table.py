"""Small tables that users write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import DataFileError
from lowtide.runtime.user_table import read_user_table

COLUMNS = ("name", "kwh", "note")


def table(folder: Path, text: str) -> str:
    path = folder / "table.csv"
    path.write_text(text)
    return str(path)


def test_rows_keep_the_lines_they_stand_on(tmp_path: Path) -> None:
    path = table(tmp_path, '# runs of May\n\nname, kwh\na,1\n# the next was stopped\n\n"b, again", 2 \nc\n')
    assert read_user_table(path, COLUMNS) == [
        (4, {"name": "a", "kwh": "1", "note": ""}),
        (7, {"name": "b, again", "kwh": "2", "note": ""}),
        (8, {"name": "c", "kwh": "", "note": ""}),
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "no header line; the columns are name, kwh, note"),
        ("# nothing\n\n", 1, "no header line"),
        ("# one\nname,kWh\n", 2, "unknown column 'kWh'"),
        ("kwh\n1\n", 1, "no column 'name'"),
        ("name,kwh\na,1\nb,2,3\n", 3, "3 cells under 2 columns"),
        ("name,kwh\n" + "a" * 200_000, 2, "cannot be read: field larger"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(DataFileError) as caught:
        read_user_table(table(tmp_path, text), COLUMNS, needs=("name",))
    assert words in str(caught.value)
    assert caught.value.line == line


def test_other_columns_may_be_there_where_that_is_said(tmp_path: Path) -> None:
    path = table(tmp_path, "name,who,kwh\na,me,1\n")
    assert read_user_table(path, COLUMNS[:2], others=True) == [(2, {"name": "a", "kwh": "1"})]


def test_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataFileError, match="cannot be read"):
        read_user_table(str(tmp_path / "table.csv"), COLUMNS)
    with pytest.raises(DataFileError, match="cannot be read"):
        read_user_table(str(tmp_path / "not-there.csv"), COLUMNS)


@given(st.binary(max_size=200))
def test_whatever_the_file_holds_is_rows_or_a_mistake(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_bytes(data)
    try:
        rows = read_user_table(str(path), COLUMNS, others=True)
    except DataFileError:
        return
    assert all(set(row) == set(COLUMNS) for _, row in rows)
