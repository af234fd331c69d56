"""A small drawing: the energy of each run by component, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from lowtide.reporting.figures import energy
from lowtide.reporting.tables import labelled
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import shortened

__all__ = ["energy_bars"]

_PARTS: Final = ("cpu", "memory", "gpu", "node", "facility", "components", "chip", "rest")
_WIDTH, _BAR_X, _BAR_WIDTH, _ROW = 720, 170, 430, 28
_BAR_HEIGHT = 16


def energy_bars(views: Sequence[RunView]) -> str:
    """Return an SVG with a bar a run, all on one scale; empty when no energy is known.

    Colours are CSS classes (``part-cpu`` ...), so that the page decides them for light and dark.
    """
    rows = [(name, *_kwh(view)) for name, view in labelled(views) if view.entry is not None]
    most = max((total for _, total, _ in rows), default=0.0)
    if most <= 0.0:
        return ""
    bars = "".join(_row(i, *row, most) for i, row in enumerate(rows))
    shown = [part for part in _PARTS if any(part in parts for _, _, parts in rows)]
    height = _ROW * (len(rows) + 1)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Energy by component" '
        f'xmlns="http://www.w3.org/2000/svg">{bars}{_legend(shown, _ROW * len(rows))}</svg>'
    )


def _kwh(view: RunView) -> tuple[float, dict[str, float]]:
    if view.entry is None:
        return 0.0, {}
    bill = view.entry.energy
    parts = {name.removesuffix("_kwh"): kwh for name, kwh in bill.by_component.items()}
    if "rest" in bill.method:
        parts["rest"] = bill.rest_kwh
    return bill.total_kwh, parts


def _row(i: int, name: str, total_kwh: float, parts: dict[str, float], most_kwh: float) -> str:
    y, x = i * _ROW + 4, float(_BAR_X)
    texts = y + _BAR_HEIGHT - 3
    drawn = [f'<text x="{_BAR_X - 8}" y="{texts}" class="name">{escape(shortened(name, 24))}</text>']
    for part in (part for part in _PARTS if part in parts):
        width = max(0.0, parts[part]) / most_kwh * _BAR_WIDTH
        title = f"<title>{escape(f'{part}: {energy(parts[part])}')}</title>"
        drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR_HEIGHT}" '
                     f'class="part-{part}">{title}</rect>')  # fmt: skip
        x += width
    drawn.append(f'<text x="{x + 8:.1f}" y="{texts}">{escape(energy(total_kwh))}</text>')
    return "".join(drawn)


def _legend(parts: Sequence[str], y: int) -> str:
    drawn = []
    for i, part in enumerate(parts):
        x = _BAR_X + i * 90
        drawn.append(f'<rect x="{x}" y="{y + 6}" width="12" height="12" class="part-{part}"/>')
        drawn.append(f'<text x="{x + 18}" y="{y + 16}">{part}</text>')
    return "".join(drawn)
