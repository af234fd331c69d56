"""Numbers with a range, and products of them.

A range is a 90 % interval. A product's range is the quadrature of how far each factor alone moves it, as in
bills (:mod:`lowtide.accounting.uncertainty`); :mod:`lowtide.estimation.draws` checks that with random draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lowtide.accounting.uncertainty import Deviation, combine
from lowtide.errors import InputError, QuantityError

__all__ = ["Factor", "FactorKind", "Named", "Ranged", "parse_ranged", "product", "product_deviations"]

FactorKind = Literal["given", "measured", "published", "modelled"]
"""Given by the user, metered by somebody, printed in a paper, or modelled from something else."""

Named = Literal["program", "processors", "speed and power", "data centre", "energy mix"]
"""Patterson's five factors (arXiv 2104.10350)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged:
    """A number with its 90 % interval; one without a range has ``low == value == high``.

    Examples
    --------
    >>> Ranged.exact(1.1)
    Ranged(value=1.1, low=1.1, high=1.1)
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (
            math.isfinite(self.value) and math.isfinite(self.high) and self.low <= self.value <= self.high
        ):
            raise QuantityError(
                f"a range must be finite and in order, got {self.low:g}..{self.value:g}..{self.high:g}"
            )

    @classmethod
    def exact(cls, value: float) -> Ranged:
        """Return a number without a range."""
        return cls(value=value, low=value, high=value)

    @property
    def is_exact(self) -> bool:
        """Whether there is no range."""
        return self.low == self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One factor of a product, and what it rests on.

    Attributes
    ----------
    name : str
        What it is, in words.
    named : str
        Which of Patterson's five it belongs to.
    amount : Ranged
    unit : str
    kind : {"given", "measured", "published", "modelled"}
    source : str
    exponent : {1, -1}
        -1 for a divisor, such as the utilisation of the peak.
    """

    name: str
    named: Named
    amount: Ranged
    unit: str
    kind: FactorKind
    source: str
    exponent: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        if self.amount.low < 0.0 or (self.exponent < 0 and self.amount.low <= 0.0):
            raise InputError(f"{self.name} must be above 0, got {self.amount.low:g} {self.unit}")


def parse_ranged(text: str, *, name: str, typed: str | None = None) -> Ranged:
    """Return the number in ``0.4``, ``0.3..0.5`` (geometric mean between) or ``0.3..0.4..0.5``; ``40%`` works.

    Parameters
    ----------
    text : str
    name : str
        The flag it was given to.
    typed : str, optional
        What the user wrote, where `text` is in another unit.

    Raises
    ------
    QuantityError
        If it cannot be read, or is not in order.

    Examples
    --------
    >>> parse_ranged("0.2..0.8", name="--mfu")
    Ranged(value=0.4, low=0.2, high=0.8)
    """
    try:
        numbers = [_number(part) for part in text.split("..")]
    except ValueError as error:
        raise QuantityError(
            f"{name}: cannot read {text!r}; write a number like 0.4, or a range like 0.3..0.5"
        ) from error
    if numbers != sorted(numbers):
        parts = (typed or text).split("..")
        right = "..".join(part for _, part in sorted(zip(numbers, parts, strict=True)))
        raise QuantityError(f"{name}: the range {typed or text!r} must rise; write it like {right}")
    if len(numbers) == 1:
        return Ranged.exact(numbers[0])
    if len(numbers) == 2:
        low, high = numbers
        return Ranged(value=math.sqrt(max(0.0, low * high)), low=low, high=high)
    if len(numbers) == 3:
        return Ranged(low=numbers[0], value=numbers[1], high=numbers[2])
    raise QuantityError(f"{name}: {typed or text!r} has too many parts; write low..high or low..value..high")


def _number(text: str) -> float:
    stripped = text.strip()
    value = float(stripped.removesuffix("%")) / (100.0 if stripped.endswith("%") else 1.0)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not finite")
    return value


def product_deviations(factors: Sequence[Factor]) -> tuple[float, list[Deviation]]:
    """Return the product of the factors, and how far each alone moves it.

    Examples
    --------
    >>> power = Factor(name="power", named="speed and power", amount=Ranged(value=300.0, low=270.0, high=360.0),
    ...                unit="W", kind="given", source="example")
    >>> value, parts = product_deviations([power])
    >>> value, round(parts[0].below, 6), round(parts[0].above, 6)
    (300.0, 30.0, 60.0)
    """
    value = 1.0
    for factor in factors:
        value *= factor.amount.value**factor.exponent
    return value, [Deviation(f.name, *_moves(value, f)) for f in factors if not f.amount.is_exact]


def _moves(value: float, factor: Factor) -> tuple[float, float]:
    amount = factor.amount
    if amount.value == 0.0:
        return 0.0, 0.0
    low, high = amount.low / amount.value, amount.high / amount.value
    if factor.exponent < 0:
        low, high = 1.0 / high, 1.0 / low
    return value * (1.0 - low), value * (high - 1.0)


def product(factors: Sequence[Factor]) -> Ranged:
    """Return the product of the factors with its 90 % interval."""
    value, deviations = product_deviations(factors)
    low, high = combine(value, deviations)
    return Ranged(value=value, low=low, high=high)
