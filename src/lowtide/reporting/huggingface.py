"""The ``co2_eq_emissions`` block of a Hugging Face model card, in grams as the card wants it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from lowtide.data.zones import zone as find_zone
from lowtide.errors import ZoneError
from lowtide.reporting.figures import percent
from lowtide.reporting.hardware import hardware_words
from lowtide.reporting.totals import CarbonSum, Totals, totals_of
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import clean, no_carbon_words, primary_bill

__all__ = ["report_huggingface"]


def report_huggingface(views: Sequence[RunView], equivalences: bool) -> str:
    """Return the YAML front matter, or a comment that says why there is none.

    The card has one figure for one model, so the block is the sum over the runs and stands only where the
    carbon of each of them is known and may be summed. ``training_type`` is written where all runs carry
    the tag of that name. A card has no place for equivalences.
    """
    totals = totals_of(views)
    problem = _problem(views, totals)
    if problem or totals.carbon is None:
        return f"# no co2_eq_emissions: {problem}\n"
    carbon = totals.carbon
    lines = [
        f"emissions: {_decimal(carbon.g)}  # grams of CO2e, 90 % interval {_decimal(carbon.low_g)} to "
        f"{_decimal(carbon.high_g)}",
        f"source: {_quoted(_source(views, totals, carbon))}",
        *_training_type(views),
        *_location(carbon),
        f"hardware_used: {_quoted('; '.join(hardware_words(views)))}",
    ]
    block = "".join(f"  {line}\n" for line in lines)
    return f"---\nco2_eq_emissions:\n{block}---\n"


def _problem(views: Sequence[RunView], totals: Totals) -> str:
    """Return why there can be no block."""
    if not views:
        return "there are no runs"
    unknown = [view for view in views if no_carbon_words(view)]
    if unknown:
        more = f" (and that of {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        return (
            f"the carbon of {clean(unknown[0].header.name)} is unknown{more}: {no_carbon_words(unknown[0])}"
        )
    if totals.carbon is None:
        return (
            "basis, factors or boundary differ between the runs, so they cannot be summed; report them apart"
        )
    return ""


def _decimal(g: float) -> str:
    """Return six significant digits without an exponent, which YAML 1.1 would read as text."""
    return f"{Decimal(f'{g:.6g}'):f}"


def _quoted(text: str) -> str:
    """Return text as a double-quoted YAML scalar."""
    safe = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"'


def _source(views: Sequence[RunView], totals: Totals, carbon: CarbonSum) -> str:
    versions = ", ".join(sorted({v.entry.version for v in views if v.entry is not None and v.entry.version}))
    factors = "factors unknown" if carbon.factors == "unknown" else f"{carbon.factors} factors"
    words = [
        f"lowtide {versions}".strip(),
        f"{percent(totals.measured_fraction or 0.0)} of the energy measured",
        f"{carbon.basis} intensity, {factors}, energy of the {carbon.of}",
        *dict.fromkeys(b.intensity.source for v in views if (b := primary_bill(v.entry)) is not None),
    ]
    if totals.covered_fraction is not None and totals.covered_fraction < 0.9995:
        words.append(f"covers {percent(totals.covered_fraction)} of the energy")
    running = sum(view.status == "running" for view in views)
    return "; ".join([*words, f"{running} run(s) still going on"] if running else words)


def _training_type(views: Sequence[RunView]) -> list[str]:
    types = {dict(view.header.tags).get("training_type") for view in views}
    only = types.pop() if len(types) == 1 else None
    return [f"training_type: {_quoted(only)}"] if only else []


def _location(carbon: CarbonSum) -> list[str]:
    places = [_place(zone) for zone in carbon.zones if zone is not None]
    return [f"geographical_location: {_quoted('; '.join(places))}"] if places else []


def _place(zone: str) -> str:
    try:
        found = find_zone(zone)
    except ZoneError:
        return zone  # a zone of the user's own file
    country = "" if found.country == found.name else f", {found.country}"
    return f"{found.name}{country} ({found.key})"
