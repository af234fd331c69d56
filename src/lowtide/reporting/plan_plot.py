"""Plans as a picture: the intensity of every site, and under it when each plan runs; PNG, SVG or PDF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

import numpy as np

from lowtide.errors import InputError, MissingExtraError
from lowtide.model.planning import ParetoPoint, Plan, PlanSet, Window
from lowtide.planning.sites import SiteOption
from lowtide.reporting.figures import grams, percent

__all__ = ["PLOT_FORMATS", "plan_plot"]

PLOT_FORMATS: Final = ("png", "svg", "pdf")

_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Okabe and Ito's palette, told apart by colour-blind readers."""
_MOST_PLANS: Final = 16
_INCHES_A_PLAN: Final = 0.32
_FRONT_INCHES: Final = 2.6


def plan_plot(
    found: PlanSet, sites: Sequence[SiteOption], window: Window, *, image_format: str = "png"
) -> bytes:
    """Return a picture of plans over the intensity they were made for.

    Parameters
    ----------
    found : PlanSet
    sites : sequence of SiteOption
        As given to the planner.
    window : Window
    image_format : {"png", "svg", "pdf"}

    Returns
    -------
    bytes
        The file. The same plans give the same bytes with one version of matplotlib.

    Raises
    ------
    InputError
        If the format is not one of these.
    MissingExtraError
        Without matplotlib.
    """
    if image_format not in PLOT_FORMATS:
        raise InputError(f"cannot draw {image_format!r}; there are {', '.join(PLOT_FORMATS)}")
    try:
        matplotlib = import_module("matplotlib")
        figures = import_module("matplotlib.figure")
    except ImportError as error:
        raise MissingExtraError("drawing a plot", extra="plot") from error
    plans = [found.baseline, *(plan for plan in found.plans if not _same(plan, found.baseline))]
    plans = plans[:_MOST_PLANS]
    colour = {site.zone: _COLOURS[i % len(_COLOURS)] for i, site in enumerate(sites)}
    with matplotlib.rc_context({"svg.hashsalt": "lowtide", "font.size": 9}):
        heights = [2.4, _INCHES_A_PLAN * len(plans) + 0.3]
        front_in = _FRONT_INCHES if found.pareto else 0.0
        figure = figures.Figure(figsize=(9.0, sum(heights) + front_in + 0.9), layout="constrained")
        upper, *lower = (
            figure.subfigures(2, 1, height_ratios=[sum(heights), front_in]) if front_in else [figure]
        )
        above, below = upper.subplots(2, 1, sharex=True, height_ratios=heights)
        _draw_intensity(above, sites, window, colour)
        _draw_plans(below, plans, found, colour)
        for part in lower:
            _draw_front(part, found.pareto)
        figure.suptitle(found.verdict, fontsize=10)
        below.set_xlim(_instant(window.start_ns), _instant(window.deadline_ns))
        out = io.BytesIO()
        dated: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(out, format=image_format, dpi=150, metadata=dated[image_format])
    return out.getvalue()


def _same(plan: Plan, baseline: Plan) -> bool:
    return plan.policy == baseline.policy and plan.zone == baseline.zone


def _instant(t_ns: int) -> datetime:
    return datetime.fromtimestamp(t_ns / 1e9, tz=UTC)


def _draw_intensity(axes: Any, sites: Sequence[SiteOption], window: Window, colour: dict[str, str]) -> None:
    for site in sites:
        series = site.intensity
        inside = (series.edges_ns[1:] > window.start_ns) & (series.edges_ns[:-1] < window.deadline_ns)
        values = series.intensity_g_per_kwh[inside]
        if not len(values):
            continue
        first = int(np.argmax(inside))
        edges = [_instant(int(t)) for t in series.edges_ns[first : first + len(values) + 1]]
        axes.stairs(values, edges, baseline=None, color=colour[site.zone], label=site.zone, linewidth=1.3)
    basis = sites[0].intensity.signal.basis
    axes.set_ylabel(f"{basis} intensity [g CO₂e/kWh]")
    axes.grid(axis="y", alpha=0.3)
    if len(sites) > 1:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, ncols=min(len(sites), 8), frameon=False
        )


def _draw_plans(axes: Any, plans: Sequence[Plan], found: PlanSet, colour: dict[str, str]) -> None:
    dates = import_module("matplotlib.dates")
    for row, plan in enumerate(plans):
        for segment in plan.segments:
            waiting = segment.kind in ("idle", "migrate")
            axes.barh(
                row,
                _instant(segment.end_ns) - _instant(segment.start_ns),
                left=_instant(segment.start_ns),
                height=0.2 if waiting else 0.7,
                color=colour.get(segment.zone, "#777777"),
                alpha=0.45 if segment.kind != "run" else 1.0,
                linewidth=0.0,
            )
    axes.set_yticks(range(len(plans)), [_label(plan, plan is found.baseline) for plan in plans])
    axes.set_ylim(len(plans) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.set_xlabel("UTC")


def _label(plan: Plan, is_baseline: bool) -> str:
    g = "unknown" if plan.emissions_g is None else grams(plan.emissions_g)
    if is_baseline or plan.saving_fraction is None:
        return f"{plan.policy} {plan.zone}: {g}"
    return f"{plan.policy} {plan.zone}: {g} ({percent(-plan.saving_fraction, signed=True)})"


def _draw_front(figure: Any, front: Sequence[ParetoPoint]) -> None:
    """Draw what carbon costs in time, and in money where that is known, side by side."""
    trades = [trade for trade in ("carbon-time", "carbon-cost") if any(p.trade == trade for p in front)]
    for axes, trade in zip(figure.subplots(1, len(trades), squeeze=False)[0], trades, strict=True):
        points = [p for p in front if p.trade == trade and p.plan.emissions_g is not None]
        by_time = trade == "carbon-time"
        across = [p.elapsed_s / 3600.0 if by_time else p.plan.cost_usd for p in points]
        axes.plot(across, [p.plan.emissions_g for p in points], marker="o", markersize=3, linewidth=1.0,
                  drawstyle="steps-post" if by_time else "default", color=_COLOURS[0])  # fmt: skip
        axes.set_xlabel("done after [h]" if by_time else "electricity [USD]")
        axes.set_ylabel("carbon [g CO₂e]")
        axes.grid(alpha=0.3)
