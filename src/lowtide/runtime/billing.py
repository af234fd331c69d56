"""From a run's record and its grid choice to its bill, its restatement, and the proof of it."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lowtide.accounting.booking import book
from lowtide.accounting.followed import window_ns
from lowtide.accounting.intensities import Intensities
from lowtide.errors import InputError, LowtideError
from lowtide.model.grid_choice import GridChoice
from lowtide.model.ledger import EmissionsBill, Entry, JoinedIntensity
from lowtide.model.pue import PueSteps
from lowtide.model.record import Record
from lowtide.model.run_plan import PlanBill
from lowtide.model.signal import STATUSES
from lowtide.quantities import format_instant
from lowtide.runtime.config import number_problem
from lowtide.runtime.grid_signals import check_intensity, fill_with_typical, intensities_for
from lowtide.series.types import IntensitySeries
from lowtide.stores.codec import from_plain, to_plain
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record, segment_hashes

if TYPE_CHECKING:
    from lowtide.runtime.grid_access import GridAccess

_ALL: Final = 1.0 - 1e-9

__all__ = [
    "bill",
    "check_intensity",
    "fill_with_typical",
    "intensities_for",
    "is_settled",
    "make_entry",
    "measured_share",
    "reprice",
    "reprice_if_better",
    "verify",
]


def make_entry(
    record: Record,
    ledger: Ledger,
    *,
    choice: GridChoice | None = None,
    pue: float | PueSteps | None = None,
    problem: str = "",
    access: GridAccess | None = None,
) -> Entry:
    """Return a bill of a record, not kept yet; without `access` providers are not asked."""
    record, no_embodied = _bookable(record)
    choice = choice or record.header.grid
    start_ns, end_ns = _window_of(record, choice)
    if choice.zone is None or choice.intensity is not None:  # the grid is not asked, and its cache stays shut
        intensities = intensities_for(choice, start_ns=start_ns, end_ns=end_ns)
    else:
        from lowtide.runtime.grid_access import cached_only

        with access or cached_only() as grid:
            intensities = intensities_for(choice, start_ns=start_ns, end_ns=end_ns, access=grid)
    return book(
        record,
        intensities,
        made=format_instant(time.time_ns()),
        segments=segment_hashes(ledger, record.header.run_id),
        version=record.header.version,
        pue=pue,
        problem="; ".join(why for why in (problem, no_embodied) if why),
    )


def _bookable(record: Record) -> tuple[Record, str]:
    """Return a record without a manufacture that cannot be billed, and why; that never costs the energy."""
    header = record.header
    numbers = {name: getattr(header, name) for name in ("embodied_kg", "lifetime_years", "utilization")}
    wrong = [
        f"{name} {value:g} {why}"
        for name, value in numbers.items()
        if value is not None and (why := number_problem(name, value))
    ]
    if not wrong:
        return record, ""
    return replace(
        record, header=replace(header, embodied_kg=None)
    ), f"no embodied emissions: {'; '.join(wrong)}"


def _window_of(record: Record, choice: GridChoice) -> tuple[int, int]:
    """Return from when to when an intensity is needed [ns]; of what providers will yet tell only what has passed."""
    until_ns = None if choice.intensity is not None else time.time_ns()
    return window_ns(record.start_ns, record.end_ns, record.end, until_ns=until_ns)


def bill(ledger: Ledger, run_id: str) -> Entry:
    """Bill a closed run and keep the entry.

    An intensity that can no longer be read costs the emissions, never the energy. Nobody waits for the network:
    what providers do not say within a moment is stood in for, and the bill is made again by a process of its own
    or by the next command, see :mod:`~lowtide.runtime.pending`.
    """
    record = read_record(ledger, run_id)
    access = _access_for(record.header.grid)
    try:
        entry = make_entry(record, ledger, access=access)
    except InputError as error:
        entry = make_entry(record, ledger, choice=GridChoice(), problem=str(error))
    if access is None:
        return replace(entry, id=ledger.add_entry(run_id, _plain(entry)))
    return _kept(ledger, run_id, entry, access)


def _access_for(choice: GridChoice) -> GridAccess | None:
    """Return the grid for a choice that asks it; None where a file says all, or no place is known."""
    if choice.zone is None or choice.intensity is not None:
        return None
    from lowtide.runtime.grid_access import at_run_end

    return at_run_end()


def _kept(ledger: Ledger, run_id: str, entry: Entry, access: GridAccess) -> Entry:
    """Keep a first bill, with a note before it and somebody at work after it if it waits for the network."""
    from lowtide.runtime.pending import ask_later, note

    waits = access.asked and not is_settled(entry, silent=bool(access.silent))
    if waits:
        note(ledger, run_id, entry.made, silent=access.silent, now_ns=time.time_ns())
    kept = replace(entry, id=ledger.add_entry(run_id, _plain(entry)))
    if waits and access.silent:
        ask_later(ledger)
    return kept


def is_settled(entry: Entry, *, silent: bool) -> bool:
    """Return whether nothing better can come: a bill rests on measured intensity alone.

    While somebody is `silent`, an account or a figure that is not there may still come.
    """
    location, marginal = entry.emissions.location, entry.emissions.marginal
    bills = [bill for bill in (location, marginal) if bill is not None]
    if not all(measured_share(bill) > _ALL for bill in bills):
        return False
    if entry.plan is not None and entry.plan.is_open:
        return False  # what its plan could have done is told by hours that are not measured yet
    lacks_direct = location is None or (location.direct_g is None and location.intensity.factors != "direct")
    return not (silent and lacks_direct)


def _plain(entry: Entry) -> dict[str, object]:
    plain: dict[str, object] = to_plain(entry)
    plain.pop("id")
    return plain


def reprice(
    ledger: Ledger,
    run_id: str,
    *,
    choice: GridChoice,
    pue: float | PueSteps | None,
    gaps: str | None = None,
    access: GridAccess | None = None,
) -> Entry:
    """Account a stored run again with another intensity or PUE; earlier bills stay, superseded.

    Parameters
    ----------
    choice : GridChoice
        The new signal.
    gaps : {"partial", "typical"}, optional
        What to do where the intensity does not cover the power; without it that is refused.
    access : GridAccess, optional
        As for :func:`~lowtide.runtime.grid_signals.intensities_for`.

    Raises
    ------
    InputError, CoverageError
    """
    entry = _accounted(ledger, run_id, choice, pue, gaps, access)
    return replace(entry, id=ledger.add_entry(run_id, _plain(entry)))


def reprice_if_better(
    ledger: Ledger,
    run_id: str,
    *,
    choice: GridChoice,
    pue: float | PueSteps | None,
    gaps: str | None = None,
    access: GridAccess | None = None,
) -> Entry | None:
    """Account a stored run again and keep that only if it rests on better values: measured before estimated,
    estimated before forecast, forecast before typical.

    Returns
    -------
    Entry or None
        The entry that was kept; None when it would be no better than the newest one.

    Raises
    ------
    InputError, CoverageError
    """
    entry = _accounted(ledger, run_id, choice, pue, gaps, access)
    if not _is_better(entry, ledger.last_entry(run_id), ledger.run_dir(run_id)):
        return None
    return replace(entry, id=ledger.add_entry(run_id, _plain(entry)))


def _accounted(
    ledger: Ledger,
    run_id: str,
    choice: GridChoice,
    pue: float | PueSteps | None,
    gaps: str | None,
    access: GridAccess | None,
) -> Entry:
    from lowtide.accounting.booking import node_energy
    from lowtide.accounting.operational import check_covers
    from lowtide.accounting.pue import check_pue_covers

    record, no_embodied = _bookable(read_record(ledger, run_id))
    start_ns, end_ns = _window_of(record, choice)
    intensities = intensities_for(choice, start_ns=start_ns, end_ns=end_ns, access=access)
    power = node_energy(record).power
    if gaps is None:
        check_pue_covers(power, pue)
    if intensities.location is not None:
        if gaps is None:
            check_covers(power, intensities.location)
        elif gaps == "typical":
            filled = fill_with_typical(intensities.location, power.start_ns, power.end_ns)
            intensities = replace(intensities, location=filled)
    return book(
        record,
        intensities,
        made=format_instant(time.time_ns()),
        segments=segment_hashes(ledger, run_id),
        version=record.header.version,
        pue=pue,
        problem=no_embodied,
    )


def measured_share(bill: EmissionsBill | None) -> float:
    """Return the share of a run's energy that is billed with measured intensity.

    >>> measured_share(None)
    0.0
    """
    if bill is None or bill.g is None:
        return 0.0
    return bill.covered_fraction * bill.status_fractions.get("measured", 0.0)


def _is_better(entry: Entry, kept: dict[str, Any] | None, path: str) -> bool:
    """Return whether a bill rests on better intensity than the one that was kept, in one account at least."""
    if kept is None:
        return True
    kept_entry = from_plain(Entry, kept, path=path)
    before, after = kept_entry.emissions, entry.emissions
    names = ("location", "marginal")
    if _tells_more(entry.plan, kept_entry.plan):
        return all(_shares(getattr(after, name)) >= _shares(getattr(before, name)) for name in names)
    return _has_new_direct(before.location, after.location) or any(
        _shares(getattr(after, name)) > _shares(getattr(before, name)) for name in names
    )


def _tells_more(after: PlanBill | None, before: PlanBill | None) -> bool:
    """Return whether more of a plan's bill is known for good."""
    return after is not None and before is not None and after.n_known > before.n_known


def _has_new_direct(before: EmissionsBill | None, after: EmissionsBill | None) -> bool:
    """Return whether the figure with direct factors is known now and was not."""
    was_known = before is not None and before.direct_g is not None
    return after is not None and after.direct_g is not None and not was_known and before is not None


def _shares(bill: EmissionsBill | None) -> tuple[float, ...]:
    """Return which share of the energy is billed with measured values, with those or estimates, and so on.

    Rounded, so that the same bill made twice is no better than itself.
    """
    if bill is None or bill.g is None:
        return (0.0,) * len(STATUSES)
    parts = [bill.covered_fraction * bill.status_fractions.get(status, 0.0) for status in STATUSES]
    return tuple(round(share, 9) for share in accumulate(parts))


def verify(ledger: Ledger, run_id: str) -> dict[str, Any]:
    """Recompute a run's newest bill from the raw readings and the kept intensity; say what differs.

    Returns
    -------
    dict
        ``ok``, ``entry``, ``differences`` (list of text), ``n_readings``, ``n_segments``.

    Raises
    ------
    LowtideError
        If the run has no bill.
    """
    plain = ledger.last_entry(run_id)
    if plain is None:
        raise LowtideError(f"run {run_id} has not been billed; `lowtide show {run_id}` bills what has ended")
    kept = from_plain(Entry, plain, path=ledger.run_dir(run_id))
    record, _ = _bookable(read_record(ledger, run_id))
    hashes = segment_hashes(ledger, run_id)
    differences = [
        f"{n}: the readings are not those that were billed"
        for n, h in kept.segments.items()
        if hashes.get(n) != h
    ]
    differences += [event.detail for event in record.events if event.kind == "damaged"]
    differences += [f"{n}: readings that were not billed" for n in hashes if n not in kept.segments]
    again = book(
        record,
        _kept_intensities(kept),
        made=kept.made,
        segments=kept.segments,
        version=kept.version,
        pue=kept.pue if kept.pue_steps is None else kept.pue_steps,
        problem=kept.problem,
    )
    differences += _differences(to_plain(replace(again, id=kept.id)), to_plain(kept))
    return {
        "run_id": run_id,
        "ok": not differences,
        "entry": kept.id,
        "differences": differences,
        "n_readings": record.n_readings,
        "n_segments": len(hashes),
    }


def _kept_intensities(entry: Entry) -> Intensities:
    def series(name: str) -> IntensitySeries | None:
        joined: JoinedIntensity | None = entry.joined.get(name)
        signal = entry.signals.get(name)
        if joined is None or signal is None:
            return None
        return IntensitySeries(
            edges_ns=np.array(joined.edges_ns, dtype=np.int64),
            intensity_g_per_kwh=np.array(joined.intensity_g_per_kwh, dtype=np.float64),
            status=np.array(joined.status, dtype=np.uint8),
            signal=signal,
        )

    return Intensities(
        location=series("location"),
        direct=series("direct"),
        marginal=series("marginal"),
        market=series("market"),
    )


def _differences(again: object, kept: object, where: str = "") -> list[str]:
    if isinstance(again, dict) and isinstance(kept, dict):
        keys = {**again, **kept}
        return [
            d
            for key in keys
            for d in _differences(again.get(key), kept.get(key), f"{where}.{key}" if where else key)
        ]
    if isinstance(again, list) and isinstance(kept, list) and len(again) == len(kept):
        pairs = zip(again, kept, strict=True)
        return [d for i, (a, k) in enumerate(pairs) for d in _differences(a, k, f"{where}[{i}]")]
    return [] if again == kept else [f"{where}: kept {kept!r}, recomputed {again!r}"]
