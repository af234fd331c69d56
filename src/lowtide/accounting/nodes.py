"""Energy of a run on several nodes: each node by itself, then their sum.

What is measured or modelled in the same way on every node errs in the same direction, so the deviations of
a component add up over the nodes instead of in quadrature.
"""

from __future__ import annotations

from collections.abc import Sequence

from lowtide.accounting import bills
from lowtide.accounting.bills import NodeEnergy
from lowtide.accounting.shares import total_of
from lowtide.accounting.uncertainty import Deviation, combine
from lowtide.errors import NothingRecordedError
from lowtide.model.ledger import EnergyBill, MethodKind
from lowtide.model.record import Record

__all__ = ["join_nodes", "node_energy"]


def node_energy(record: Record) -> NodeEnergy:
    """Return the power and energy of a record, of all its nodes where it has several.

    Raises
    ------
    NothingRecordedError
        If nothing at all was recorded.
    """
    if not record.parts:
        return bills.node_energy(record)
    found = []
    for part in record.parts:
        try:
            found.append(bills.node_energy(part))
        except NothingRecordedError:
            continue  # a node whose recorders died at once: the others still count
    if not found:
        raise NothingRecordedError(f"no node of run {record.header.run_id} holds two readings")
    return join_nodes(found)


def join_nodes(nodes: Sequence[NodeEnergy]) -> NodeEnergy:
    """Return the sum of several nodes (at least one), all at one boundary."""
    if len(nodes) == 1:
        return nodes[0]
    power = total_of([node.power for node in nodes])
    deviations: dict[str, Deviation] = {}
    for node in nodes:
        for source, below, above in node.deviations:
            before = deviations.get(source, Deviation(source, 0.0, 0.0))
            deviations[source] = Deviation(source, before.below + below, before.above + above)
    total_kwh = sum(node.bill.total_kwh for node in nodes)
    low, high = combine(total_kwh, deviations.values())
    return NodeEnergy(
        power=power.scaled(1.0, boundary=nodes[0].power.boundary),
        bill=_joined_bill([node.bill for node in nodes], total_kwh, low, high),
        deviations=tuple(deviations.values()),
        gaps=tuple(gap for node in nodes for gap in node.gaps),
    )


def _joined_bill(
    parts: Sequence[EnergyBill], total_kwh: float, low_kwh: float, high_kwh: float
) -> EnergyBill:
    components = {name for bill in parts for name in bill.by_component}
    kinds: dict[str, MethodKind] = {}
    notes: dict[str, str] = {}
    for bill in parts:  # where nodes differ, the weakest method is said and all notes are
        for name, kind in bill.method.items():
            kinds[name] = "modelled" if "modelled" in (kind, kinds.get(name)) else kind
            notes[name] = "; ".join(
                dict.fromkeys(n for n in (notes.get(name), bill.method_notes.get(name)) if n)
            )
    measured_kwh = sum(bill.measured_fraction * bill.total_kwh for bill in parts)
    known = [bill.known_time_fraction for bill in parts]
    return EnergyBill(
        boundary=parts[0].boundary,
        total_kwh=total_kwh,
        low_kwh=low_kwh,
        high_kwh=high_kwh,
        idle_kwh=sum(bill.idle_kwh for bill in parts),
        dynamic_kwh=sum(bill.dynamic_kwh for bill in parts),
        rest_kwh=sum(bill.rest_kwh for bill in parts),
        by_component={name: sum(b.by_component.get(name, 0.0) for b in parts) for name in sorted(components)},
        method=kinds,
        method_notes=notes,
        measured_fraction=measured_kwh / total_kwh if total_kwh else 0.0,
        known_time_fraction=sum(known) / len(known),
        attribution=parts[0].attribution,
    )
