"""Small files, and what was read from them in a form that is easy to compare."""

from __future__ import annotations

import numpy as np

from lowtide.model.signal import STATUSES
from lowtide.quantities import parse_instant_ns
from lowtide.series import IntensitySeries

HOUR_NS = 3_600_000_000_000
MARCH_NS = parse_instant_ns("2026-03-01T00:00Z")

WIDE = """ts_utc,DE,FR
2026-03-01T00:00:00Z,300,40
2026-03-01T01:00:00Z,310,50.5
2026-03-01T02:00:00Z,320,60
"""
LONG = """ts_utc,zone,value
2026-03-01T00:00Z,DE,300
2026-03-01T00:00Z,FR,40
2026-03-01T01:00Z,DE,310
2026-03-01T01:00Z,FR,50
"""


def values(series: IntensitySeries) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in series.intensity_g_per_kwh]


def statuses(series: IntensitySeries) -> list[str]:
    return [STATUSES[code] for code in series.status]


def hours(series: IntensitySeries) -> list[float]:
    """Edges in hours after 2026-03-01T00:00Z."""
    return [(int(e) - MARCH_NS) / HOUR_NS for e in series.edges_ns]
