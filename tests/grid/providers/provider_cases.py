"""The providers and what was saved of each: replies in the documented shape with numbers of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lowtide.grid.providers import (
    carbon_aware_sdk,
    eia,
    electricitymaps,
    energy_charts,
    entsoe,
    gb,
    openelectricity,
    watttime,
)
from lowtide.testing.provider_cases import Case, read_case

REPLIES = Path(__file__).resolve().parents[2] / "replies"
PROVIDERS: dict[str, Any] = {
    provider.name: provider
    for provider in (
        electricitymaps.V4,
        electricitymaps.V3,
        watttime.PROVIDER,
        gb.PROVIDER,
        energy_charts.PROVIDER,
        eia.PROVIDER,
        entsoe.PROVIDER,
        openelectricity.PROVIDER,
        carbon_aware_sdk.PROVIDER,
    )
}


def cases_of(name: str) -> dict[str, Case]:
    """Return what was saved of a provider, by file name."""
    return {path.stem: read_case(path) for path in sorted((REPLIES / name).glob("*.json"))}
