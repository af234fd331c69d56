"""Words about a run that several reports share, each with one meaning everywhere."""

from __future__ import annotations

from typing import Final

from lowtide.model.ledger import EmissionsBill, EnergyBill, Entry, IntensityUsed, RangePart
from lowtide.model.record import RunEnd
from lowtide.quantities import format_instant
from lowtide.reporting.figures import intensity, percent
from lowtide.reporting.view import RunView

__all__ = [
    "clean",
    "command_words",
    "covers_all",
    "factors_words",
    "is_log",
    "method_words",
    "minute",
    "no_carbon_words",
    "no_grams_words",
    "primary_bill",
    "range_parts",
    "second",
    "shortened",
    "signal_words",
    "source_words",
    "status_words",
    "value_status_words",
    "value_words",
    "where_words",
]

_ALL_COVERED: Final = 0.9995
HOW_TO_SAY_WHERE: Final = (
    'say where the power is drawn: --zone DE, LOWTIDE_ZONE=DE, or zone = "DE" in lowtide.toml'
)


def clean(text: str) -> str:
    """Return text on one line, with a question mark for what no terminal or document should get.

    >>> clean("a\\n  b\\x1b[31m")
    'a b?[31m'
    """
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in line)


def shortened(text: str, length: int) -> str:
    """Return text cut to a length, with dots where it was cut.

    >>> shortened("python train.py", 10)
    'python ...'
    """
    return text if len(text) <= length else f"{text[: max(0, length - 3)]}..."


def command_words(view: RunView, *, length: int = 160) -> str:
    """Return the command as it would be typed, on one line."""
    import shlex

    return shortened(clean(shlex.join(view.header.command)), length)


def method_words(bill: EnergyBill, component: str, *, cpu_source: str = "") -> str:
    """Return how a component's energy came about and who says so; `cpu_source` is of the CPU model."""
    kind, note = bill.method[component], clean(bill.method_notes.get(component, ""))
    source = f"; {clean(cpu_source)}" if component == "cpu" and kind == "modelled" and cpu_source else ""
    return f"{kind}: {note}{source}" if note else kind


def minute(t_ns: int) -> str:
    """Return an instant to the minute, UTC.

    >>> minute(90_000_000_000)
    '1970-01-01T00:01Z'
    """
    return f"{format_instant(t_ns)[:16]}Z"


def second(t_ns: int) -> str:
    """Return an instant to the second, UTC."""
    return f"{format_instant(t_ns)[:19]}Z"


def status_words(view: RunView) -> str:
    """Return how the run stands, with its exit status or signal where it ended badly."""
    end: RunEnd | None = view.end
    if end is not None and view.status == "failed" and end.exit_code is not None:
        return f"failed (exit {end.exit_code})"
    if end is not None and view.status == "killed":
        return f"killed (signal {end.signal})"
    return view.status


def primary_bill(entry: Entry | None) -> EmissionsBill | None:
    """Return the account a run's carbon is stated with: the location's, else the marginal one."""
    return None if entry is None else entry.emissions.location or entry.emissions.marginal


def no_carbon_words(view: RunView) -> str:
    """Return why a run's carbon is unknown; empty when it is known."""
    if view.entry is None:
        return "nothing was recorded"
    why = no_grams_words(primary_bill(view.entry))
    return why and (clean(view.entry.problem) or why)


def no_grams_words(bill: EmissionsBill | None) -> str:
    """Return why an account has no grams; empty when it has."""
    if bill is None:
        return f"no zone; {HOW_TO_SAY_WHERE}"
    if bill.g is None:
        return f"{clean(bill.intensity.source)} has no value for the time of the run"
    return ""


def is_log(view: RunView) -> bool:
    """Return whether the run is a power log that was accounted, so that nothing is known of its machine."""
    return view.entry is not None and view.entry.energy.attribution is None


def covers_all(bill: EmissionsBill) -> bool:
    """Return whether the intensity is known for all of the energy."""
    return bill.covered_fraction >= _ALL_COVERED


def range_parts(bill: EmissionsBill) -> list[RangePart]:
    """Return the sources of error that move a bill at all."""
    return [part for part in bill.range_parts if part.low_g != part.high_g]


def factors_words(used: IntensityUsed) -> str:
    """Return basis and factors, saying so where the factors are unknown."""
    return f"{used.basis} {used.factors if used.factors != 'unknown' else '(factors unknown)'}"


def where_words(used: IntensityUsed) -> str:
    """Return the zone, or that none was named."""
    return used.zone or "no zone named"


def value_words(used: IntensityUsed) -> str:
    """Return the mean intensity over the run's energy."""
    return "intensity unknown" if used.mean_g_per_kwh is None else intensity(used.mean_g_per_kwh)


def source_words(used: IntensityUsed) -> str:
    """Return source and vintage."""
    return clean(f"{used.source} ({used.vintage})" if used.vintage else used.source)


def value_status_words(bill: EmissionsBill) -> str:
    """Return which statuses a bill's intensity has: one word, or each with its share."""
    if bill.intensity.source.startswith("constant"):
        return "given by hand"
    present = [(name, share) for name, share in bill.status_fractions.items() if share > 0.0]
    if len(present) == 1:
        return present[0][0]
    return ", ".join(f"{name} {percent(share)}" for name, share in present)


def signal_words(bill: EmissionsBill) -> str:
    """Return zone, basis, factors, mean, status and vintage of the intensity behind a bill."""
    used = bill.intensity
    words = f"{where_words(used)}, {factors_words(used)}, {value_words(used)}"
    status = value_status_words(bill)
    vintage = f" ({clean(used.vintage)})" if used.vintage else ""
    return f"{words}, {status}{vintage}" if status else f"{words}{vintage}"
