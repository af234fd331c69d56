"""Pictures of a waterfall of levers, and of runs by score and grams; PNG, SVG or PDF."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

from lowtide.errors import InputError, MissingExtraError
from lowtide.estimation.levers import Waterfall
from lowtide.estimation.scaling import BudgetPoint, Trained
from lowtide.reporting.figures import percent

__all__ = ["PLOT_FORMATS", "picture", "runs_plot", "waterfall_plot"]

PLOT_FORMATS: Final = ("png", "svg", "pdf")
_COLOURS: Final = {"model": "#0072B2", "machine": "#D55E00", "mechanization": "#009E73", "map": "#CC79A7"}
_GREY, _BLUE = "#999999", "#0072B2"


def picture(draw: Callable[[Any], None], *, image_format: str, n_rows: int = 1, height: float = 3.5) -> bytes:
    """Return a picture that `draw` makes of a matplotlib figure; the same drawing gives the same bytes.

    Raises
    ------
    InputError
        If the format is not one of :data:`PLOT_FORMATS`.
    MissingExtraError
        Without matplotlib.
    """
    if image_format not in PLOT_FORMATS:
        known = ", ".join(f".{name}" for name in PLOT_FORMATS)
        raise InputError(f"cannot draw {image_format!r}; end the file in {known}")
    try:
        matplotlib = import_module("matplotlib")
        figures = import_module("matplotlib.figure")
    except ImportError as error:
        raise MissingExtraError("drawing a plot", extra="plot") from error
    with matplotlib.rc_context({"svg.hashsalt": "lowtide", "font.size": 9}):
        figure = figures.Figure(figsize=(9.0, height), layout="constrained")
        draw(figure.subplots(n_rows, 1))
        out = io.BytesIO()
        dated: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(out, format=image_format, dpi=150, metadata=dated[image_format])
    return out.getvalue()


def waterfall_plot(found: Waterfall, *, image_format: str = "png") -> bytes:
    """Return a waterfall: what carbon is left after each lever, coloured by the M it belongs to.

    Raises
    ------
    InputError, MissingExtraError
        As :func:`picture`.
    """

    def draw(axes: Any) -> None:
        labels, before = ["start"], 1.0
        axes.bar(0, 100.0, color=_GREY)
        for i, step in enumerate(found.steps, start=1):
            left, lever = step.carbon_fraction, step.pull.lever
            axes.bar(i, 100.0 * (before - left), bottom=100.0 * left, color=_COLOURS[lever.m])
            axes.text(i, 100.0 * before, percent(left), ha="center", va="bottom")
            labels.append(lever.name if step.counted else f"{lever.name}\n(contained)")
            before = left
        axes.bar(len(labels), 100.0 * before, color=_GREY)
        axes.set_xticks(range(len(labels) + 1), [*labels, "left"], rotation=20)
        axes.set_ylabel("carbon left [%]")
        axes.set_ylim(0.0, 110.0)

    return picture(draw, image_format=image_format, height=4.0)


def runs_plot(
    runs: Sequence[Trained],
    front: Sequence[Trained],
    curve: Sequence[BudgetPoint],
    *,
    image_format: str = "png",
) -> bytes:
    """Return runs by score and grams with their front, and the best score to expect from a budget.

    Raises
    ------
    InputError
        If no run has grams, or as :func:`picture`.
    MissingExtraError
        Without matplotlib.
    """
    if not runs:
        raise InputError("no run has emissions_g, so there is nothing to draw; add the column")

    def draw(axes: Any) -> None:
        axes.plot([r.emissions_g for r in runs], [r.score for r in runs], "o", color=_GREY, label="runs")
        axes.step(
            [r.emissions_g for r in front], [r.score for r in front], where="post", color=_BLUE, label="front"
        )
        axes.plot(
            [p.emissions_g for p in curve], [p.expected_best for p in curve], "--", color="#D55E00",
            label="best to expect from that budget",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("emissions [g CO₂e]")
        axes.set_ylabel("score")
        axes.legend(fontsize=8, frameon=False)

    return picture(draw, image_format=image_format)
