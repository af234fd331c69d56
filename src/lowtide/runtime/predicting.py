"""Predicting a run from its first steps: what was recorded so far, its marks, and the intensity to come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lowtide.accounting.booking import node_energy
from lowtide.accounting.operational import operational
from lowtide.accounting.pue import overhead
from lowtide.errors import InputError, LowtideError
from lowtide.estimation.predict import Prediction, Range, predict
from lowtide.model.pue import PueSteps
from lowtide.model.record import Marks, Record, RunHeader
from lowtide.series import steps
from lowtide.series.steps import FloatArray
from lowtide.series.types import PowerSeries
from lowtide.stores.ledger import Ledger
from lowtide.units import J_PER_KWH, NS_PER_S

__all__ = ["predict_open_run", "predict_record", "predict_run"]

_ROWS = 2000
_COVERED = 0.999


def predict_run(ledger: Ledger, run_id: str, *, total_steps: float) -> Prediction:
    """Return the whole of a run of the ledger as its steps so far suggest it.

    Raises
    ------
    LowtideError
        If the run has no steps, or has not been recorded yet.
    """
    from lowtide.stores.records import read_record

    return predict_record(read_record(ledger, run_id), total_steps=total_steps)


def predict_open_run(ledger: Ledger, header: RunHeader, *, total_steps: float) -> Prediction:
    """Return the same for a run of this node that is going on, whether the ledger can be reached or not."""
    from lowtide.stores.records import marks_of, read_segments, record_from, wall_offset_of

    run_id = header.run_id.partition("/")[0]
    if header.rank is not None and ledger.rank_ids(run_id):
        return predict_run(ledger, run_id, total_steps=total_steps)
    segments, problems = read_segments(ledger, header)
    record = record_from(header, None, segments, problems, header.journal_dir)
    marks = marks_of(ledger, header, wall_offset_of(segments))
    return predict_record(replace(record, marks=marks), total_steps=total_steps)


def predict_record(record: Record, *, total_steps: float) -> Prediction:
    """Return the whole of a run from the part that has been recorded.

    Raises
    ------
    InputError
        If no step has been marked, or fewer are asked for than were.
    """
    power = node_energy(record).power
    rows = _rows(record.marks, power)
    made = predict(*rows, total_steps=total_steps)
    return replace(made, emissions_g=_emissions(record, power, made, rows))


def _rows(marks: Marks | None, power: PowerSeries) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return steps done, time and energy at the marks that lie in the time read so far."""
    if marks is None or not len(marks.step_n):
        raise InputError(
            "no step has been marked, so nothing can be predicted; call m.step() after each step"
        )
    first_ns = int(marks.step_t_ns[0])
    begun = [m.t_ns for m in marks.phases if m.begins and m.t_ns < first_ns]
    start_ns = min(first_ns, max([power.start_ns, *begun]))
    seen = marks.step_t_ns <= power.end_ns
    t_ns = np.concatenate(([start_ns], marks.step_t_ns[seen]))
    done = np.concatenate(([0.0], np.cumsum(marks.step_n[seen])))
    if len(t_ns) > _ROWS:
        kept = np.unique(np.linspace(0, len(t_ns) - 1, _ROWS).astype(np.int64))
        t_ns, done = t_ns[kept], done[kept]
    kwh = steps.cumulative_at(power.edges_ns, power.power_w, t_ns) / J_PER_KWH
    return done, (t_ns - power.start_ns) / NS_PER_S, kwh


def _emissions(
    record: Record, power: PowerSeries, made: Prediction, rows: tuple[FloatArray, FloatArray, FloatArray]
) -> Range | None:
    """Return the grams of the whole; None where the intensity does not reach to its predicted end."""
    from lowtide.runtime.billing import intensities_for
    from lowtide.runtime.grid_access import at_run_end

    seen_s, seen_kwh = float(rows[1][-1]), float(rows[2][-1])
    left_s = made.duration_s.value - seen_s
    now_ns = power.start_ns + round(seen_s * NS_PER_S)
    end_ns = now_ns + max(1, round(left_s * NS_PER_S))
    try:
        with at_run_end() as access:  # the job that asks does not wait for the network
            given = intensities_for(record.header.grid, start_ns=power.start_ns, end_ns=end_ns, access=access)
    except LowtideError:
        return None
    intensity = given.location or given.marginal
    if intensity is None:
        return None
    pue = record.header.pue
    done = operational(_scaled(power.clip(start_ns=power.start_ns, end_ns=now_ns), pue), intensity)
    rest_kwh = made.energy_kwh.value - seen_kwh
    rest_w = rest_kwh * J_PER_KWH / left_s if left_s > 0.0 else 0.0
    rest = operational(_scaled(PowerSeries.constant(rest_w, start_ns=now_ns, end_ns=end_ns), pue), intensity)
    if min(done.covered_fraction, rest.covered_fraction or 1.0) < _COVERED or np.isnan(done.g + rest.g):
        return None
    low, high = ((kwh - seen_kwh) / rest_kwh if rest_kwh > 0.0 else 1.0
                 for kwh in (made.energy_kwh.low, made.energy_kwh.high))  # fmt: skip
    return Range(value=done.g + rest.g, low=done.g + rest.g * low, high=done.g + rest.g * high)


def _scaled(power: PowerSeries, pue: float | PueSteps | None) -> PowerSeries:
    return overhead(power, power.energy_kwh(), pue).power if power.boundary == "node" else power
