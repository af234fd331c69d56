"""A node's own meter: what it shows beyond the parts measured inside it is the rest of the node.

With *N* the meter, *M* what is measured inside and *D* what is modelled inside, in each step:

    left = max(0, N - M)          a meter that lags behind a rise shows less than its parts: then N is taken as M
    D'   = min(D, left)           models give way to the meter
    rest = left - D'              fans, supply loss, board, network, devices nobody reads

so ``M + D' + rest`` is the node, and nothing is negative. A run takes the part of the rest that it takes of the
components. Where the meter is silent the rest is modelled on the components, as without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lowtide.accounting.attribution import ComponentPower
from lowtide.accounting.rates import gaps_of, range_of, rates_of
from lowtide.accounting.uncertainty import Deviation
from lowtide.model.ledger import MethodKind
from lowtide.model.machine import RestModel
from lowtide.model.record import Gap, Readings, Record
from lowtide.series import steps
from lowtide.series.steps import FloatArray, IntArray
from lowtide.series.types import PowerSeries

__all__ = ["MeteredNode", "meter_node"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeteredNode:
    """A run's part of a node with a meter.

    Attributes
    ----------
    parts : tuple of ComponentPower
        The components, models made to fit under the meter.
    power : PowerSeries
        The run's part of the node [W].
    rest_kwh, metered_kwh : float
        The run's part of the rest; of its energy, what rests on the meter.
    kind, note : str
        Of the rest.
    deviations : tuple of Deviation
        Of the run's energy [kWh].
    gaps : tuple of Gap
        When the meter was silent.
    """

    parts: tuple[ComponentPower, ...]
    power: PowerSeries
    rest_kwh: float
    metered_kwh: float
    kind: MethodKind
    note: str
    deviations: tuple[Deviation, ...]
    gaps: tuple[Gap, ...]


def meter_node(
    record: Record, parts: Sequence[ComponentPower], outside: Sequence[Readings], meter: Readings
) -> MeteredNode:
    """Return a run's part of the node from its meter.

    Parameters
    ----------
    record : Record
    parts : sequence of ComponentPower
        Of the run, with the whole components of the machine.
    outside : sequence of Readings
        GPUs of the node that are not in the run's scope.
    meter : Readings
        Of the node.
    """
    rates = rates_of(meter, record.header.interval_s)
    others = [rates_of(r, record.header.interval_s) for r in outside]
    edges = np.unique(np.concatenate([rates.edges_ns, *(p.power.edges_ns for p in parts)]))
    node_w = steps.at(rates.edges_ns, rates.values, edges[:-1])
    apart_w = sum((_known(r.edges_ns, r.values, edges) for r in others), np.zeros(len(edges) - 1))
    measured = [p for p in parts if p.kind != "modelled"]
    measured_w = sum((_whole(p, edges) for p in measured), apart_w)
    modelled_w = sum((_whole(p, edges) for p in parts if p.kind == "modelled"), np.zeros(len(edges) - 1))
    left_w = np.maximum(0.0, node_w - measured_w)
    with np.errstate(invalid="ignore", divide="ignore"):
        fit = np.where(modelled_w > left_w, left_w / modelled_w, 1.0)  # a meter that is silent fits nothing
        fitted = tuple(_fitted(p, edges, fit) for p in parts)
        whole_w = measured_w + modelled_w * fit
        own = sum(
            (_known(p.power.edges_ns, p.power.power_w, edges) for p in fitted), np.zeros(len(edges) - 1)
        )
        rest_w = np.where(whole_w > 0.0, (left_w - modelled_w * fit) * own / whole_w, 0.0)
    rest_w = np.where(np.isnan(node_w), own * record.header.rest_model.fraction, rest_w)
    seen = _any_known(fitted, edges)
    rest = _series(edges, np.where(seen, rest_w, np.nan), "components")
    power = _series(edges, np.where(seen, own + rest_w, np.nan), "node")
    metered = _series(edges, np.where(seen & ~np.isnan(node_w), own + rest_w, np.nan), "node")
    lags = _series(edges, np.where(np.isnan(node_w), np.nan, (node_w < measured_w).astype(float)), "node")
    kind: MethodKind = "counter" if meter.channel.kind == "counter" else "gauge"
    return MeteredNode(
        parts=fitted,
        power=power,
        rest_kwh=rest.energy_kwh(),
        metered_kwh=metered.energy_kwh(),
        kind=kind,
        note=_note(meter, power, metered, lags, record.header.rest_model),
        deviations=_deviations(record, fitted, meter, whole=_series(edges, whole_w, "node"), power=power,
                               metered_kwh=metered.energy_kwh()),
        gaps=gaps_of(rates, meter.channel.name, record),
    )  # fmt: skip


def _series(edges_ns: IntArray, power_w: FloatArray, boundary: str) -> PowerSeries:
    return PowerSeries(edges_ns=edges_ns, power_w=power_w, boundary=boundary)  # type: ignore[arg-type]


def _known(edges_ns: IntArray, values: FloatArray, new_edges_ns: IntArray) -> FloatArray:
    """Return the values on finer edges, unknown ones as nothing."""
    return np.nan_to_num(steps.at(edges_ns, values, new_edges_ns[:-1]), nan=0.0)


def _whole(part: ComponentPower, edges_ns: IntArray) -> FloatArray:
    return _known(part.whole.edges_ns, part.whole.power_w, edges_ns)


def _any_known(parts: Sequence[ComponentPower], edges_ns: IntArray) -> npt.NDArray[np.bool_]:
    known = [~np.isnan(steps.at(p.power.edges_ns, p.power.power_w, edges_ns[:-1])) for p in parts]
    return np.asarray(np.any(known, axis=0))


def _fitted(part: ComponentPower, edges_ns: IntArray, fit: FloatArray) -> ComponentPower:
    """Return a modelled component scaled to what the meter leaves for it."""
    if part.kind != "modelled" or not (fit < 1.0).any():
        return part

    def scaled(series: PowerSeries) -> PowerSeries:
        values = steps.at(series.edges_ns, series.power_w, edges_ns[:-1])
        return _series(edges_ns, values * fit, series.boundary)

    return replace(
        part,
        power=scaled(part.power),
        idle=scaled(part.idle),
        whole=scaled(part.whole),
        note=f"{part.note}; made to fit under the node meter",
    )


def _note(
    meter: Readings, power: PowerSeries, metered: PowerSeries, lags: PowerSeries, rest: RestModel
) -> str:
    parts = [f"node meter ({meter.channel.method}) minus what is known inside it"]
    late = float(np.nansum(lags.power_w * np.diff(lags.edges_ns))) / float(
        lags.edges_ns[-1] - lags.edges_ns[0]
    )
    if late > 0.0:
        parts.append(
            f"the meter lagged behind its parts for {late:.0%} of the time, which then stand for the node"
        )
    silent = 1.0 - metered.covered_fraction() / power.covered_fraction() if power.covered_fraction() else 0.0
    if silent > 0.0:
        parts.append(
            f"modelled for the {silent:.0%} of the time in which the meter was silent ({rest.source})"
        )
    return "; ".join(parts)


def _deviations(
    record: Record,
    parts: Sequence[ComponentPower],
    meter: Readings,
    *,
    whole: PowerSeries,
    power: PowerSeries,
    metered_kwh: float,
) -> tuple[Deviation, ...]:
    """Return how far the meter, each component and a modelled rest move the run's energy [kWh].

    The run's energy is ``node x sum(part) / sum(whole)``. A component that errs by a fraction e moves its part and its
    whole alike: to first order by ``e x node / sum(whole) x (part - whole x sum(part) / sum(whole))``, nothing for
    a run that takes all of the machine.
    """
    low, high = range_of([meter], [rates_of(meter, record.header.interval_s)])
    found = [Deviation(f"node: {meter.channel.kind}", metered_kwh * (1.0 - low), metered_kwh * (high - 1.0))]
    whole_kwh, run_kwh = whole.energy_kwh(), sum(p.kwh for p in parts)
    if whole_kwh > 0.0 and run_kwh > 0.0:
        share, node_kwh = run_kwh / whole_kwh, power.energy_kwh() * whole_kwh / run_kwh
        for p in parts:
            lever = abs(p.kwh - share * p.whole.energy_kwh()) * node_kwh / whole_kwh
            found.append(Deviation(f"{p.component}: {p.kind}", lever * (1.0 - p.low_fraction),
                                   lever * (p.high_fraction - 1.0)))  # fmt: skip
    rest = record.header.rest_model
    silent_kwh = (power.energy_kwh() - metered_kwh) * rest.fraction / (1.0 + rest.fraction)
    if silent_kwh > 0.0:
        found.append(Deviation("rest of the node: modelled", silent_kwh * (1.0 - rest.low_fraction),
                               silent_kwh * (rest.high_fraction - 1.0)))  # fmt: skip
    return tuple(found)
