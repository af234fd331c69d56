"""A small drawing: when a run was planned and when it ran, under the intensity of that time, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from lowtide.model.ledger import JoinedIntensity
from lowtide.model.run_plan import RunPlan
from lowtide.reporting.figures import intensity
from lowtide.reporting.tables import labelled
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import minute, shortened

__all__ = ["plan_bars"]

_WIDTH, _LEFT, _PLOT_WIDTH = 720, 170, 530
_TOP, _PLOT_HEIGHT, _ROW, _BAR_HEIGHT = 24, 90, 20, 12
_LABEL_ROW = 16
_HEIGHT: Final = _TOP + _PLOT_HEIGHT + 3 * _ROW + 24 + _LABEL_ROW


def plan_bars(views: Sequence[RunView]) -> str:
    """Return an SVG for each run that waited and whose intensity is known; empty without any."""
    return "\n".join(drawing for name, view in labelled(views) if (drawing := _drawing(name, view)))


def _drawing(name: str, view: RunView) -> str:
    plan = None if view.end is None else view.end.plan
    joined = (
        None if view.entry is None else view.entry.joined.get("location", view.entry.joined.get("marginal"))
    )
    if plan is None or joined is None or not plan.runs_ns:
        return ""
    return _Frame(joined).drawing(name, plan)


class _Frame:
    """Places instants and intensities of one run."""

    def __init__(self, joined: JoinedIntensity) -> None:
        known = [v for v in joined.intensity_g_per_kwh if v == v]
        self._joined = joined
        self._start_ns, self._end_ns = joined.edges_ns[0], joined.edges_ns[-1]
        self._low, self._high = min([0.0, *known]), max([1e-9, *known])

    def drawing(self, name: str, plan: RunPlan) -> str:
        rows = [("first plan", "part-rest", () if plan.first is None else plan.first.runs_ns),
                ("executed", "part-gpu", plan.runs_ns)]  # fmt: skip
        drawn = [
            f'<text x="{_LEFT}" y="14">{escape(shortened(name, 60))}</text>',
            *self._scale(),
            f'<path d="{self._path()}" class="plan-line"/>',
            *(self._row(i, *row) for i, row in enumerate(rows)),
            self._instants(plan),
        ]
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Plan and execution under the intensity" '
            f'xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
        )

    def _scale(self) -> list[str]:
        """Return the labels of the axis, the highest, zero and what is below it, and a line at zero."""
        zero = self._y(0.0)
        labels = [(intensity(self._high), _TOP + 10.0)]
        labels += [("0", zero + 4.0)] if zero > _TOP + 24.0 else []
        bottom = self._y(self._low) + 2.0
        labels += (
            [(intensity(self._low), bottom)] if self._low < 0.0 and bottom > labels[-1][1] + 12.0 else []
        )
        line = f'<line x1="{_LEFT}" x2="{_LEFT + _PLOT_WIDTH}" y1="{zero:.1f}" y2="{zero:.1f}" class="plan-mark"/>'
        return [
            line,
            *(f'<text x="{_LEFT - 8}" y="{y:.1f}" class="name">{escape(text)}</text>' for text, y in labels),
        ]

    def _x(self, t_ns: int) -> float:
        share = (t_ns - self._start_ns) / (self._end_ns - self._start_ns)
        return _LEFT + _PLOT_WIDTH * min(1.0, max(0.0, share))

    def _y(self, value: float) -> float:
        return _TOP + _PLOT_HEIGHT * (self._high - value) / (self._high - self._low)

    def _path(self) -> str:
        """Return the intensity as steps, with a gap where it is unknown."""
        parts, is_open = [], False
        edges = self._joined.edges_ns
        for start_ns, end_ns, value in zip(edges, edges[1:], self._joined.intensity_g_per_kwh, strict=False):
            if value != value:
                is_open = False
                continue
            y = self._y(value)
            parts.append(f"{'L' if is_open else 'M'}{self._x(start_ns):.1f} {y:.1f}H{self._x(end_ns):.1f}")
            is_open = True
        return "".join(parts)

    def _row(self, i: int, name: str, kind: str, runs_ns: Sequence[tuple[int, int]]) -> str:
        y = _TOP + _PLOT_HEIGHT + 8 + i * _ROW
        drawn = [f'<text x="{_LEFT - 8}" y="{y + _BAR_HEIGHT - 2}" class="name">{name}</text>']
        for start_ns, end_ns in runs_ns:
            x, width = self._x(start_ns), max(1.0, self._x(end_ns) - self._x(start_ns))
            title = escape(f"{name}: {minute(start_ns)} to {minute(end_ns)}")
            drawn.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR_HEIGHT}" class="{kind}">'
                         f"<title>{title}</title></rect>")  # fmt: skip
        return "".join(drawn)

    def _instants(self, plan: RunPlan) -> str:
        """Return a mark for when it was asked for, and when it had to be done."""
        y, below = _TOP + _PLOT_HEIGHT + 2 * _ROW, _TOP + _PLOT_HEIGHT + 3 * _ROW + 4
        marks = [("asked", plan.asked_ns, below), ("deadline", plan.deadline_ns, below + _LABEL_ROW)]
        return "".join(
            f'<line x1="{self._x(t_ns):.1f}" x2="{self._x(t_ns):.1f}" y1="{_TOP}" y2="{y}" class="plan-mark"/>'
            f'<text x="{self._x(t_ns):.1f}" y="{row}" text-anchor="{self._anchor(t_ns)}">{name} {minute(t_ns)}</text>'
            for name, t_ns, row in marks
            if t_ns is not None and self._start_ns <= t_ns <= self._end_ns
        )

    def _anchor(self, t_ns: int) -> str:
        """Return to which side of an instant its label goes: towards the middle, where it fits."""
        return "start" if self._x(t_ns) < _LEFT + _PLOT_WIDTH / 2 else "end"
