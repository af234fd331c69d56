"""Small CSV tables that users write: a header, rows, and comments that begin with ``#``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from lowtide.errors import DataFileError

__all__ = ["read_user_table"]


def read_user_table(
    path: str, columns: Sequence[str], *, needs: Sequence[str] = (), others: bool = False
) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table, each with the line of the file that it stands on.

    Parameters
    ----------
    path : str
    columns : sequence of str
        All it may have.
    others : bool
        Whether it may have others all the same, which are left out of the rows.
    needs : sequence of str
        Those it must have. A cell that is absent is empty.

    Raises
    ------
    DataFileError
        If it cannot be read, a column is missing or unknown, or a row has more cells than the header; with the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"cannot be read: {error}", path=path) from error
    said = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if _says_something(line)]
    if not said:
        raise DataFileError(f"no header line; the columns are {', '.join(columns)}", path=path, line=1)
    (first, header), rows = said[0], said[1:]
    names = [name.strip() for name in _cells(header, path, first)]
    missing = [name for name in needs if name not in names]
    unknown = [name for name in names if name not in columns and not others]
    if missing or unknown:
        what = f"no column {', '.join(map(repr, missing))}" if missing else f"unknown column {unknown[0]!r}"
        raise DataFileError(f"{what}; the columns are {', '.join(columns)}", path=path, line=first)
    found = []
    for n, line in rows:
        cells = _cells(line, path, n)
        if len(cells) > len(names):
            raise DataFileError(
                f"{len(cells)} cells under {len(names)} columns; one with a comma in it needs quotes",
                path=path,
                line=n,
            )
        row = dict(zip(names, map(str.strip, cells), strict=False))
        found.append((n, {name: row.get(name, "") for name in columns}))
    return found


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _cells(text: str, path: str, line: int) -> list[str]:
    try:
        return next(csv.reader([text]))
    except csv.Error as error:
        raise DataFileError(f"cannot be read: {error}", path=path, line=line) from error
