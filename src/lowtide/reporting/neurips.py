"""The answer to the NeurIPS checklist's item 8, compute resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lowtide.quantities import format_duration
from lowtide.reporting.figures import data_size, energy, plain_number
from lowtide.reporting.hardware import gpu_names, hardware_words
from lowtide.reporting.latex import escaped
from lowtide.reporting.totals import totals_of
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import clean

__all__ = ["report_neurips"]

_QUESTION = (
    "For each experiment, does the paper provide sufficient information on the computer resources "
    "(type of compute workers, memory, time of execution) needed to reproduce the experiments?"
)
_TO_FILL_IN = (
    "Not recorded, please complete: whether the machines are an internal cluster's or a cloud provider's; the "
    "kind and size of their storage; which of the runs are in the paper; what was run without being recorded."
)


def report_neurips(views: Sequence[RunView], equivalences: bool) -> str:
    """Return the item in LaTeX: workers and memory, compute of each run and in all, failed runs.

    Equivalences have no place in it. Hosts and commands are left out: papers are reviewed blind.
    """
    if not views:
        return "% There are no runs to report.\n"
    sentences = [_workers(views), *_storage(views), _each(views), *_total(views), _failed(views)]
    justification = escaped(" ".join(sentences)).replace("CO2e", r"CO\textsubscript{2}e")
    return (
        "\\item {\\bf Experiments compute resources}\n"
        f"    \\item[] Question: {escaped(_QUESTION)}\n"
        "    \\item[] Answer: \\answerYes{}\n"
        f"    \\item[] Justification: {justification}\n"
        f"% {_TO_FILL_IN}\n"
    )


def _workers(views: Sequence[RunView]) -> str:
    kind = "GPU" if any(gpu_names(view) for view in views) else "CPU"
    return f"Compute workers ({kind}): {'; or '.join(hardware_words(views))}."


def _storage(views: Sequence[RunView]) -> list[str]:
    ends = [view.end.telemetry for view in views if view.end is not None]
    peaks = [t.peak_memory_bytes for t in ends if t.peak_memory_bytes is not None]
    written = [t.disk_write_bytes for t in ends if t.disk_write_bytes is not None]
    words = [f"used up to {data_size(max(peaks))} of memory"] if peaks else []
    words += [f"wrote up to {data_size(max(written))} to disk"] if written else []
    return [f"A run {' and '.join(words)}."] if words else []


def _each(views: Sequence[RunView]) -> str:
    """Return the compute of each run, runs of one name together."""
    by_name: dict[str, list[RunView]] = {}
    for view in views:
        by_name.setdefault(clean(view.header.name), []).append(view)
    return f"Compute of each run: {'; '.join(_named(name, group) for name, group in by_name.items())}."


def _named(name: str, group: Sequence[RunView]) -> str:
    durations = [view.duration_s for view in group if view.duration_s is not None]
    drawn = [view.entry.energy.total_kwh for view in group if view.entry is not None]
    many = f"{len(group)} runs, each " if len(group) > 1 else ""
    time = (
        _between([format_duration(s) for s in (min(durations), max(durations))]) if durations else "not ended"
    )
    power = _between([energy(kwh) for kwh in (min(drawn), max(drawn))]) if drawn else "energy unknown"
    return f"{name}: {many}{time}, {power}"


def _between(ends: Sequence[str]) -> str:
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _total(views: Sequence[RunView]) -> list[str]:
    totals = totals_of(views)
    energy_words, carbon_words = totals.words()[:2]
    words = [f"In total, {energy_words}.", f"Emissions: {carbon_words}."]
    gpu_h = [
        len(gpu_names(v)) * v.duration_s / 3600.0 for v in views if gpu_names(v) and v.duration_s is not None
    ]
    return [*words, f"That is {plain_number(sum(gpu_h))} GPU-hours."] if gpu_h else words


def _failed(views: Sequence[RunView]) -> str:
    bad = [view for view in views if view.status != "finished"]
    if not bad:
        return "No recorded run failed; all of them are in these figures."
    seconds = sum(view.duration_s or 0.0 for view in bad)
    drawn = [view.entry.energy.total_kwh for view in bad if view.entry is not None]
    cost = f", {energy(sum(drawn))}" if drawn else ""
    kinds = Counter(view.status for view in bad)
    named = ", ".join(f"{n} {status}" for status, n in kinds.items())
    return f"Of the runs, {len(bad)} did not finish ({named}; {format_duration(seconds)}{cost}); the total has them."
