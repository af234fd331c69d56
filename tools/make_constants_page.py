"""Write ``docs/reference/constants.md``: every constant of the package's tables with year, unit, source, licence.

    python tools/make_constants_page.py          writes the page
    python tools/make_constants_page.py --check  exits 1 if it is stale

The page is made from the data files themselves; ``tests/estimation/test_constants_page.py`` compares the two.
Tables with hundreds of rows (processors, zones, profiles) are named with their licence and not repeated.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "src" / "lowtide" / "data"
PAGE = ROOT / "docs" / "reference" / "constants.md"
NOTE = "<!-- written by tools/make_constants_page.py from src/lowtide/data; do not edit -->"
IN_FULL = (
    "estimation_constants.csv", "levers.csv", "calculators.csv", "scaling.csv", "cases.csv", "mfu.csv",
    "accelerator_power.csv", "accelerator_peaks.csv", "board_power.csv", "power_constants.csv", "equivalences.csv",
    "fuels.csv",
)  # fmt: skip
"""Tables that are shown row by row, in this order; the others are listed."""
NOTES = ("title", "unit", "source", "licence")
LEFT_OUT = ("aliases",)


def read(path: Path) -> tuple[dict[str, str], list[list[str]]]:
    """Return a table's notes and its rows, header first."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line[1:].strip() for line in lines if line.startswith("#")]
    notes = {key: rest.strip() for key, colon, rest in (c.partition(":") for c in comments) if colon}
    body = [line for line in lines if line.strip() and not line.startswith("#")]
    return notes, list(csv.reader(body))


def cell(text: str) -> str:
    """Return a cell that does not break a Markdown table."""
    return text.replace("|", ", ").strip()


def section(name: str) -> list[str]:
    """Return one table with its unit, licence and rows."""
    notes, (header, *rows) = read(DATA / name)
    kept = [i for i, column in enumerate(header) if column not in LEFT_OUT]
    lines = [f"## {notes['title'][:1].upper()}{notes['title'][1:]}", ""]
    lines += [
        f"`lowtide/data/{name}`. Unit: {notes['unit']}. Source: {notes['source']}. Licence: {notes['licence']}.",
        "",
    ]
    lines += ["| " + " | ".join(header[i] for i in kept) + " |", "|" + "---|" * len(kept)]
    lines += ["| " + " | ".join(cell(row[i]) for i in kept) + " |" for row in rows]
    return [*lines, ""]


def listed() -> list[str]:
    """Return the tables that are too long to repeat."""
    lines = ["## Longer tables", "", "| table | what | unit | source | licence |", "|---|---|---|---|---|"]
    for path in sorted(DATA.glob("*.csv")):
        if path.name not in IN_FULL:
            notes, _ = read(path)
            told = " | ".join(cell(notes.get(key, "")) for key in NOTES)
            lines.append(f"| `{path.name}` | {told} |")
    return [*lines, ""]


def page() -> str:
    """Return the page."""
    lines = [
        NOTE,
        "# Constants",
        "",
        "Every figure lowtide brings along, from the files it reads. An empty cell is unknown. Where a table has",
        "low and high, these are a 90 % interval unless its title says otherwise.",
        "",
    ]
    for name in IN_FULL:
        if (DATA / name).is_file():
            lines += section(name)
    return "\n".join([*lines, *listed()])


def is_stale() -> bool:
    """Return whether the page differs from the data."""
    return not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page()


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description="Write docs/reference/constants.md from the data files.")
    parser.add_argument("--check", action="store_true", help="only say whether the page is stale")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if is_stale():
        print("docs/reference/constants.md is stale; run python tools/make_constants_page.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
