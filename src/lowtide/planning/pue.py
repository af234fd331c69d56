"""PUE that varies in time, in plans: a step function, applied once, to the energy of nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lowtide.accounting.pue import PueSeries, facility_power, product
from lowtide.series import steps
from lowtide.series.types import IntensitySeries

__all__ = ["PueSeries", "facility_power", "product", "with_pue"]


def with_pue(series: IntensitySeries, pue: PueSeries) -> IntensitySeries:
    """Return an intensity per kilowatt-hour at the node: intensity times PUE, cut at the edges of both."""
    edges, values = product(series.edges_ns, series.intensity_g_per_kwh, pue.edges_ns, pue.pue)
    codes = steps.at(series.edges_ns, series.status.astype(np.float64), edges[:-1])
    status = np.nan_to_num(codes).astype(np.uint8)
    return replace(series, edges_ns=edges, intensity_g_per_kwh=values, status=status)
