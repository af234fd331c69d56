"""A carbon impact statement in plain LaTeX, with the data sources as BibTeX comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lowtide.quantities import format_duration
from lowtide.reporting.equivalences import equivalence_lines
from lowtide.reporting.figures import percent, range_of
from lowtide.reporting.hardware import hardware_words
from lowtide.reporting.sources import sources_of, unnamed_sources
from lowtide.reporting.totals import CarbonSum, Totals, totals_of
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import clean, no_carbon_words, primary_bill, source_words

__all__ = ["bibtex_comments", "escaped", "report_latex"]

_ESCAPES: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': r"\char34{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def report_latex(views: Sequence[RunView], equivalences: bool) -> str:
    """Return a paragraph for a paper, then the sources as comments to copy into a bibliography.

    Needs no package. Names of hosts and commands are left out: papers are reviewed blind.
    """
    if not views:
        return "% There are no runs to report.\n"
    totals = totals_of(views)
    sentences = [_energy(views, totals), _carbon(views, totals), *_unknown(views), _excluded(views)]
    if equivalences and totals.g is not None:
        sentences += [f"In other words: {line}." for line in equivalence_lines(totals.g)]
    body = " ".join(escaped(sentence).replace("CO2e", r"CO\textsubscript{2}e") for sentence in sentences)
    return f"\\paragraph{{Carbon impact statement.}}\n{body}\n\n{bibtex_comments(views)}"


def escaped(text: str) -> str:
    r"""Return text in which no character means anything to LaTeX.

    >>> escaped("50 % of a_b")
    '50 \\% of a\\_b'
    """
    return "".join(_ESCAPES.get(c, c) for c in text).replace("--", "-{}-")


def bibtex_comments(views: Sequence[RunView]) -> str:
    """Return the sources the figures rest on as BibTeX in comments."""
    lines = [line for source in sources_of(views, without="direct") for line in source.bibtex().splitlines()]
    lines += [f"Given by the user: {clean(source)}" for source in unnamed_sources(views)]
    if not lines:
        return "% No data source was used.\n"
    return "".join(f"% {line}\n" for line in ["Data behind the figures:", *lines])


def _energy(views: Sequence[RunView], totals: Totals) -> str:
    bad = {status: n for status, n in totals.by_status.items() if n and status != "finished"}
    runs = f"{totals.n_runs} runs" if totals.n_runs > 1 else "one run"
    included = ", ".join(f"{n} {status}" for status, n in bad.items()) + " included"
    runs += f" ({included if totals.n_runs > 1 else next(iter(bad))})" if bad else ""
    took = format_duration(totals.hours * 3600.0)
    words = f"This work took {runs}, {took} in all, on {' and on '.join(hardware_words(views))}."
    if not totals.energies:
        return f"{words} The energy is unknown."
    sums = [
        f"{range_of(e.kwh, e.low_kwh, e.high_kwh, of='energy')} at the {e.boundary}" for e in totals.energies
    ]
    measured = percent(totals.measured_fraction or 0.0)
    return f"{words} The energy drawn is {' and '.join(sums)}, of which {measured} was measured, the rest modelled."


def _carbon(views: Sequence[RunView], totals: Totals) -> str:
    if not totals.n_known_carbon:
        return "The emissions are unknown."
    if totals.carbon is None:
        parts = "; ".join(_sum_words(group) for group in totals.groups)
        return f"The emissions are not one sum, since basis, factors or boundary differ: {parts}."
    covered = totals.covered_fraction
    limit = "" if covered is None or covered >= 0.9995 else f", for {percent(covered)} of the energy"
    rests = dict.fromkeys(
        source_words(bill.intensity)
        for view in views
        if (bill := primary_bill(view.entry)) is not None and bill.g is not None
    )
    return (
        f"The operational emissions are {_sum_words(totals.carbon)}{limit}, as power times the intensity at "
        f"the time ({'; '.join(rests)}). Ranges are 90 % intervals"
        + ("; those of runs are added, since they err alike." if totals.n_runs > 1 else ".")
    )


def _sum_words(part: CarbonSum) -> str:
    zones = ", ".join(zone or "no zone named" for zone in part.zones)
    basis = f"{part.account}-based" if part.account == "market" else part.basis
    factors = "factors unknown" if part.factors == "unknown" else f"{part.factors} factors"
    amount = range_of(part.g, part.low_g, part.high_g, of="grams")
    return f"{amount} CO2e (grid: {zones}; {basis} intensity, {factors}, energy of the {part.of})"


def _unknown(views: Sequence[RunView]) -> list[str]:
    n = sum(bool(no_carbon_words(view)) for view in views)
    if not n or n == len(views):
        return []
    return [f"The emissions of {n} run{'s' if n > 1 else ''} are unknown and not in the sum."]


def _excluded(views: Sequence[RunView]) -> str:
    entries = [view.entry for view in views if view.entry is not None]
    out = []
    without = [
        entry for entry in entries if entry.facility_kwh is None and entry.energy.boundary != "facility"
    ]
    if without or not entries:
        some = " for some of the runs" if len(without) < len(entries) else ""
        out.append(f"cooling and power distribution of the building (no PUE is known{some})")
    if not any(entry.emissions.embodied is not None for entry in entries):
        out.append("the manufacture of the hardware")
    return f"Not included: {', '.join([*out, 'network and storage outside the machine'])}."
