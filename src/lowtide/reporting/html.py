"""A report as one HTML file that needs nothing else: no script, no font, no style from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from lowtide.reporting.bars import energy_bars
from lowtide.reporting.plan_bars import plan_bars
from lowtide.reporting.statement import WAITING, Section, statement_of, title_of
from lowtide.reporting.tables import Table
from lowtide.reporting.view import RunView

__all__ = ["report_html"]

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #59636e; --line: #d1d9e0;
  --cpu: #0072b2; --memory: #e69f00; --gpu: #009e73; --rest: #8c959f; --node: #cc79a7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9198a1;
  --line: #3d444d; --cpu: #56b4e9; --memory: #f0b72f; --gpu: #2fc08f; --rest: #7d8590; --node: #e39ac3; } }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p, li { max-width: 48rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; }
th, td { padding: 0.3rem 0.75rem 0.3rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
.right { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { width: 100%; max-width: 45rem; font-size: 12px; } svg text { fill: var(--ink); }
svg .name { text-anchor: end; }
.part-cpu { fill: var(--cpu); } .part-memory { fill: var(--memory); } .part-gpu, .part-chip { fill: var(--gpu); }
.part-rest { fill: var(--rest); } .part-node, .part-facility, .part-components { fill: var(--node); }
.plan-line { fill: none; stroke: var(--ink); stroke-width: 1.5; } .plan-mark { stroke: var(--line); }
@page { size: landscape; margin: 12mm; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } .wide { overflow: visible; }
  table { font-size: 9px; } th, td { padding-right: 0.4rem; } svg { max-width: 32rem; break-inside: avoid; } }
"""


def report_html(views: Sequence[RunView], equivalences: bool) -> str:
    """Return runs as a self-contained HTML document."""
    title = escape(title_of(views))
    sections = "\n".join(_section(s, views) for s in statement_of(views, equivalences=equivalences))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{title}</h1>\n{sections}\n</main>\n</body>\n</html>\n"
    )


def _section(section: Section, views: Sequence[RunView]) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>", *(f"<p>{escape(text)}</p>" for text in section.paragraphs)]
    if section.title == "Energy":
        parts.append(energy_bars(views))
    if section.title == WAITING:
        parts.append(plan_bars(views))
    if section.items:
        parts.append("<ul>" + "".join(f"<li>{escape(item)}</li>" for item in section.items) + "</ul>")
    if section.table is not None and section.table.rows:
        parts.append(_table(section.table))
    return "<section>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def _table(table: Table) -> str:
    head = "".join(_cell("th", i, text, table) for i, text in enumerate(table.header))
    rows = [
        "<tr>" + "".join(_cell("td", i, text, table) for i, text in enumerate(row)) + "</tr>"
        for row in table.rows
    ]
    body = "\n".join(rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _cell(tag: str, i: int, text: str, table: Table) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    right = ' class="right"' if i in table.right else ""
    return f"<{tag}{scope}{right}>{escape(text)}</{tag}>"
