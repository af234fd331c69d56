"""Great Britain: the Carbon Intensity API of the National Energy System Operator, half-hourly, without a key.

The zone ``GB`` is the whole island; ``GB-REGION-1`` to ``GB-REGION-17`` are the regions of the API by its own
number (13 is London, 15 England, 16 Scotland, 17 Wales). Regional values are forecasts, past ones too: the source
publishes no actual ones.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, Literal

from lowtide.doors import Answer, Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.providers.kit.points import (
    DAY_NS,
    MINUTE_NS,
    Points,
    answer,
    check_window,
    is_volatile,
    iso,
    past_window,
    pieces,
)
from lowtide.grid.providers.kit.replies import ACCEPT, Node, check_status, instants, number_or_nan, read_json
from lowtide.model.exchange import Request, Response
from lowtide.model.signal import Signal, Status

__all__ = ["PROVIDER", "GreatBritain"]

_STEP_NS: Final = 30 * MINUTE_NS
_LONGEST_NS: Final = 14 * DAY_NS
_REGION: Final = re.compile(r"GB-REGION-([1-9]|1[0-7])")
_DIRECT: Final = "only direct factors are published: upstream emissions are not in the grams"
_REGIONAL: Final = "regional values are forecasts, past ones too"


@dataclass(frozen=True, slots=True, kw_only=True)
class GreatBritain:
    """Asks the Carbon Intensity API.

    Attributes
    ----------
    base_url : str
    """

    base_url: str = "https://api.carbonintensity.org.uk"
    name: str = "gb"
    title: str = "NESO Carbon Intensity"
    attribution: str = "Carbon intensity by the National Energy System Operator (NESO), CC BY 4.0"
    covers: str = "GB and GB-REGION-1 to 17; average, direct; 30 minutes; forecast 48 h"
    offers: frozenset[str] = frozenset({"latest", "history", "forecast"})
    keys: tuple[Key, ...] = ()
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 2.0

    def has(self, zone: str) -> bool:
        """Return whether a zone is Great Britain or a region of it."""
        return zone == "GB" or _REGION.fullmatch(zone) is not None

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        if not self.has(query.zone):
            message = f"{query.zone} is not in Great Britain; it has GB and GB-REGION-1 to GB-REGION-17"
            raise NotCoveredError(message, provider=self.name)
        if query.what == "latest":
            return (yield from self._latest(query))
        if query.what == "history":
            return (yield from self._history(query))
        if query.what == "forecast":
            return (yield from self._forecast(query))
        raise NotCoveredError(f"has no {query.what}; it offers latest, history, forecast", provider=self.name)

    def _latest(self, query: Query) -> Conversation:
        region = _region_of(query.zone)
        points = yield from self._ask(
            query, "intensity" if region is None else f"regional/regionid/{region}", volatile=True
        )
        return self._answer(points, query)

    def _history(self, query: Query) -> Conversation:
        start_ns, end_ns = past_window(query, self.name, _STEP_NS)
        points = Points(self.name)
        for start, end in pieces(start_ns, end_ns, _LONGEST_NS):
            path = _path(query.zone, iso(start, minutes=True), iso(end, minutes=True))
            part = yield from self._ask(query, path, volatile=is_volatile(query, end))
            # A range also brings the half hour that ends at its start.
            part.keep(start, end)
            points.extend(part)
        return self._answer(points, query)

    def _forecast(self, query: Query) -> Conversation:
        check_window(query, self.name)
        now_ns = query.now_ns // _STEP_NS * _STEP_NS
        points = yield from self._ask(
            query, _path(query.zone, iso(now_ns, minutes=True), "fw48h"), volatile=True
        )
        return self._answer(points, query)

    def _ask(self, query: Query, path: str, *, volatile: bool) -> Generator[Request, Response, Points]:
        response = yield Request(url=f"{self.base_url}/{path}", accept=ACCEPT, volatile=volatile)
        check_status(response, self.name, asked=f"{query.what} of {query.zone}")
        data = read_json(response, self.name).get("data")
        return self._points(_rows(data, _region_of(query.zone)), future=query.what == "forecast")

    def _points(self, rows: list[Node], *, future: bool) -> Points:
        points = Points(self.name)
        starts = instants([row.get("from") for row in rows])
        ends = instants([row.get("to") for row in rows])
        for row, start_ns, end_ns in zip(rows, starts, ends, strict=True):
            if end_ns - start_ns != _STEP_NS:
                raise row.error("a step that is not half an hour long")
            told = row.get("intensity")
            actual, value = number_or_nan(told, "actual"), number_or_nan(told, "forecast")
            status: Status = "forecast"
            if actual == actual and not future:  # NaN differs from itself
                value, status = actual, "measured"
            points.add(start_ns, _STEP_NS, value, status=status)
        return points

    def _answer(self, points: Points, query: Query) -> Answer:
        signal = Signal(
            zone=query.zone, basis="average", factors="direct", flow="consumption", source=self.title
        )
        notes: tuple[str, ...] = () if query.factors == "direct" else (_DIRECT,)
        if _region_of(query.zone) is not None:
            notes += (_REGIONAL,)
        return answer(points, signal, query, notes=notes)


def _rows(data: Node, region: str | None) -> list[Node]:
    """Return the half hours: the data itself, or those of the one region in it."""
    if region is None:
        return data.items()
    regions = data.items() if isinstance(data.value, list) else [data]
    if len(regions) != 1:
        raise data.error(f"region {region} was asked for, the answer has {len(regions)}")
    told = regions[0].get("regionid")
    if told.integer() != int(region):
        raise told.error(f"region {region} was asked for, the answer is for {told.value!r}")
    return regions[0].get("data").items()


def _path(zone: str, start: str, end: str) -> str:
    region = _region_of(zone)
    return (
        f"intensity/{start}/{end}"
        if region is None
        else f"regional/intensity/{start}/{end}/regionid/{region}"
    )


def _region_of(zone: str) -> str | None:
    found = _REGION.fullmatch(zone)
    return None if found is None else found[1]


PROVIDER = GreatBritain()
