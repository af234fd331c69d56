"""Open Electricity (Australia): energy and emissions by technology of the NEM's regions and the WEM (API v4)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from lowtide.doors import Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.providers.kit.mixing import Generation
from lowtide.grid.providers.kit.points import (
    DAY_NS,
    MINUTE_NS,
    Points,
    answer,
    is_volatile,
    iso,
    past_window,
    pieces,
)
from lowtide.grid.providers.kit.replies import ACCEPT, Node, check_status, instants, read_json
from lowtide.model.exchange import Auth, Request, Response
from lowtide.model.signal import Signal
from lowtide.units import NS_PER_H

__all__ = ["PROVIDER", "OpenElectricity"]


class _Area(NamedTuple):
    network: str
    region: str | None
    offset_ns: int


_EAST: Final = 10 * NS_PER_H
"""Networks keep one offset all year: the NEM UTC+10, the WEM UTC+8."""
_AREAS: Final = {
    "AU-NSW": _Area("NEM", "NSW1", _EAST),
    "AU-QLD": _Area("NEM", "QLD1", _EAST),
    "AU-SA": _Area("NEM", "SA1", _EAST),
    "AU-TAS": _Area("NEM", "TAS1", _EAST),
    "AU-VIC": _Area("NEM", "VIC1", _EAST),
    "AU-WA": _Area("WEM", None, 8 * NS_PER_H),
}
NOT_GENERATED: Final = frozenset(
    {
        "battery",
        "battery_charging",
        "battery_discharging",
        "pumps",
        "imports",
        "exports",
        "interconnector",
        "aggregator_vpp",
        "aggregator_dr",
    }
)
"""Storage, exchange and demand: left out, so that the intensity is that of production."""

_STEP_NS: Final = {"5m": 5 * MINUTE_NS, "1h": NS_PER_H}
_LONGEST_NS: Final = {"5m": 7 * DAY_NS, "1h": 30 * DAY_NS}
_UNITS: Final = {"energy": "MWh", "emissions": "t"}
"""Sums of what has been reported of a step, both. The mean power of an hour would not fit the emissions of the
part of it that has been reported so far."""
_WHERE: Final = "https://platform.openelectricity.org.au"
_UNSAID: Final = "Open Electricity does not say in its replies what its emission factors contain"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenElectricity:
    """Asks the API of Open Electricity.

    Attributes
    ----------
    interval : {"1h", "5m"}
    base_url : str
    """

    interval: Literal["1h", "5m"] = "1h"
    base_url: str = "https://api.openelectricity.org.au"
    name: str = "openelectricity"
    title: str = "Open Electricity"
    attribution: str = "Open Electricity (openelectricity.org.au), Superpower Institute, CC BY-NC 4.0"
    covers: str = "AU-NSW AU-QLD AU-SA AU-TAS AU-VIC AU-WA; average, production; hourly or 5 minutes"
    offers: frozenset[str] = frozenset({"latest", "history"})
    keys: tuple[Key, ...] = (Key(name="openelectricity", where=_WHERE),)
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 1.0

    def has(self, zone: str) -> bool:
        """Return whether a zone is a region of its networks."""
        return zone in _AREAS

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        if not self.has(query.zone):
            raise NotCoveredError(
                f"{query.zone} is not in its networks; it has {', '.join(_AREAS)}", provider=self.name
            )
        if query.what not in self.offers:
            raise NotCoveredError(f"has no {query.what}; it offers latest, history", provider=self.name)
        return (yield from self._past(query, _AREAS[query.zone]))

    def _past(self, query: Query, area: _Area) -> Conversation:
        step_ns = _STEP_NS[self.interval]
        start_ns, end_ns = (query.now_ns - DAY_NS) // step_ns * step_ns, query.now_ns
        if query.what == "history":
            start_ns, end_ns = past_window(query, self.name, step_ns)
        points, notes = Points(self.name), {_UNSAID: None}
        for start, end in pieces(start_ns, end_ns, _LONGEST_NS[self.interval]):
            root = yield from self._ask(query, area, start, end)
            part = self._points(root, area, notes)
            part.keep(start, end)
            points.extend(part)
        signal = Signal(zone=query.zone, basis="average", flow="production", source=self.title)
        return answer(points, signal, query, notes=tuple(notes))

    def _ask(
        self, query: Query, area: _Area, start_ns: int, end_ns: int
    ) -> Generator[Request, Response, Node]:
        # The service reads naive stamps as network time and answers with offsets.
        window = tuple(
            (name, iso(t + area.offset_ns)[:-1])
            for name, t in (("date_start", start_ns), ("date_end", end_ns))
        )
        region = () if area.region is None else (("network_region", area.region),)
        response = yield Request(
            url=f"{self.base_url}/v4/data/network/{area.network}",
            params=(
                ("metrics", "energy"),
                ("metrics", "emissions"),
                ("interval", self.interval),
                *window,
                *region,
                ("primary_grouping", "network_region"),
                ("secondary_grouping", "fueltech"),
            ),
            auth=Auth(kind="bearer", key="openelectricity"),
            accept=ACCEPT,
            volatile=is_volatile(query, end_ns),
        )
        check_status(response, self.name, asked=f"{query.what} of {query.zone}", where=_WHERE)
        root = read_json(response, self.name)
        if not root.get("success").flag():
            raise root.error("the service says it did not succeed")
        return root

    def _points(self, root: Node, area: _Area, notes: dict[str, None]) -> Points:
        """Return emissions over energy at each instant where both are known of every technology."""
        found = {metric: Generation(self.name) for metric in _UNITS}
        for block in root.get("data").items():
            metric = block.get("metric")
            if metric.text() not in _UNITS:
                raise metric.error(f"metric {metric.value!r} was not asked for")
            block.get("unit").must_be(_UNITS[metric.text()], what=f"{metric.value} in")
            block.get("network_code").must_be(area.network, what="network")
            block.get("interval").must_be(self.interval, what="interval")
            for result in block.get("results").items():
                _collect(result, area, found[metric.text()], notes)
        return self._ratio(found["energy"], found["emissions"])

    def _ratio(self, energy: Generation, emissions: Generation) -> Points:
        points = Points(self.name)
        # A technology that only one of the two names is unknown in the other, not zero.
        techs = {**energy.power_mw, **emissions.power_mw}
        columns = [(energy.power_mw.get(tech, {}), emissions.power_mw.get(tech, {})) for tech in techs]
        for t in sorted({t for column, _ in columns for t in column}):
            mwh = float(sum(max(column.get(t, np.nan), 0.0) for column, _ in columns))
            tonnes = float(sum(column.get(t, np.nan) for _, column in columns))
            # t/MWh is kg/kWh; a technology of which either is unknown leaves the instant unknown.
            g = 1000.0 * tonnes / mwh if mwh > 0.0 else np.nan
            points.add(t, _STEP_NS[self.interval], g, status="measured")
        return points


def _collect(result: Node, area: _Area, into: Generation, notes: dict[str, None]) -> None:
    columns = result.get("columns")
    region = columns.find("region") or columns.find("network_region")
    if area.region is not None and region is None:
        raise columns.error("does not say its region")
    if region is not None:
        region.must_be(area.region or area.network, what="region")
    tech = columns.get("fueltech").text()
    if tech in NOT_GENERATED:
        notes["storage, exchange and demand are left out"] = None
        return
    rows = [row.items() for row in result.get("data").items()]
    short = next((row for row in rows if len(row) != 2), None)
    if short is not None:
        raise result.error(f"a row of {len(short)} members; an instant and a value were expected")
    into.power_mw.setdefault(tech, {})
    for (_, value), t in zip(rows, instants([row[0] for row in rows]), strict=True):
        into.add(tech, t, np.nan if value.value is None else value.number())


PROVIDER = OpenElectricity()
