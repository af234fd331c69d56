"""Software Carbon Intensity: ((E * I) + M) per R (ISO/IEC 21031:2024, SCI specification v1.1)."""

from __future__ import annotations

import math
import re

from lowtide.errors import QuantityError
from lowtide.model.ledger import SciScore

__all__ = ["parse_functional_unit", "sci_score"]


def parse_functional_unit(text: str) -> tuple[float, str]:
    """Return (size, name) of ``1e9:token``; a bare name counts single ones.

    >>> parse_functional_unit("1e9:token")
    (1000000000.0, 'token')
    """
    match = re.fullmatch(r"(?:([0-9.eE+]+):)?([A-Za-z][\w -]*)", text.strip())
    try:
        size = float(match[1] or 1.0) if match else 0.0
    except ValueError:
        size = 0.0
    if match is None or not 0.0 < size < math.inf:
        raise QuantityError(
            f"cannot read {text!r} as a functional unit; write it like 1e9:token, 1000:image or run"
        )
    return size, match[2]


def sci_score(
    operational_g: float, *, embodied_g: float | None, functional_unit: str, count: float
) -> SciScore:
    """Return the score of a run that delivered `count` of the functional unit's things.

    Without `embodied_g` the score is operational only, and says so by its null.

    Raises
    ------
    QuantityError
        If the unit cannot be read or nothing was counted.

    Examples
    --------
    >>> sci_score(500.0, embodied_g=100.0, functional_unit="1e9:token", count=2e9).score_g
    300.0
    """
    size, name = parse_functional_unit(functional_unit)
    if not count > 0.0:
        raise QuantityError(
            f"no {name} was counted, so there is nothing to divide by; count with m.count({name!r}, n)"
        )
    denominator = count / size
    return SciScore(
        score_g=(operational_g + (embodied_g or 0.0)) / denominator,
        functional_unit=functional_unit,
        denominator=denominator,
        operational_g=operational_g,
        embodied_g=embodied_g,
    )
