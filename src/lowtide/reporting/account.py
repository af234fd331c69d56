"""A power log's bill in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lowtide.quantities import format_duration
from lowtide.reporting.figures import plain_number
from lowtide.reporting.text import RANGES, Billed, bill_lines, gap_lines
from lowtide.reporting.wording import no_grams_words, second

if TYPE_CHECKING:
    from lowtide.series.types import PowerSeries

__all__ = ["Accounted", "account_text"]


class Accounted(Billed, Protocol):
    """The bill of a power series."""

    @property
    def power(self) -> PowerSeries: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def mean_power_w(self) -> float | None: ...


def account_text(result: Accounted) -> str:
    """Return the bill of a power log: when, mean power, energy, carbon, ranges and gaps."""
    power, watts = result.power, result.mean_power_w
    duration = format_duration(result.duration_s)
    lines = [f"time       {second(power.start_ns)} to {second(power.end_ns)}, {duration}"]
    if watts is None:
        return "\n".join([*lines, "energy     unknown: the log holds no power", *gap_lines(result)])
    lines.append(f"power      {plain_number(watts)} W on average at the {power.boundary}")
    bill = result.emissions.location or result.emissions.marginal
    lines += bill_lines(result, no_carbon=no_grams_words(bill), lacks=_lacks(result))
    return "\n".join([*lines, RANGES, *gap_lines(result)])


def _lacks(result: Accounted) -> str:
    """Return what the energy without grams lacks; empty where the PUE is not it."""
    if result.pue_steps is None or result.facility_kwh is not None:
        return ""
    is_known = all(gap.channel != "intensity" for gap in result.gaps)
    return "no PUE" if is_known else "no PUE or no intensity"
