"""Estimates as JSON and in a terminal: factors with what they rest on, energy, carbon, and the bigger levers."""

from __future__ import annotations

import textwrap
from typing import Any, Final, Protocol

from lowtide.data.levers import Lever
from lowtide.estimation.levers import Waterfall
from lowtide.estimation.ranged import Factor, Ranged
from lowtide.estimation.serving import Serving
from lowtide.estimation.training import TrainingEstimate
from lowtide.model.ledger import EmissionsBill, EmissionsSet, SciScore
from lowtide.quantities import format_duration
from lowtide.reporting.estimates_plain import plain_of
from lowtide.reporting.figures import grams, intensity, percent, plain_number, range_of

__all__ = [
    "Estimated",
    "assumption_plain",
    "emissions_lines",
    "estimate_plain",
    "estimate_text",
    "lever_line",
    "ranged_plain",
    "serving_lines",
    "serving_plain",
    "waterfall_lines",
    "waterfall_plain",
]

_WIDTH: Final = 110
_UNITS: Final = ("s/h", "W/kW")
"""Units of factors that only convert, which nobody needs to read."""


class Estimated(Protocol):
    """What is shown of an estimate."""

    @property
    def training(self) -> TrainingEstimate: ...
    @property
    def emissions(self) -> EmissionsSet: ...
    @property
    def embodied_range_g(self) -> Ranged | None: ...
    @property
    def sci(self) -> SciScore | None: ...
    @property
    def serving(self) -> Serving | None: ...
    @property
    def pulled(self) -> Waterfall | None: ...
    @property
    def levers(self) -> tuple[Lever, ...]: ...
    @property
    def drawn_kwh(self) -> Ranged | None: ...
    @property
    def n_draws(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...


def ranged_plain(amount: Ranged | None, name: str) -> dict[str, float | None]:
    """Return ``{name, low_name, high_name}``, all null for None.

    >>> ranged_plain(Ranged(low=1.0, value=2.0, high=4.0), "node_kwh")
    {'node_kwh': 2.0, 'low_node_kwh': 1.0, 'high_node_kwh': 4.0}
    """
    values = (None, None, None) if amount is None else (amount.value, amount.low, amount.high)
    return dict(zip((name, f"low_{name}", f"high_{name}"), values, strict=True))


def assumption_plain(factor: Factor) -> dict[str, Any]:
    """Return a factor with what it rests on."""
    return {
        "name": factor.name,
        "factor": factor.named,
        "value": factor.amount.value,
        "low": factor.amount.low,
        "high": factor.amount.high,
        "unit": factor.unit,
        "kind": factor.kind,
        "rests_on": factor.source,
    }


def estimate_plain(result: Estimated) -> dict[str, Any]:
    """Return the JSON of ``lowtide estimate``."""
    training = result.training
    factors = [f for f in training.all_factors if f.unit not in _UNITS]
    assumptions = [assumption_plain(f) for f in factors] + _intensity_assumptions(result.emissions)
    return {
        **ranged_plain(training.node_kwh, "node_kwh"),
        **ranged_plain(training.facility_kwh, "facility_kwh"),
        "pue": None if training.pue is None else training.pue.amount.value,
        "duration_s": None if training.hours is None else training.hours * 3600.0,
        "gpu_hours": training.gpu_hours,
        "flops": training.flops,
        "mfu": training.mfu,
        "emissions": plain_of(result.emissions),
        "embodied_range": ranged_plain(result.embodied_range_g, "g"),
        "assumptions": assumptions,
        "draws": _draws_plain(result),
        "serving": serving_plain(result.serving),
        "sci": plain_of(result.sci),
        "waterfall": None if result.pulled is None else waterfall_plain(result.pulled),
        "levers": [_lever_plain(lever) for lever in result.levers],
        "remarks": list(result.remarks),
    }


def _intensity_assumptions(emissions: EmissionsSet) -> list[dict[str, Any]]:
    bill = emissions.location or emissions.marginal
    if bill is None or bill.intensity.mean_g_per_kwh is None:
        return []
    moved = next((part for part in bill.range_parts if part.source == "intensity"), None)
    mean = bill.intensity.mean_g_per_kwh
    ends = (1.0, 1.0) if moved is None or not bill.g else (moved.low_g / bill.g, moved.high_g / bill.g)
    return [
        {
            "name": "intensity",
            "factor": "energy mix",
            "value": mean,
            "low": mean * ends[0],
            "high": mean * ends[1],
            "unit": "g/kWh",
            "kind": "given" if bill.intensity.zone is None else "published",
            "rests_on": bill.intensity.source,
        }
    ]


def _draws_plain(result: Estimated) -> dict[str, Any] | None:
    if result.drawn_kwh is None:
        return None
    of = "node" if result.training.facility_kwh is None else "facility"
    drawn = ranged_plain(result.drawn_kwh, "energy_kwh")
    return {"n": result.n_draws, "seed": result.seed, "of": of, **drawn}


def serving_plain(found: Serving | None) -> dict[str, Any] | None:
    """Return queries beside training as plain data, None for None."""
    if found is None:
        return None
    return {
        **ranged_plain(found.query_kwh, "query_kwh"),
        "rests_on": found.query_source,
        **ranged_plain(found.break_even, "break_even_queries"),
        "per_1000_queries_g": found.per_1000_g,
        "n_queries": found.n_queries,
        **ranged_plain(found.queries_kwh, "queries_kwh"),
        "queries_g": found.queries_g,
        "training_share": found.training_share,
    }


def _lever_plain(lever: Lever) -> dict[str, Any]:
    plain: dict[str, Any] = plain_of(lever)
    return plain


def waterfall_plain(found: Waterfall) -> dict[str, Any]:
    """Return the JSON of a waterfall of levers."""
    return {
        "steps": [
            {
                "lever": step.pull.lever.name,
                "m": step.pull.lever.m,
                "effect": step.pull.lever.effect,
                "factor": step.pull.factor.value,
                "low_factor": step.pull.factor.low,
                "high_factor": step.pull.factor.high,
                "rests_on": step.pull.source,
                "counted": step.counted,
                "note": step.note,
                "energy_fraction": step.energy_fraction,
                "emissions_fraction": step.carbon_fraction,
            }
            for step in found.steps
        ],
        **ranged_plain(found.energy_fraction, "energy_fraction"),
        **ranged_plain(found.carbon_fraction, "emissions_fraction"),
    }


def estimate_text(result: Estimated) -> str:
    """Return an estimate in a terminal, ending with the bigger levers."""
    training = result.training
    lines = _factor_lines(training)
    if training.gpu_hours is not None:
        lines += _labelled("time", _time_words(training))
    if training.flops is not None:
        used = "" if training.mfu is None else f", {percent(training.mfu)} of the peak used"
        lines += _labelled("arithmetic", f"{training.flops:.3g} FLOP{used}; no measure of energy by itself")
    lines += _energy_lines(result)
    lines += emissions_lines(result.emissions)
    lines += _embodied_lines(result) + serving_lines(result.serving)
    if result.sci is not None:
        lines += _labelled("sci", f"{grams(result.sci.score_g)} per {result.sci.functional_unit}")
    if result.pulled is not None:
        lines += waterfall_lines(result.pulled, _grams_of(result))
    for remark in result.remarks:
        lines += _labelled("note", remark)
    return "\n".join([*lines, *_lever_lines(result)])


def _labelled(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=f"{label:<16}",
        subsequent_indent=" " * 16,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _factor_lines(training: TrainingEstimate) -> list[str]:
    lines = []
    for factor in training.all_factors:
        if factor.unit not in _UNITS:
            words = f"{factor.name} {_amount_words(factor)}: {factor.kind}"
            if factor.source not in ("as given", "unit"):
                words += f", {factor.source}"
            lines += _labelled(factor.named, words)
    return lines


def _amount_words(factor: Factor) -> str:
    amount, unit = factor.amount, "" if factor.unit == "1" else f" {factor.unit}"
    if factor.unit == "h":
        return format_duration(amount.value * 3600.0)
    value = f"{amount.value:,.0f}" if factor.name == "accelerators" else f"{amount.value:.4g}"
    if amount.is_exact:
        return f"{value}{unit}"
    return f"{value}{unit} ({amount.low:.4g} to {amount.high:.4g})"


def _time_words(training: TrainingEstimate) -> str:
    gpu_hours = f"{plain_number(training.gpu_hours or 0.0)} GPU-hours"
    return gpu_hours if training.hours is None else f"{format_duration(training.hours * 3600.0)}, {gpu_hours}"


def _range(amount: Ranged) -> str:
    return range_of(amount.value, amount.low, amount.high, of="energy")


def _energy_lines(result: Estimated) -> list[str]:
    training, parts = result.training, []
    if training.node_kwh is not None:
        parts.append(f"{_range(training.node_kwh)} at the node")
    if training.facility_kwh is not None:
        parts.append(f"{_range(training.facility_kwh)} at the facility")
    lines = _labelled("energy", ", ".join(parts))
    if result.drawn_kwh is not None:
        drawn = f"{_range(result.drawn_kwh)}, median of {result.n_draws} draws with seed {result.seed}"
        lines += _labelled("", drawn)
    return lines


def emissions_lines(emissions: EmissionsSet) -> list[str]:
    """Return the accounts of an estimate, one a line."""
    lines = []
    for name in ("location", "marginal", "market"):
        bill: EmissionsBill | None = getattr(emissions, name)
        if bill is not None:
            lines += _labelled("carbon", f"{_bill_words(bill)} ({name})")
    if not lines:
        return _labelled("carbon", "unknown: say where with --zone KEY, or give --intensity G")
    return lines


def _bill_words(bill: EmissionsBill) -> str:
    if bill.g is None or bill.low_g is None or bill.high_g is None:
        return "unknown: the intensity has no values for that time"
    used = bill.intensity
    mean = "" if used.mean_g_per_kwh is None else f" at {intensity(used.mean_g_per_kwh)}"
    where = f", {used.zone}" if used.zone else ""
    return f"{range_of(bill.g, bill.low_g, bill.high_g, of='grams')} of the {bill.of}{mean}{where}: {used.source}"


def _embodied_lines(result: Estimated) -> list[str]:
    bill, width = result.emissions.embodied, result.embodied_range_g
    if bill is None or width is None:
        return []
    words = (
        f"{range_of(width.value, width.low, width.high, of='grams')}: {grams(bill.device_kg * 1000.0)} of hardware x "
        f"{plain_number(bill.duration_h)} h / ({plain_number(bill.lifetime_years)} years x 8760 h x "
        f"{percent(bill.utilization)} used); never added to the above"
    )
    return _labelled("embodied", words)


def serving_lines(found: Serving | None) -> list[str]:
    """Return queries beside training, a few lines; none for None."""
    if found is None:
        return []
    lines = _labelled("queries", f"{_range(found.query_kwh)} each ({found.query_source})")
    width = found.break_even
    ends = "" if width.is_exact else f" ({width.low:.3g} to {width.high:.3g})"
    lines += _labelled("", f"as much energy as training after {width.value:.3g} queries{ends}")
    if found.per_1000_g is not None:
        lines += _labelled("", f"{grams(found.per_1000_g)} per 1,000 queries")
    if found.queries_kwh is not None and found.training_share is not None:
        share = percent(found.training_share)
        g = "" if found.queries_g is None else f", {grams(found.queries_g)}"
        lines += _labelled(
            "", f"{found.n_queries:.3g} of them: {_range(found.queries_kwh)}{g}; training is {share}"
        )
    return lines


def _grams_of(result: Estimated) -> float | None:
    bill = result.emissions.location or result.emissions.marginal
    return None if bill is None else bill.g


def waterfall_lines(found: Waterfall, start_g: float | None) -> list[str]:
    """Return a waterfall of levers: what is left after each step, of `start_g` grams where known."""
    lines = []
    for step in found.steps:
        factor, lever = step.pull.factor, step.pull.lever
        divisor = f"/ {factor.value:.3g}"
        if not factor.is_exact:
            divisor += f" ({factor.low:.3g} to {factor.high:.3g})"
        left = percent(step.carbon_fraction) if start_g is None else grams(start_g * step.carbon_fraction)
        note = f"; {step.note}" if step.note else ""
        lines += _labelled(lever.m, f"{lever.name} {lever.effect} {divisor}: {left} left{note}")
    end = found.carbon_fraction
    lines += _labelled(
        "left", f"{percent(end.value)} of the carbon ({percent(end.low)} to {percent(end.high)})"
    )
    return lines


def lever_line(lever: Lever) -> str:
    """Return a lever with its range, scope and price in a sentence."""
    width = f"{lever.value:.3g}x" if lever.low == lever.high else f"{lever.low:.3g} to {lever.high:.3g}x"
    return f"{lever.name}: {width} less {lever.effect}: {lever.what}. For {lever.applies_to}. {lever.source}"


def _lever_lines(result: Estimated) -> list[str]:
    lines = ["bigger levers (lowtide levers says what each rests on)"]
    for lever in result.levers:
        width = f"{lever.low:.3g} to {lever.high:.3g}" if lever.low != lever.high else f"{lever.value:.3g}"
        hint = (
            "; lowtide plan computes it for your zones" if lever.m == "map" else f"; for {lever.applies_to}"
        )
        lines += textwrap.wrap(
            f"{lever.name}, {width} times less {lever.effect}: {lever.what}{hint}",
            width=_WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
        )
    return lines
