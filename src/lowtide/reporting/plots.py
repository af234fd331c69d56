"""Intensity as a picture: PNG or SVG through matplotlib, which is imported when a picture is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from lowtide.errors import InputError, MissingExtraError
from lowtide.model.signal import STATUSES
from lowtide.series.types import IntensitySeries

__all__ = ["intensity_plot", "plot_form"]

_SIZE_INCHES: Final = (9.0, 4.0)
_DASHES: Final = {
    "measured": "-",
    "estimated": (0, (5, 1.5)),
    "forecast": (0, (2, 1.5)),
    "typical": (0, (1, 2)),
}


def plot_form(path: str) -> Literal["png", "svg"]:
    """Return the form that a file's ending asks for.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> plot_form("de.svg")
    'svg'
    """
    ending = path.lower().rpartition(".")[2]
    if ending == "png":
        return "png"
    if ending == "svg":
        return "svg"
    raise InputError(f"--plot {path}: pictures are written as FILE.png or FILE.svg")


def intensity_plot(series: Mapping[str, IntensitySeries], *, form: Literal["png", "svg"] = "svg") -> bytes:
    """Return a picture of one or several intensities over time.

    Parameters
    ----------
    series : mapping of label to IntensitySeries
        Drawn as the steps they are; the dashes tell the status, a gap is unknown.
    form : {"png", "svg"}

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    InputError
        If there is nothing to draw.
    """
    if not series:
        raise InputError("there is no intensity to draw")
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing a picture (--plot)", extra="plot") from error
    # A fixed salt and no date: the same series give the same bytes.
    with rc_context({"svg.hashsalt": "lowtide", "svg.fonttype": "none"}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for i, (label, part) in enumerate(series.items()):
            _draw(axes, label, part, f"C{i}")
        _dress(axes, next(iter(series.values())), several=len(series) > 1)
        out = io.BytesIO()
        figure.savefig(out, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    return out.getvalue()


def _draw(axes: Any, label: str, series: IntensitySeries, colour: str) -> None:
    """Draw a series, one line style a status."""
    edges = series.edges_ns.astype("datetime64[ns]")
    for code in np.unique(series.status).tolist():
        values = np.where(series.status == code, series.intensity_g_per_kwh, np.nan)
        if np.isnan(values).all():
            continue
        status = STATUSES[code]
        name = label if status == "measured" else f"{label}, {status}"
        axes.stairs(values, edges, baseline=None, color=colour, linestyle=_DASHES[status], label=name)


def _dress(axes: Any, first: IntensitySeries, *, several: bool) -> None:
    signal = first.signal
    axes.set_ylabel(f"{signal.basis} intensity [g CO$_2$e/kWh]")
    axes.set_xlabel("UTC")
    if not several:
        axes.set_title(f"{signal.zone or 'unnamed zone'}: {signal.factors} factors")
    known = first.intensity_g_per_kwh[~np.isnan(first.intensity_g_per_kwh)]
    if len(known) and float(known.min()) >= 0.0:
        axes.set_ylim(bottom=0.0)
    axes.grid(True, alpha=0.3)
    for label in axes.get_xticklabels():
        label.set_rotation(20)
    axes.legend(loc="best", fontsize="small")
