"""Step functions: arrays in :mod:`~lowtide.series.steps`, nouns in :mod:`~lowtide.series.types`,
sensor readings in :mod:`~lowtide.series.readings`."""

from __future__ import annotations

from lowtide.series.types import IntensitySeries, PowerSeries, PriceSeries, total_power

__all__ = ["IntensitySeries", "PowerSeries", "PriceSeries", "total_power"]
