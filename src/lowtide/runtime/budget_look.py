"""A look at how much of its budget a run has used: done in a child, by the code that makes the bill."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, Final

from lowtide.accounting.booking import book, node_energy
from lowtide.errors import LowtideError, NothingRecordedError
from lowtide.model.budget import Budget
from lowtide.model.record import Record, RunHeader
from lowtide.runtime.grid_access import at_run_end
from lowtide.runtime.grid_signals import intensities_for
from lowtide.stores.codec import to_plain, write_json
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import open_segments, record_from

__all__ = ["Used", "leave_look", "used_so_far"]

_NICE: Final = 10
_OOM_FIRST: Final = "1000"
_COVERED: Final = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a run has used of its budget up to its last reading.

    Attributes
    ----------
    t_ns, start_ns : int
        Last and first reading [ns]; 0 before there are two.
    used : float or None
        In the unit of the limit; None is unknown.
    why : str
        What is unknown, in words.
    """

    t_ns: int = 0
    start_ns: int = 0
    used: float | None = None
    why: str = ""


def leave_look(question: dict[str, Any], path: str) -> None:
    """Look, and leave what was seen in a file; the job comes first, for the CPU and where memory runs out."""
    os.nice(_NICE)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(_OOM_FIRST)  # a look at a month takes 900 MB
    seen = used_so_far(question["ledger"], question["header"], question["budget"])
    write_json(path, to_plain(seen))


def used_so_far(ledger: Ledger, header: RunHeader, budget: Budget) -> Used:
    """Return what a run of this node has used up to its last reading, as its bill would say."""
    try:
        segments, problems = open_segments(ledger, header)
        record = record_from(header, None, segments, problems, header.journal_dir)
        used, why = _energy(record) if budget.limit_kwh is not None else _carbon(record)
    except NothingRecordedError:
        return Used()
    except LowtideError as error:
        return Used(why=" ".join(str(error).split()))
    return Used(t_ns=record.end_ns, start_ns=record.start_ns, used=used, why=why)


def _energy(record: Record) -> tuple[float, str]:
    return node_energy(record).bill.total_kwh, ""


def _carbon(record: Record) -> tuple[float | None, str]:
    choice, access = record.header.grid, None
    if choice.zone is not None and choice.intensity is None:
        access = at_run_end()
    start_ns, end_ns = record.start_ns, record.end_ns
    if access is None:
        given = intensities_for(choice, start_ns=start_ns, end_ns=end_ns)
    else:
        with access as grid:
            given = intensities_for(choice, start_ns=start_ns, end_ns=end_ns, access=grid)
    emissions = book(record, given, made="", segments={}, version=record.header.version).emissions
    bill = emissions.location or emissions.marginal
    if bill is None or bill.g is None:
        return None, "no intensity is known for the time of the run"
    part = (
        f"intensity is known for {100.0 * bill.covered_fraction:.0f} % of the energy, which alone is counted"
    )
    return bill.g, "" if bill.covered_fraction > _COVERED else part
