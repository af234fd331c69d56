"""Intensity values as JSON, as a table with a chart for the terminal, and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from lowtide.model.signal import STATUSES, Signal
from lowtide.quantities import format_instant
from lowtide.reporting.wording import clean, minute
from lowtide.series import steps
from lowtide.series.types import IntensitySeries

__all__ = [
    "chart_lines",
    "export_csv",
    "export_rows",
    "series_plain",
    "series_text",
    "signal_plain",
    "step_rows",
]

_WIDTH: Final = 72
_BARS: Final = " ▁▂▃▄▅▆▇█"
_MOST_ROWS: Final = 50
_DAY_NS: Final = 86_400 * 10**9
_COLUMNS: Final = {
    "lifecycle": "ci_lca_g_per_kwh",
    "direct": "ci_direct_g_per_kwh",
    "unknown": "ci_g_per_kwh",
}


def signal_plain(signal: Signal) -> dict[str, Any]:
    """Return what a signal says of itself."""
    return {
        "zone": signal.zone,
        "basis": signal.basis,
        "factors": signal.factors,
        "flow": signal.flow,
        "source": signal.source,
        "vintage": signal.vintage,
        "time_resolved": signal.time_resolved,
    }


def series_plain(series: IntensitySeries) -> dict[str, Any]:
    """Return a series with its signal, mean, range and steps; unknown is null."""
    mean = series.mean_g_per_kwh()
    spread = series.signal.spread
    low, high = (None, None) if spread is None else spread.at_hours(series.duration_s / 3600.0)
    known = not np.isnan(mean)
    return {
        **signal_plain(series.signal),
        "start": format_instant(series.start_ns),
        "end": format_instant(series.end_ns),
        "mean_g_per_kwh": mean if known else None,
        "low_g_per_kwh": mean * low if known and low is not None else None,
        "high_g_per_kwh": mean * high if known and high is not None else None,
        "range_note": "" if spread is None else spread.note,
        "steps": [
            {"start": start, "end": end, "g_per_kwh": g, "status": status}
            for start, end, g, status in step_rows(series)
        ],
    }


def step_rows(series: IntensitySeries) -> Iterable[tuple[str, str, float | None, str | None]]:
    """Yield (start, end, g/kWh, status) of each step, None where it is unknown."""
    edges = [format_instant(t) for t in series.edges_ns.tolist()]
    values, codes = series.intensity_g_per_kwh.tolist(), series.status.tolist()
    for start, end, g, code in zip(edges[:-1], edges[1:], values, codes, strict=True):
        yield (start, end, g, STATUSES[code]) if g == g else (start, end, None, None)


def series_text(series: IntensitySeries, *, notes: Sequence[str] = ()) -> str:
    """Return a series for the terminal: what it is, a chart, and its steps or its days."""
    signal = series.signal
    lines = [
        f"{signal.zone or 'unnamed zone'}: {signal.basis} intensity, {signal.factors} factors, {signal.flow} flow",
        f"source: {clean(signal.source)}",
        *chart_lines(series),
        "",
        *_table(series),
        *(f"note: {clean(note)}" for note in notes),
    ]
    return "\n".join(lines)


def chart_lines(series: IntensitySeries) -> list[str]:
    """Return a bar chart of a line, with its ends and extremes under it; a blank is unknown."""
    n = min(_WIDTH, max(len(series.status), 1))
    edges = np.linspace(0.0, 1.0, n + 1) * (series.end_ns - series.start_ns)
    values = steps.resample(
        series.edges_ns, series.intensity_g_per_kwh, series.start_ns + edges.astype(np.int64)
    )
    known = series.intensity_g_per_kwh[~np.isnan(series.intensity_g_per_kwh)]
    if not len(known):
        return ["nothing is known of this time"]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    flat = not high > low
    levels = (
        np.full(n, 4) if flat else 1 + np.nan_to_num((values - low) / (high - low) * 7.0).round().astype(int)
    )
    bars = "".join(" " if np.isnan(v) else _BARS[level] for v, level in zip(values, levels, strict=True))
    ends = f"{minute(series.start_ns)}{minute(series.end_ns):>{max(n - 17, 18)}}"
    counted = Counter(status for *_, status in step_rows(series))
    status = ", ".join(f"{counted[s]} {s}" for s in (*STATUSES, None) if counted[s]).replace(
        "None", "unknown"
    )
    return [
        bars,
        ends,
        f"{known.min():.0f} to {known.max():.0f} g/kWh, mean {series.mean_g_per_kwh():.1f}; steps: {status}",
    ]


def _table(series: IntensitySeries) -> list[str]:
    """Return the steps, or the means of days where there are too many."""
    if len(series.status) <= _MOST_ROWS:
        return [
            f"{start[:16]}Z  {'unknown' if g is None else f'{g:.1f}':>8}  {status or ''}".rstrip()
            for start, _, g, status in step_rows(series)
        ]
    first = -(-series.start_ns // _DAY_NS) * _DAY_NS
    cuts = [series.start_ns, *range(first, series.end_ns, _DAY_NS), series.end_ns]
    edges = np.unique(np.array(cuts, dtype=np.int64))
    means = steps.resample(series.edges_ns, series.intensity_g_per_kwh, edges)
    shown = list(zip(edges[:-1].tolist(), means.tolist(), strict=True))
    kept = shown[:_MOST_ROWS]
    lines = [f"{minute(t)}  {'unknown' if g != g else f'{g:.1f}':>8}  mean of the day" for t, g in kept]
    more = len(shown) - len(kept)
    return lines + (
        [f"... and {more} more days; --json and `lowtide grid export` have every step"] if more else []
    )


def export_rows(
    series: Iterable[IntensitySeries],
) -> tuple[str, list[tuple[str, str, str, float | None, str | None]]]:
    """Return the name of the column of values and the rows of a file that is read back as it was.

    Rows are (start, end, zone, g/kWh, status).
    """
    rows: list[tuple[str, str, str, float | None, str | None]] = []
    column = "ci_g_per_kwh"
    for part in series:
        signal = part.signal
        column = "marginal_g_per_kwh" if signal.basis == "marginal" else _COLUMNS[signal.factors]
        rows += [(start, end, signal.zone or "", g, status) for start, end, g, status in step_rows(part)]
    return column, rows


def export_csv(series: Iterable[IntensitySeries]) -> str:
    """Return series in the long form, which ``--intensity`` reads."""
    column, rows = export_rows(series)
    lines = [f"ts_utc,end_utc,zone,{column},status"]
    lines += [
        f"{start},{end},{zone},{'' if g is None else repr(g)},{status or ''}"
        for start, end, zone, g, status in rows
    ]
    return "\n".join(lines) + "\n"
