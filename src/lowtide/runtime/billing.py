"""From a run's record and its grid choice to its bill, its restatement, and the proof of it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from lowtide.accounting.booking import Intensities, book
from lowtide.errors import InputError, LowtideError
from lowtide.model.ledger import Entry, JoinedIntensity
from lowtide.model.record import GridChoice, Record
from lowtide.quantities import format_instant
from lowtide.series.types import IntensitySeries
from lowtide.stores.codec import from_plain, to_plain
from lowtide.stores.ledger import Ledger
from lowtide.stores.records import read_record, segment_hashes

__all__ = ["bill", "intensities_for", "make_entry", "reprice", "verify"]


_FactorsAsked = Literal["lifecycle", "direct"] | None


def _from_input(
    text: str, choice: GridChoice, factors: _FactorsAsked, start_ns: int, end_ns: int
) -> IntensitySeries:
    """Return the intensity of a file or constant as the user gave it."""
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.files import constant_g_per_kwh, read_intensity

    is_number = constant_g_per_kwh(text) is not None and not os.path.exists(text)
    series = read_intensity(
        text,
        zone=None if is_number else choice.zone,
        basis=choice.basis,
        factors=factors,
        resolve=resolve_zone,
        window_ns=(start_ns, end_ns),
    )
    if is_number and choice.zone is not None:
        series = replace(series, signal=replace(series.signal, zone=choice.zone))
    return series


def intensities_for(choice: GridChoice, *, start_ns: int, end_ns: int) -> Intensities:
    """Return the signals for a window, each None where there is none.

    Raises
    ------
    InputError
        If a file cannot be read, or the zone has no values.
    """
    location = _location(choice, choice.factors, start_ns, end_ns)
    market = None
    if choice.market is not None:
        given = replace(choice, zone=None, basis=None)
        market = _from_input(choice.market, given, None, start_ns, end_ns)
    if location is None or location.signal.basis == "marginal":
        return Intensities(marginal=location, market=market)
    direct = _direct_beside(choice, location, start_ns, end_ns)
    return Intensities(location=location, direct=direct, market=market)


def _direct_beside(
    choice: GridChoice, location: IntensitySeries, start_ns: int, end_ns: int
) -> IntensitySeries | None:
    """Return the same signal with direct factors, None where the source has none."""
    if location.signal.factors != "lifecycle" or choice.factors == "direct":
        return None
    try:
        direct = _location(choice, "direct", start_ns, end_ns)
    except InputError:
        return None  # the figure beside is simply not there
    return direct if direct is not None and direct.signal.factors == "direct" else None


def _location(
    choice: GridChoice, factors: _FactorsAsked, start_ns: int, end_ns: int
) -> IntensitySeries | None:
    if choice.intensity is not None:
        return _from_input(choice.intensity, choice, factors, start_ns, end_ns)
    if choice.zone is None:
        return None
    if choice.basis == "marginal":
        raise InputError("typical intensity is average only; give a marginal one with --intensity FILE")
    from lowtide.grid.typical import typical_intensity

    return typical_intensity(choice.zone, start_ns, end_ns, factors=factors or "lifecycle")


def check_intensity(choice: GridChoice) -> None:
    """Read the intensity a run would be billed with, so that a mistake shows before the run.

    Raises
    ------
    InputError
        As :func:`intensities_for`.
    """
    now_ns = time.time_ns()
    intensities_for(choice, start_ns=now_ns, end_ns=now_ns + 3_600_000_000_000)


def make_entry(
    record: Record,
    ledger: Ledger,
    *,
    choice: GridChoice | None = None,
    pue: float | None = None,
    problem: str = "",
) -> Entry:
    """Return a bill of a record, not kept yet."""
    choice = choice or record.header.grid
    intensities = intensities_for(choice, start_ns=record.start_ns, end_ns=record.end_ns)
    return book(
        record,
        intensities,
        made=format_instant(time.time_ns()),
        segments=segment_hashes(ledger, record.header.run_id),
        version=record.header.version,
        pue=pue,
        problem=problem,
    )


def bill(ledger: Ledger, run_id: str) -> Entry:
    """Bill a closed run and keep the entry.

    An intensity that can no longer be read costs the emissions, never the energy.
    """
    record = read_record(ledger, run_id)
    try:
        entry = make_entry(record, ledger)
    except InputError as error:
        entry = make_entry(record, ledger, choice=GridChoice(), problem=str(error))
    return replace(entry, id=ledger.add_entry(run_id, _plain(entry)))


def _plain(entry: Entry) -> dict[str, object]:
    plain: dict[str, object] = to_plain(entry)
    plain.pop("id")
    return plain


def reprice(
    ledger: Ledger, run_id: str, *, choice: GridChoice, pue: float | None, gaps: str | None = None
) -> Entry:
    """Account a stored run again with another intensity or PUE; earlier bills stay, superseded.

    Parameters
    ----------
    choice : GridChoice
        The new signal.
    gaps : {"partial", "typical"}, optional
        What to do where the intensity does not cover the power; without it that is refused.

    Raises
    ------
    InputError, CoverageError
    """
    from lowtide.accounting.booking import node_energy
    from lowtide.accounting.operational import check_covers

    record = read_record(ledger, run_id)
    intensities = intensities_for(choice, start_ns=record.start_ns, end_ns=record.end_ns)
    power = node_energy(record).power
    if intensities.location is not None:
        if gaps is None:
            check_covers(power, intensities.location)
        elif gaps == "typical":
            filled = fill_with_typical(intensities.location, power.start_ns, power.end_ns)
            intensities = replace(intensities, location=filled)
    entry = book(
        record,
        intensities,
        made=format_instant(time.time_ns()),
        segments=segment_hashes(ledger, run_id),
        version=record.header.version,
        pue=pue,
    )
    return replace(entry, id=ledger.add_entry(run_id, _plain(entry)))


def fill_with_typical(intensity: IntensitySeries, start_ns: int, end_ns: int) -> IntensitySeries:
    """Return the series over the window with unknown steps filled from the zone's typical profile.

    Raises
    ------
    InputError
        If the series has no zone, or its basis is not the average.
    """
    from lowtide.grid.typical import typical_intensity
    from lowtide.series import steps

    zone = intensity.signal.zone
    if zone is None or intensity.signal.basis != "average":
        raise InputError(
            "only an average intensity with a zone can be filled with typical values; pass --gaps partial"
        )
    factors: Literal["lifecycle", "direct"] = (
        "direct" if intensity.signal.factors == "direct" else "lifecycle"
    )
    typical = typical_intensity(zone, start_ns, end_ns, factors=factors)
    edges = np.union1d(intensity.edges_ns, typical.edges_ns)
    edges = edges[(edges >= start_ns) & (edges <= end_ns)]
    edges = np.union1d(edges, np.array([start_ns, end_ns], dtype=np.int64))
    given = steps.at(intensity.edges_ns, intensity.intensity_g_per_kwh, edges[:-1])
    codes = steps.at(intensity.edges_ns, intensity.status.astype(np.float64), edges[:-1])
    missing = np.isnan(given)
    filler = steps.at(typical.edges_ns, typical.intensity_g_per_kwh, edges[:-1])
    return IntensitySeries(
        edges_ns=edges,
        intensity_g_per_kwh=np.where(missing, filler, given),
        status=np.where(missing, 3, codes).astype(np.uint8),
        signal=replace(
            intensity.signal,
            source=f"{intensity.signal.source}; gaps: {typical.signal.source}",
            spread=typical.signal.spread if missing.any() else intensity.signal.spread,
        ),
    )


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
    record = read_record(ledger, run_id)
    hashes = segment_hashes(ledger, run_id)
    differences = [
        f"{n}: the readings are not those that were billed"
        for n, h in kept.segments.items()
        if hashes.get(n) != h
    ]
    differences += [f"{n}: readings that were not billed" for n in hashes if n not in kept.segments]
    again = book(
        record,
        _kept_intensities(kept),
        made=kept.made,
        segments=kept.segments,
        version=kept.version,
        pue=kept.pue,
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
