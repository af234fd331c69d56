"""Levers and their waterfall, as JSON and in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Protocol

from lowtide.data.levers import FOUR_MS, Lever
from lowtide.estimation.levers import Pull, Waterfall
from lowtide.reporting.estimates import waterfall_lines, waterfall_plain
from lowtide.reporting.estimates_plain import plain_of

__all__ = ["levers_plain", "levers_text", "waterfall_text"]

_WIDTH = 110


class Mapped(Protocol):
    """What place and time are worth."""

    @property
    def zones(self) -> tuple[str, ...]: ...
    @property
    def best_zone(self) -> str: ...
    @property
    def region(self) -> Pull: ...
    @property
    def hours(self) -> Pull | None: ...
    @property
    def hours_policy(self) -> str: ...
    @property
    def hours_unknown(self) -> str: ...
    @property
    def caveat(self) -> str: ...


def levers_plain(levers: Sequence[Lever], found: Waterfall | None, mapped: Mapped | None) -> dict[str, Any]:
    """Return the JSON of ``lowtide levers``."""
    return {
        "levers": [plain_of(lever) for lever in levers],
        "waterfall": None if found is None else waterfall_plain(found),
        "map": None if mapped is None else _map_plain(mapped),
    }


def _map_plain(mapped: Mapped) -> dict[str, Any]:
    return {
        "zones": list(mapped.zones),
        "best_zone": mapped.best_zone,
        "region_factor": mapped.region.factor.value,
        "hours_factor": None if mapped.hours is None else mapped.hours.factor.value,
        "hours_policy": mapped.hours_policy or None,
        "hours_unknown": mapped.hours_unknown,
        "rests_on": [pull.source for pull in (mapped.region, mapped.hours) if pull is not None],
        "caveat": mapped.caveat,
    }


def levers_text(levers: Sequence[Lever]) -> str:
    """Return every lever with range, scope, price and source, by the four Ms."""
    lines: list[str] = []
    for m in FOUR_MS:
        lines.append(m)
        for lever in levers:
            if lever.m == m:
                lines += _lever_lines(lever)
    return "\n".join(lines)


def _lever_lines(lever: Lever) -> list[str]:
    width = f"{lever.low:.3g} to {lever.high:.3g}" if lever.low != lever.high else f"{lever.value:.3g}"
    lines = [f"  {lever.name}: {lever.effect} / {width}: {lever.what}"]
    parts = [("for", lever.applies_to), ("accuracy", lever.accuracy), ("rebound", lever.rebound)]
    parts += [("contains", ", ".join(lever.contains))] if lever.contains else []
    parts += [("overlaps", ", ".join(lever.overlaps))] if lever.overlaps else []
    for label, words in [*parts, ("source", lever.source)]:
        lines += textwrap.wrap(
            f"{label}: {words}", width=_WIDTH, initial_indent="      ", subsequent_indent="        "
        )
    return lines


def waterfall_text(found: Waterfall, mapped: Mapped | None, start_g: float | None) -> str:
    """Return what levers leave together, with what each may cost."""
    lines = waterfall_lines(found, start_g)
    for step in found.steps:
        if step.counted:
            lever = step.pull.lever
            lines += textwrap.wrap(
                f"{lever.name}: accuracy: {lever.accuracy}; rebound: {lever.rebound}; {step.pull.source}",
                width=_WIDTH,
                initial_indent="note            ",
                subsequent_indent=" " * 16,
            )
    if mapped is None:
        return "\n".join(lines)
    if mapped.hours is None:
        lines.append(f"{'clean-hours':<16}unknown: {mapped.hours_unknown}")
    return "\n".join([*lines, f"{'map':<16}{mapped.caveat}"])
