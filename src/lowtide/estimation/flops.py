"""From a model to its arithmetic, and from arithmetic to time.

FLOPs stand beside energy and time, never instead of them: convolutions have been 3 % of the FLOPs and 80 % of
the time (Henderson et al. 2020). One multiply-accumulate is two FLOPs (Schwartz et al. 2019).
"""

from __future__ import annotations

import statistics
from typing import Literal

from lowtide.data.accelerator_training import Utilisation, utilisations
from lowtide.data.board_power import Accelerator
from lowtide.errors import InputError
from lowtide.estimation.footprint import check_fraction, check_positive
from lowtide.estimation.ranged import Ranged

__all__ = [
    "ThroughputFit",
    "fitted_tflops",
    "inference_flops",
    "mfu_range",
    "model_size",
    "off_optimum_efficiency",
    "training_flops",
    "training_gpu_hours",
    "transformer_parameters",
]

ThroughputFit = Literal["tensor", "pipeline", "gpus", "batch"]

_FITS: dict[ThroughputFit, tuple[float, float, float]] = {
    "tensor": (-8.82079068e-20, 1.68591116e-9, 133.954735),
    "pipeline": (-5.60233749e-23, 8.45435587e-11, 134.546129),
    "gpus": (-2.12910565e-21, 4.39684339e-9, 799.173057),
    "batch": (-0.429439186, 52.1376002, 1437.37095),
}


def training_flops(
    n_parameters: float, n_tokens: float, *, n_active_parameters: float | None = None
) -> float:
    """Return the arithmetic of training a transformer: 6 for each active parameter and token.

    Parameters
    ----------
    n_parameters : float
    n_tokens : float
        Tokens seen, all epochs.
    n_active_parameters : float, optional
        Of a mixture of experts, those that work on one token; all when left out.

    Raises
    ------
    InputError
        If a number is not positive, or more parameters are active than there are.

    Source: Kaplan et al. 2020; as used by LLMCarbon (Faiz et al. 2023). Attention over long contexts comes on top.

    Examples
    --------
    >>> f"{training_flops(175e9, 300e9):.3g}"  # GPT-3; Patterson prints 3.14e23
    '3.15e+23'
    """
    check_positive("parameters", n_parameters)
    active = n_parameters if n_active_parameters is None else n_active_parameters
    check_positive("active parameters", active)
    if active > n_parameters:
        raise InputError(
            f"{active:g} active parameters are more than the {n_parameters:g} there are; swap the two"
        )
    return 6.0 * active * check_positive("tokens", n_tokens)


def inference_flops(n_active_parameters: float, n_tokens: float = 1.0) -> float:
    """Return the arithmetic of inference: 2 for each active parameter and token.

    >>> inference_flops(7e9, 1000.0)
    14000000000000.0
    """
    return 2.0 * check_positive("parameters", n_active_parameters) * check_positive("tokens", n_tokens)


def transformer_parameters(n_layers: int, hidden: int, *, vocabulary: int, context: int) -> float:
    """Return the parameters of a decoder of that shape: ``12 l h^2 (1 + 13/(12 h) + (V + s)/(12 l h))``.

    Source: LLMCarbon (Faiz et al. 2023, arXiv 2309.14393), after Narayanan et al. 2021.

    Examples
    --------
    >>> round(transformer_parameters(96, 12288, vocabulary=50257, context=2048) / 1e9, 1)  # GPT-3
    174.6
    """
    for name, number in (("layers", n_layers), ("hidden", hidden), ("vocabulary", vocabulary)):
        check_positive(name, number)
    small = 13.0 / (12.0 * hidden) + (vocabulary + context) / (12.0 * n_layers * hidden)
    return 12.0 * n_layers * hidden**2 * (1.0 + small)


def training_gpu_hours(flops: float, *, peak_flops: float, mfu: float) -> float:
    """Return the accelerator-hours that `flops` take at a share `mfu` of the peak [FLOP/s].

    Raises
    ------
    InputError
        If a number is not positive, or `mfu` is no fraction.

    Examples
    --------
    >>> round(training_gpu_hours(3.14e23, peak_flops=125e12, mfu=24.6 / 125))  # GPT-3: 10,000 x 14.8 days
    3545619
    """
    check_positive("flops", flops)
    check_positive("peak_flops", peak_flops)
    return flops / (peak_flops * check_fraction("mfu", mfu)) / 3600.0


def model_size(n_parameters: float) -> Literal["small", "medium", "large"]:
    """Return the size class of the utilisation table: below 1e9, to 1e10, above.

    >>> model_size(7e9)
    'medium'
    """
    return "small" if n_parameters < 1e9 else "medium" if n_parameters <= 1e10 else "large"


def mfu_range(
    model: Accelerator | None, *, bits: int = 16, n_parameters: float | None = None
) -> tuple[Ranged, str]:
    """Return the share of the peak that trainings used, and which ones these are.

    Of the most alike first: same accelerator, precision and size; same accelerator and precision; same
    precision; all. The value is the median of the sources, the range their whole width: one training is no
    promise for another.

    Examples
    --------
    >>> from lowtide.data.board_power import accelerator
    >>> found, source = mfu_range(accelerator("V100"))
    >>> found.value, source
    (0.197, 'GPT-3 on V100')
    """
    rows = _most_alike(model, bits, n_parameters)
    amount = Ranged(
        value=statistics.median(row.value for row in rows),
        low=min(row.value if row.low is None else row.low for row in rows),
        high=max(row.value if row.high is None else row.high for row in rows),
    )
    return amount, _which(rows)


def _most_alike(model: Accelerator | None, bits: int, n_parameters: float | None) -> tuple[Utilisation, ...]:
    rows = utilisations()
    name = None if model is None else model.name
    same_bits = tuple(r for r in rows if r.bits == bits)
    same_device = tuple(r for r in same_bits if r.accelerator == name)
    if n_parameters is not None:
        same_size = tuple(r for r in same_device if r.size == model_size(n_parameters))
        if same_size:
            return same_size
    return same_device or same_bits or rows


def _which(rows: tuple[Utilisation, ...]) -> str:
    devices = list(dict.fromkeys(row.accelerator for row in rows))
    if len(rows) <= 3:
        return ", ".join(dict.fromkeys(row.what for row in rows)) + f" on {', '.join(devices)}"
    return f"{sum(row.n for row in rows)} trainings on {', '.join(devices)}"


def fitted_tflops(fit: ThroughputFit, x: float) -> float:
    """Return the throughput LLMCarbon's quadratic fits give [TFLOP/s, as its tables of A100 80GB have it].

    `x` is the number of parameters, for ``batch`` the size of the pipeline. ``tensor`` and ``pipeline`` are
    each GPU's throughput under that parallelism; the fits hold over the sizes they were made from (to about
    1e12 parameters) and are refused where they turn negative.

    Source: LLMCarbon's code (Faiz et al. 2023, arXiv 2309.14393).

    Examples
    --------
    >>> round(fitted_tflops("pipeline", 175e9), 1)
    147.6
    """
    a, b, c = _FITS[fit]
    value = a * x**2 + b * x + c
    if not (x > 0.0 and value > 0.0):
        raise InputError(
            f"the {fit} fit of LLMCarbon says nothing at {x:g}: it was made for up to about 1e12"
        )
    return value


def off_optimum_efficiency(
    n_processors: float,
    *,
    n_optimal: float,
    efficiency_optimal: float,
    gamma_fewer: float,
    gamma_more: float,
    gamma_constant: float,
) -> float:
    """Return the efficiency with another number of processors than the best one, in LLMCarbon's form.

    ``gamma_fewer (n / n_best) eff_best`` with fewer processors, ``gamma_more (n_best / n) eff_best +
    gamma_constant`` with more. Its three constants are fitted to the user's own system: the paper's were not
    found in what could be read, and none is assumed here.

    Examples
    --------
    >>> off_optimum_efficiency(50, n_optimal=100, efficiency_optimal=0.5, gamma_fewer=1.0, gamma_more=0.9,
    ...                        gamma_constant=0.05)
    0.25
    """
    check_positive("n_processors", n_processors)
    check_positive("n_optimal", n_optimal)
    best = check_fraction("efficiency_optimal", efficiency_optimal)
    if n_processors == n_optimal:
        return best
    if n_processors < n_optimal:
        found = gamma_fewer * n_processors / n_optimal * best
    else:
        found = gamma_more * n_optimal / n_processors * best + gamma_constant
    return check_fraction("the efficiency these constants give", found)
