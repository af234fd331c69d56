"""The nouns of a claim that is checked, and the slips that well-known ratios betray."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from lowtide.estimation.footprint import check_positive
from lowtide.units import G_PER_LB

__all__ = ["Claim", "Finding", "Severity", "slip_of", "unit_slip"]

Severity = Literal["impossible", "suspicious", "fine", "unknown"]

_AGREES = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A footprint as somebody printed it; None was not said.

    Attributes
    ----------
    title : str
    n_gpus, hours, gpu_hours : float or None
        [1], [h elapsed], [h of one GPU].
    gpu : str or None
    power_w : float or None
        For each GPU [W].
    energy_kwh : float or None
    energy_of : {"gpu", "node", "facility"} or None
    pue : float or None
    emissions_g : float or None
    intensity_g_per_kwh : float or None
    zone : str or None
    n_parameters, n_active_parameters, n_tokens, flops : float or None
    bits : int
    rate_g : float or None
        Grams for each `rate_size` things of `rate_unit` (token, parameter, flop).
    rate_size : float
    rate_unit : str
    water_l, wue_l_per_kwh : float or None
        Water, and litres for each kWh of the facility.
    before, after, saving_fraction : float or None
        A saving that was claimed: two figures and the share between them.
    """

    title: str = ""
    n_gpus: float | None = None
    hours: float | None = None
    gpu_hours: float | None = None
    gpu: str | None = None
    power_w: float | None = None
    energy_kwh: float | None = None
    energy_of: Literal["gpu", "node", "facility"] | None = None
    pue: float | None = None
    emissions_g: float | None = None
    intensity_g_per_kwh: float | None = None
    zone: str | None = None
    n_parameters: float | None = None
    n_active_parameters: float | None = None
    n_tokens: float | None = None
    flops: float | None = None
    bits: int = 16
    rate_g: float | None = None
    rate_size: float = 1.0
    rate_unit: str = "token"
    water_l: float | None = None
    wue_l_per_kwh: float | None = None
    before: float | None = None
    after: float | None = None
    saving_fraction: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and field.name != "saving_fraction":
                check_positive(field.name, value, allow_zero=field.name in ("emissions_g", "after"))

    @property
    def all_gpu_hours(self) -> float | None:
        """GPU-hours, printed or from number and time."""
        if self.gpu_hours is not None:
            return self.gpu_hours
        return None if self.n_gpus is None or self.hours is None else self.n_gpus * self.hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one rule says.

    Attributes
    ----------
    rule : str
    severity : {"impossible", "suspicious", "fine", "unknown"}
    message : str
    slip : str
        What would explain it, empty where nothing known does.
    """

    rule: str
    severity: Severity
    message: str
    slip: str = ""


def slip_of(ratio: float, *, pue: float | None = None) -> str:
    """Return which well-known factor a ratio is, empty for none."""
    if pue is not None and pue > 1.02 and min(abs(ratio / pue - 1), abs(ratio * pue - 1)) < 0.02:
        return "PUE was applied twice, or not at all"
    known = (
        (1000.0, "a unit is off by 1000: kg for g, t for kg, or MWh for kWh"),
        (1e6, "a unit is off by a million: t for g, or GWh for kWh"),
        (G_PER_LB / 1000.0, "pounds were taken for kilograms, or the other way round"),
        (0.90718474, "short tons were taken for tonnes, or the other way round"),
        (10.0, "a decimal point slipped"),
        (100.0, "a percentage was taken for a fraction, or a decimal point slipped twice"),
        (3600.0, "seconds were taken for hours"),
        (8.0, "a node of 8 was taken for one GPU, or the other way round"),
    )
    for factor, words in known:
        if any(abs(ratio / times - 1.0) < _AGREES for times in (factor, 1.0 / factor)):
            return words
    if 1.05 <= max(ratio, 1.0 / ratio) <= 1.7:
        return "the ratio could be a PUE that was applied twice, or not at all"
    return ""


def unit_slip(implied: float, right: float) -> str:
    """Return the slip that brings an intensity nearest to the right one; a wide net, for estimates are rough."""
    exact = slip_of(implied / right)
    if exact:
        return exact
    ratio = implied / right
    if ratio > 300.0 or ratio < 1 / 300.0:
        return slip_of(1000.0)
    if 6.0 < ratio < 16.0 or 1 / 16.0 < ratio < 1 / 6.0:
        return slip_of(10.0)
    return ""
