"""From generation by fuel to intensity: which gaps matter, and which hours are not to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lowtide.errors import InputError, ReplyError
from lowtide.grid.mix import MIX_SET, factors_of, intensity_of_mix
from lowtide.grid.providers.kit.points import Points
from lowtide.quantities import format_instant

__all__ = ["N_USUAL", "SMALL_FRACTION", "WHOLE_FRACTION", "Generation"]

SMALL_FRACTION: Final = 0.01
"""A fuel that generates less than this share of a reply is taken as nothing where it is not reported."""
WHOLE_FRACTION: Final = 0.3
"""Where less than this share of the usual generation is reported, plants are missing from the report."""
N_USUAL: Final = 24
"""Instants that must be known before anything is called usual."""


@dataclass(slots=True)
class Generation:
    """Mean power by the source's code of a fuel and by instant [MW]; NaN is reported as unknown."""

    provider: str
    power_mw: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, code: str, t_ns: int, power_mw: float) -> None:
        """Add one value; one that stands twice must agree."""
        column = self.power_mw.setdefault(code, {})
        known = column.get(t_ns)
        if known is not None and known == known and power_mw == power_mw and known != power_mw:
            raise ReplyError(
                f"two values of {code} at {format_instant(t_ns)} disagree: {known:g} and {power_mw:g} MW; "
                "nothing of the reply was used",
                provider=self.provider,
            )
        if known is None or known != known:
            column[t_ns] = power_mw

    def points(
        self, step_ns: int, fuels: Mapping[str, str], *, set_name: str, factors: str, notes: dict[str, None]
    ) -> Points:
        """Return the intensity at each instant; `fuels` names the fuel of each code, others are `unknown`.

        Adds to `notes` what was taken as nothing, and what was left out.

        Raises
        ------
        InputError
            If the set has no factor for a fuel.
        """
        points = Points(self.provider)
        instants = sorted({t for column in self.power_mw.values() for t in column})
        if not instants:
            return points
        g_by_fuel = factors_of(set_name, "direct" if factors == "direct" else "lifecycle")
        power = {code: np.array([c.get(t, np.nan) for t in instants]) for code, c in self.power_mw.items()}
        self._note_odd_codes(fuels, power, notes)
        _fill_small(power, notes)
        fuel_of = {code: fuels.get(code, "unknown") for code in power}
        lost = sorted({fuel for fuel in fuel_of.values() if fuel not in g_by_fuel})
        if lost:
            raise InputError(
                f"the set {set_name!r} has no {factors} factor for {', '.join(lost)}; {MIX_SET!r} has all"
            )
        g = intensity_of_mix(power, {code: g_by_fuel[fuel] for code, fuel in fuel_of.items()})
        _drop_partial(g, power, notes)
        for t, value in zip(instants, g, strict=True):
            points.add(t, step_ns, float(value), status="measured")
        return points

    def _note_odd_codes(
        self, fuels: Mapping[str, str], power: Mapping[str, np.ndarray], notes: dict[str, None]
    ) -> None:
        for code, values in power.items():
            if code not in fuels:
                notes[f"fuel {code!r} is not known and counts as unknown"] = None
            if (values < 0.0).any():
                notes[f"generation of {code} below zero (a plant's own use) counts as zero"] = None


def _fill_small(power: dict[str, np.ndarray], notes: dict[str, None]) -> None:
    """Take small fuels as nothing where they are not reported; a larger one leaves the hour unknown.

    So does one of which nothing at all is known: whether it is small cannot be told.
    """
    means = {code: _mean(np.maximum(values, 0.0)) for code, values in power.items()}
    total = sum(means.values())
    for code, values in power.items():
        gaps = np.isnan(values)
        if not gaps.any():
            continue
        if not gaps.all() and means[code] < SMALL_FRACTION * total:
            power[code] = np.where(gaps, 0.0, values)
            notes[f"{code}, less than 1 % of generation, counts as zero where it is not reported"] = None
        else:
            notes[f"unknown where {code} is not reported"] = None


def _drop_partial(g: np.ndarray, power: Mapping[str, np.ndarray], notes: dict[str, None]) -> None:
    """Make values unknown where most plants are missing from the report."""
    total = np.maximum(np.array(list(power.values())), 0.0).sum(axis=0)
    known = ~np.isnan(total)
    if known.sum() < N_USUAL:
        return
    partial = known & (total < WHOLE_FRACTION * np.median(total[known]))
    if partial.any():
        g[partial] = np.nan
        notes[f"{int(partial.sum())} values left out: less than 30 % of the usual generation is reported"] = (
            None
        )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
