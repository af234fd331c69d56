"""A report in Markdown: something to paste into an issue, a wiki or a mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from lowtide.reporting.statement import Section, statement_of, title_of
from lowtide.reporting.tables import Table
from lowtide.reporting.view import RunView

__all__ = ["escaped", "report_markdown"]

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#~&$])")


def report_markdown(views: Sequence[RunView], equivalences: bool) -> str:
    """Return runs as a Markdown document."""
    parts = [f"# {escaped(title_of(views))}"]
    for section in statement_of(views, equivalences=equivalences):
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    r"""Return text in which no character means anything to Markdown.

    >>> escaped("a|b_c")
    'a\\|b\\_c'
    """
    return _SPECIAL.sub(r"\\\1", text)


def _section(section: Section) -> list[str]:
    parts = [f"## {escaped(section.title)}", *(escaped(text) for text in section.paragraphs)]
    if section.items:
        parts.append("\n".join(f"- {escaped(item)}" for item in section.items))
    if section.table is not None and section.table.rows:
        parts.append(_table(section.table))
    return parts


def _table(table: Table) -> str:
    rule = ["---:" if i in table.right else "---" for i in range(len(table.header))]
    rows = [[escaped(cell) for cell in row] for row in (table.header, *table.rows)]
    rows.insert(1, rule)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
