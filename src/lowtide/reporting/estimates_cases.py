"""Replayed cases as JSON and as a table: ours, the printed figure, the difference, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lowtide.data.cases import Case
from lowtide.estimation.cases import Replay
from lowtide.estimation.levers import bigger_levers
from lowtide.model.ledger import EmissionsBill, EmissionsSet, IntensityUsed
from lowtide.reporting.estimates_plain import plain_of
from lowtide.reporting.figures import energy, grams, percent

__all__ = ["cases_plain", "cases_text"]


def _bill(replay: Replay, g: float | None, g_per_kwh: float | None, account: str) -> EmissionsBill | None:
    if g is None or g_per_kwh is None:
        return None
    of = "facility" if replay.facility_kwh is not None else replay.case.boundary
    return EmissionsBill(
        g=g,
        low_g=g,
        high_g=g,
        of="facility" if of == "facility" else "gpu" if of == "gpu" else "node",
        covered_fraction=1.0,
        status_fractions={"measured": 0.0, "estimated": 1.0, "forecast": 0.0, "typical": 0.0},
        intensity=IntensityUsed(
            zone=None,
            basis="average",
            factors="unknown",
            flow="unknown",
            vintage=str(replay.case.year),
            source=f"{replay.case.source}, {account}",
            time_resolved=False,
            mean_g_per_kwh=g_per_kwh,
        ),
        range_note="the inputs of a paper, which states no range",
    )


def _emissions(replay: Replay) -> EmissionsSet:
    case = replay.case
    return EmissionsSet(
        location=_bill(replay, replay.gross_g, case.intensity_g_per_kwh, "gross"),
        market=_bill(
            replay, replay.net_g, case.net_g_per_kwh, "net of carbon-free energy matched by the hour"
        ),
    )


def _assumptions(case: Case) -> list[dict[str, Any]]:
    rows = (
        ("accelerators", "processors", case.n, "1"),
        ("duration", "program", case.hours, "h"),
        ("power per accelerator", "speed and power", case.power_w, "W"),
        ("energy as printed", "program", case.given_kwh, "kWh"),
        ("PUE", "data centre", case.pue, "1"),
        ("intensity", "energy mix", case.intensity_g_per_kwh, "g/kWh"),
    )
    return [
        {"name": name, "factor": named, "value": value, "low": value, "high": value, "unit": unit,
         "kind": "published", "rests_on": case.source}
        for name, named, value, unit in rows
        if value is not None
    ]  # fmt: skip


def _case_plain(replay: Replay) -> dict[str, Any]:
    case = replay.case
    return {
        "case": case.name,
        "title": case.title,
        "method": case.method,
        "boundary": case.boundary or None,
        "energy_kwh": replay.energy_kwh,
        "node_kwh": replay.energy_kwh if case.boundary == "node" else None,
        "facility_kwh": replay.facility_kwh,
        "emissions": plain_of(_emissions(replay)),
        "embodied_g": replay.gross_g if case.method == "embodied" else None,
        "assumptions": _assumptions(case),
        "published": {
            "energy_kwh": case.published_kwh,
            "of": case.published_of or None,
            "emissions_g": None if case.published_kg is None else case.published_kg * 1000.0,
            "net_emissions_g": None if case.published_net_kg is None else case.published_net_kg * 1000.0,
        },
        "energy_difference_fraction": replay.energy_difference,
        "emissions_difference_fraction": replay.gross_difference,
        "net_emissions_difference_fraction": replay.net_difference,
        "tolerance_fraction": case.tolerance,
        "agrees": replay.agrees,
        "why": case.why,
        "source": case.source,
    }


def cases_plain(replays: Sequence[Replay]) -> dict[str, Any]:
    """Return the JSON of ``lowtide estimate --case``: one case at the top, several under ``cases``."""
    plain = [_case_plain(replay) for replay in replays]
    if len(plain) == 1:
        return {**plain[0], "levers": [plain_of(lever) for lever in _levers(replays[0].case)]}
    return {"cases": plain}


def _levers(case: Case) -> list[Any]:
    # printed trainings ran on accelerators in 16 bit or brain floats; what was left to them is the rest
    return bigger_levers(pulled=("gpu-for-cpu", "algorithmic"), pue=case.pue, n=3)


def cases_text(replays: Sequence[Replay]) -> str:
    """Return cases in a terminal."""
    lines: list[str] = []
    for replay in replays:
        lines += _case_lines(replay)
    if len(replays) == 1:
        lines.append("bigger levers (lowtide levers says what each rests on)")
        for lever in _levers(replays[0].case):
            low, high = f"{lever.low:.3g}", f"{lever.high:.3g}"
            times = low if low == high else f"{low} to {high}"
            lines.append(f"  {lever.name}, {times} times less {lever.effect}: {lever.what}")
    return "\n".join(lines)


def _case_lines(replay: Replay) -> list[str]:
    case = replay.case
    lines = [f"{case.title} ({case.name})", f"  inputs      {_inputs(case)}"]
    rows = (
        (
            f"energy ({case.published_of})",
            replay.compared_kwh,
            case.published_kwh,
            replay.energy_difference,
            energy,
        ),
        ("carbon", replay.gross_g, _g(case.published_kg), replay.gross_difference, grams),
        ("carbon, net", replay.net_g, _g(case.published_net_kg), replay.net_difference, grams),
    )
    for label, ours, printed, difference, words in rows:
        if ours is None:
            continue
        if case.net_g_per_kwh == case.intensity_g_per_kwh and label == "carbon, net":
            continue
        against = "not printed" if printed is None else f"printed {words(printed)}"
        off = "" if difference is None else f", {percent(difference, signed=True)}"
        lines.append(f"  {label:<18} {words(ours):>9}, {against}{off}")
    verdict = _verdict(replay)
    return [*lines, f"  {verdict}: {case.why}", f"  source      {case.source}"]


def _verdict(replay: Replay) -> str:
    if replay.case.tolerance is None:
        return "design power is an upper bound"
    bound = f"{replay.case.tolerance * 100:.2g} %"
    return f"agrees within {bound}" if replay.agrees else f"DIFFERS by more than {bound}"


def _g(kg: float | None) -> float | None:
    return None if kg is None else kg * 1000.0


def _inputs(case: Case) -> str:
    if case.given_kwh is not None:
        parts = [f"{energy(case.given_kwh)} as printed"]
    else:
        parts = [f"{case.n:,.0f} x {case.accelerator}", f"{case.hours:,.6g} h"]
        parts += [] if case.power_w is None else [f"{case.power_w:.5g} W each at the {case.boundary}"]
    parts += [] if case.pue is None else [f"PUE {case.pue:g}"]
    parts += [] if case.intensity_g_per_kwh is None else [f"{case.intensity_g_per_kwh:.4g} g/kWh"]
    return ", ".join(parts)
