"""The two kinds of array everything is made of: int64 instants and counts, float64 values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FloatArray", "IntArray"]

IntArray = npt.NDArray[np.int64]
"""Instants [ns] and raw counts."""

FloatArray = npt.NDArray[np.float64]
"""Values; NaN is unknown."""
