"""Power at the node from the names of accelerators alone: an estimate, and said to be one.

    node = n x TDP x load x host x (1 + rest)

`host` adds processors and memory to the accelerators, `rest` fans, supply and board, as
``docs/reference/power-models.md`` derives them. A host shared by four or more accelerators is a smaller part of
each: there the low end of `host` is the centre.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lowtide.data.board_power import Accelerator, accelerator
from lowtide.errors import InputError, QuantityError
from lowtide.estimation.power_models import gpu_to_components, rest_model

__all__ = ["AcceleratorPower", "node_power", "parse_gpus"]

_GPUS: Final = re.compile(r"\s*(?:(\d+)\s*[x*]\s*)?(\S.*?)\s*", re.IGNORECASE)
_SHARED_FROM: Final = 4
_LOW_LOAD: Final = 0.5
"""Low end of a load that nobody stated; its centre and high end are 1, the vendor's maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorPower:
    """An estimate of power at the node [W], with a 90 % interval and how it came about."""

    power_w: float
    low_w: float
    high_w: float
    method: str


def parse_gpus(text: str) -> tuple[int, Accelerator]:
    """Return how many accelerators of which model, from ``8xV100`` or ``V100``.

    Raises
    ------
    QuantityError
        If it is not written so, or counts none.
    InputError
        If the model is unknown; names close ones.

    Examples
    --------
    >>> n, model = parse_gpus("8xV100")
    >>> n, model.name
    (8, 'V100')
    """
    match = _GPUS.fullmatch(text)
    n = int(match[1] or 1) if match else 0
    if match is None or n < 1:
        raise QuantityError(f"cannot read the accelerators {text!r}; write them like 8xV100")
    return n, accelerator(match[2])


def node_power(text: str, *, load: float | None = None) -> AcceleratorPower:
    """Return the estimated power of a job at the node.

    Parameters
    ----------
    text : str
        Accelerators, like ``8xV100``.
    load : float, optional
        Mean power of an accelerator over its TDP, above 0 and at most 1; without it 1, with a range from 0.5.

    Raises
    ------
    InputError
        If the model or the load cannot be.

    Examples
    --------
    >>> round(node_power("8xV100", load=0.8).power_w)  # 8 x 300 W x 0.8 x 1.10 x 1.20
    2534
    """
    if load is not None and not 0.0 < load <= 1.0:
        raise InputError(f"load {load:g} must be above 0 and at most 1: power of an accelerator over its TDP")
    n, model = parse_gpus(text)
    host, rest = gpu_to_components(), rest_model()
    centre = host.low if n >= _SHARED_FROM else host.value
    share = 1.0 if load is None else load
    full_w = n * model.tdp_w
    said = f"load {share:g}" + (", the maximum, as none is given" if load is None else "")
    return AcceleratorPower(
        power_w=full_w * share * centre * (1.0 + rest.fraction),
        low_w=full_w
        * (_LOW_LOAD if load is None else share)
        * host.low
        * (1.0 + rest.fraction * rest.low_fraction),
        high_w=full_w * share * host.high * (1.0 + rest.fraction * rest.high_fraction),
        method=(
            f"{n} x {model.name} of {model.tdp_w:g} W TDP ({model.source}) at {said}; x {centre:.3g} for the "
            f"host, x {1.0 + rest.fraction:.3g} for fans and supply"
        ),
    )
