"""Derived tables as text: how they are written, and when two of them are the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def write_table(
    *, title: str, unit: str, source: str, licence: str,
    columns: Sequence[str], rows: Iterable[Sequence[object]],
) -> str:  # fmt: skip
    """Return a table with its notes on top, as :mod:`lowtide.data.tables` reads it."""
    out = io.StringIO()
    out.write(f"# title: {title}\n# unit: {unit}\n# source: {source}\n# licence: {licence}\n")
    out.write("# derived by tools/derive_typical.py; do not edit by hand\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def differing(tables: Mapping[str, str], shipped: Path) -> list[str]:
    """Return the names of tables that differ from the shipped ones by more than a last digit."""
    return [
        name
        for name, text in tables.items()
        if not (shipped / name).exists() or not _same(text, (shipped / name).read_text(encoding="utf-8"))
    ]


def _same(ours: str, theirs: str) -> bool:
    rows = [list(csv.reader(io.StringIO(text))) for text in (ours, theirs)]
    if [len(row) for row in rows[0]] != [len(row) for row in rows[1]]:
        return False
    cells = [[cell for row in table for cell in row] for table in rows]
    return all(a == b or _last_digit(a, b) for a, b in zip(*cells, strict=True))


def _last_digit(a: str, b: str) -> bool:
    """Return whether two numbers differ by one in the last digit: sums may round either way."""
    try:
        return abs(float(a) - float(b)) < 1.5 * 10.0 ** -len(a.partition(".")[2])
    except ValueError:
        return False
