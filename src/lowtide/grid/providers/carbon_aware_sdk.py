"""The web API of the Green Software Foundation's Carbon Aware SDK, run by yourself or your organisation.

It passes on what its own source says, in g/kWh, and says neither which source that is nor whether it is average or
marginal: `basis` and `source` are settings. An SDK that reads Electricity Maps stamps past values with when they
were updated, not with the hour they are of; its history is then shifted.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

from lowtide.doors import Answer, Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.providers.kit.points import (
    MINUTE_NS,
    Points,
    answer,
    check_window,
    is_volatile,
    iso,
    past_window,
)
from lowtide.grid.providers.kit.replies import ACCEPT, Node, check_status, instants, read_json
from lowtide.model.exchange import Request, Response
from lowtide.model.signal import Signal
from lowtide.units import NS_PER_H

__all__ = ["PROVIDER", "CarbonAwareSdk"]

_STEPS_NS: Final = tuple(minutes * MINUTE_NS for minutes in (5, 15, 30, 60))
_LATEST_NS: Final = 24 * NS_PER_H
_DURATION: Final = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?")
_UNSAID: Final = (
    "the Carbon Aware SDK says neither its factors nor its basis; the basis is a setting of this provider"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonAwareSdk:
    """Asks a web API of the Carbon Aware SDK.

    Attributes
    ----------
    locations : mapping of str to str
        The SDK's name of a location by zone; a zone without an entry is asked for as it is written.
    source : str
        What the SDK reads, for reports.
    base_url : str
        Where it runs.
    """

    locations: Mapping[str, str] = field(default_factory=dict)
    source: str = "Carbon Aware SDK"
    base_url: str = "http://localhost:8080"
    name: str = "carbon-aware-sdk"
    title: str = "Carbon Aware SDK"
    attribution: str = "Carbon Aware SDK of the Green Software Foundation; data as its operator configured"
    covers: str = "what its operator configured; basis is a setting; forecast where its source has one"
    offers: frozenset[str] = frozenset({"latest", "history", "forecast"})
    keys: tuple[Key, ...] = ()
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 10.0

    def has(self, zone: str) -> bool:
        """Return True: only the service knows its locations."""
        return bool(zone)

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        if query.what == "latest":
            return (yield from self._past(query, query.now_ns - _LATEST_NS, query.now_ns))
        if query.what == "history":
            return (yield from self._past(query, *past_window(query, self.name, NS_PER_H)))
        if query.what == "forecast":
            return (yield from self._forecast(query))
        raise NotCoveredError(f"has no {query.what}; it offers latest, history, forecast", provider=self.name)

    def _location(self, query: Query) -> str:
        return self.locations.get(query.zone, query.zone)

    def _past(self, query: Query, start_ns: int, end_ns: int) -> Conversation:
        # One more hour before: one value alone would not tell its step.
        window = (("time", iso(start_ns - NS_PER_H)), ("toTime", iso(end_ns)))
        root = yield from self._ask(query, "bylocation", window, volatile=is_volatile(query, end_ns))
        points = self._points(root.items(), query, ("time", "rating"), future=False)
        return self._answer(points, query)

    def _forecast(self, query: Query) -> Conversation:
        check_window(query, self.name)
        root = yield from self._ask(query, "forecasts/current", (), volatile=True)
        made = root.items()
        if len(made) != 1:
            raise root.error(f"one forecast was asked for, {len(made)} came")
        made[0].get("location").must_be(self._location(query), what="location")
        rows = made[0].get("forecastData").items()
        points = self._points(rows, query, ("timestamp", "value"), future=True)
        issued = made[0].find("generatedAt")
        return self._answer(points, query, issued_ns=None if issued is None else instants([issued])[0])

    def _ask(
        self, query: Query, path: str, window: tuple[tuple[str, str], ...], *, volatile: bool
    ) -> Generator[Request, Response, Node]:
        response = yield Request(
            url=f"{self.base_url}/emissions/{path}",
            params=(("location", self._location(query)), *window),
            accept=(*ACCEPT, 204, 501),
            volatile=volatile,
        )
        asked = f"{query.what} of {self._location(query)}"
        if response.status == 501:
            raise NotCoveredError(f"the source behind it has no {asked} (501)", provider=self.name)
        check_status(response, self.name, asked=asked)
        return read_json(response, self.name)

    def _points(self, rows: list[Node], query: Query, names: tuple[str, str], *, future: bool) -> Points:
        stamp, value = names
        starts = instants([row.get(stamp) for row in rows])
        points = Points(self.name)
        for row, start_ns, step_ns in zip(rows, starts, _steps_ns(rows, starts), strict=True):
            row.get("location").must_be(self._location(query), what="location")
            status: Literal["forecast", "measured"] = "forecast" if future else "measured"
            points.add(start_ns, step_ns, row.get(value).number(), status=status)
        return points

    def _answer(self, points: Points, query: Query, *, issued_ns: int | None = None) -> Answer:
        signal = Signal(zone=query.zone, basis=self.basis, source=self.source)
        return answer(points, signal, query, issued_ns=issued_ns, notes=(_UNSAID,))


def _steps_ns(rows: list[Node], starts: list[int]) -> list[int]:
    """Return the steps: as the rows say, else the shortest distance of two stamps."""
    told = [row.find("duration") for row in rows]
    if told and all(duration is not None for duration in told):
        return [_duration_ns(duration) for duration in told if duration is not None]
    distances = [later - earlier for earlier, later in pairwise(sorted(set(starts)))]
    if rows and not distances:
        raise rows[0].error("one value alone does not tell its step")
    if distances and min(distances) not in _STEPS_NS:
        raise rows[0].error(
            f"values {min(distances) / MINUTE_NS:g} minutes apart; steps of 5, 15, 30 and 60 are known"
        )
    return [min(distances)] * len(rows) if rows else []


def _duration_ns(duration: Node) -> int:
    """Return a length written as minutes or as ``01:00:00``."""
    found = _DURATION.fullmatch(duration.value) if isinstance(duration.value, str) else None
    minutes = duration.integer() if found is None else int(found[1]) * 60 + int(found[2])
    length_ns = minutes * MINUTE_NS
    if length_ns not in _STEPS_NS:
        raise duration.error(f"a step of {duration.value!r} is not known; 5, 15, 30 and 60 minutes are")
    return length_ns


PROVIDER = CarbonAwareSdk()
