"""Monte Carlo over the factors of a product: each is drawn from a split lognormal with its 90 % interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lowtide.errors import InputError
from lowtide.estimation.ranged import Factor, Ranged

__all__ = ["draw_product", "drawn_range"]

_Z_95 = 1.6448536269514722
"""Quantile of the standard normal at 0.95: half of what a 90 % interval leaves out lies above it."""


def draw_product(factors: Sequence[Factor], *, n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return `n` draws of the product of independent factors.

    The median of each factor is its value; 5 % of the draws lie below its low end and 5 % above its high end,
    and the logarithm is normal on either side. Cost: about 25 ns for each draw of each factor with a range.

    Raises
    ------
    InputError
        If `n` is not positive, or a factor with a range reaches 0.

    Examples
    --------
    >>> one = Factor(name="mfu", named="speed and power", amount=Ranged(value=0.4, low=0.3, high=0.5), unit="1",
    ...              kind="given", source="example", exponent=-1)
    >>> draws = draw_product([one], n=10_000, rng=np.random.default_rng(0))
    >>> bool(abs(np.quantile(draws, 0.95) - 1 / 0.3) < 0.05)
    True
    """
    if n < 1:
        raise InputError(f"{n} draws are none; ask for at least 1000")
    logs = np.zeros(n)
    value = 1.0
    for factor in factors:
        amount = factor.amount
        value *= amount.value**factor.exponent
        if amount.is_exact:
            continue
        if amount.low <= 0.0:
            raise InputError(f"{factor.name} cannot be drawn: its low end {amount.low:g} must be above 0")
        below, above = np.log(amount.value / amount.low) / _Z_95, np.log(amount.high / amount.value) / _Z_95
        z = rng.standard_normal(n)
        logs += factor.exponent * np.where(z < 0.0, z * below, z * above)
    return value * np.exp(logs)


def drawn_range(
    factors: Sequence[Factor], *, n: int, rng: np.random.Generator, within: tuple[float, float] = (0.05, 0.95)
) -> Ranged:
    """Return median and 90 % interval of `n` draws of the product.

    Examples
    --------
    >>> drawn_range([], n=10, rng=np.random.default_rng(1))
    Ranged(value=1.0, low=1.0, high=1.0)
    """
    draws = draw_product(factors, n=n, rng=rng)
    ranks = [round(q * (n - 1)) for q in (within[0], 0.5, within[1])]
    low, middle, high = np.partition(draws, ranks)[ranks].tolist()
    return Ranged(low=low, value=middle, high=high)
