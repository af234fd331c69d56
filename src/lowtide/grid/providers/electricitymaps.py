"""Electricity Maps: average intensity of consumption, flow-traced, nearly everywhere (API v4 and v3)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, Literal

from lowtide.data.zones import zones
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
    pieces,
)
from lowtide.grid.providers.kit.replies import ACCEPT, Node, check_status, instants, number_or_nan, read_json
from lowtide.model.exchange import Auth, Request, Response
from lowtide.model.signal import Signal, Status
from lowtide.units import NS_PER_H

__all__ = ["V3", "V4", "ElectricityMaps"]

Granularity = Literal["hourly", "15_minutes", "5_minutes"]

_STEP_NS: Final = {"hourly": NS_PER_H, "15_minutes": 15 * MINUTE_NS, "5_minutes": 5 * MINUTE_NS}
_LONGEST_STEPS: Final = 240
"""A past range has 240 hours at most; no more values are asked for at any step."""
_HORIZONS_H: Final = (6, 24, 48, 72)
_WHERE: Final = "https://portal.electricitymaps.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectricityMaps:
    """Asks the API of Electricity Maps.

    Attributes
    ----------
    version : {"v4", "v3"}
    granularity : {"hourly", "15_minutes", "5_minutes"}
        Step of the values; finer ones than hourly need a plan that has them.
    base_url : str
    """

    version: Literal["v4", "v3"] = "v4"
    granularity: Granularity = "hourly"
    base_url: str = "https://api.electricitymaps.com"
    name: str = "electricitymaps"
    title: str = "Electricity Maps"
    attribution: str = "Carbon intensity by Electricity Maps (electricitymaps.com)"
    covers: str = "nearly all zones; average, consumption, lifecycle or direct; hourly, 15 or 5 minutes"
    offers: frozenset[str] = frozenset({"latest", "history", "forecast"})
    keys: tuple[Key, ...] = (Key(name="electricitymaps", where=_WHERE),)
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 2.0

    def has(self, zone: str) -> bool:
        """Return whether it is a zone of lowtide, whose keys are those of Electricity Maps."""
        return any(known.key == zone for known in zones())

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        if query.what == "latest":
            return (yield from self._latest(query))
        if query.what == "history":
            return (yield from self._history(query))
        if query.what == "forecast":
            return (yield from self._forecast(query))
        raise NotCoveredError(f"has no {query.what}; it offers latest, history, forecast", provider=self.name)

    @property
    def _step_ns(self) -> int:
        return _STEP_NS[self.granularity]

    def _latest(self, query: Query) -> Conversation:
        response = yield self._request(query, "latest")
        root = self._read(response, query)
        points = Points(self.name)
        self._collect([root], query, points, zone_told=False)
        return self._answer(points, query)

    def _history(self, query: Query) -> Conversation:
        start_ns, end_ns = past_window(query, self.name, self._step_ns)
        points = Points(self.name)
        if start_ns >= query.now_ns - 24 * NS_PER_H + self._step_ns:
            # The last 24 h have a path of their own, which free plans may use too.
            response = yield self._request(query, "history")
            root = self._read(response, query)
            root.get("zone").must_be(query.zone, what="zone")
            self._collect(root.get("history").items(), query, points, zone_told=True)
        else:
            for piece in pieces(start_ns, end_ns, _LONGEST_STEPS * self._step_ns):
                points.extend((yield from self._range(query, *piece)))
        return self._answer(points, query)

    def _range(self, query: Query, start_ns: int, end_ns: int) -> Generator[Request, Response, Points]:
        window = (("start", iso(start_ns)), ("end", iso(end_ns)))
        response = yield self._request(query, "past-range", *window, volatile=is_volatile(query, end_ns))
        root = self._read(response, query)
        told = root.find("zone")
        if told is not None:
            told.must_be(query.zone, what="zone")
        points = Points(self.name)
        self._collect(root.get("data").items(), query, points, zone_told=told is not None)
        points.keep(start_ns, end_ns)
        return points

    def _forecast(self, query: Query) -> Conversation:
        check_window(query, self.name)
        hours = -(-(query.end_ns - query.now_ns) // NS_PER_H)
        horizon = next((h for h in _HORIZONS_H if h >= hours), _HORIZONS_H[-1])
        extra = (("horizonHours", str(horizon)),) if self.version == "v4" else ()
        response = yield self._request(query, "forecast", *extra)
        root = self._read(response, query)
        root.get("zone").must_be(query.zone, what="zone")
        self._check_step(root)
        rows = root.get("forecast").items()
        points = Points(self.name)
        for row, t in zip(rows, instants([row.get("datetime") for row in rows]), strict=True):
            points.add(t, self._step_ns, number_or_nan(row, "carbonIntensity"), status="forecast")
        made = root.find("updatedAt")
        notes = ("the forecast does not say its factors; it was asked for as " + query.factors,)
        return answer(
            points,
            self._signal(query),
            query,
            issued_ns=None if made is None else instants([made])[0],
            notes=notes,
        )

    def _request(self, query: Query, path: str, *extra: tuple[str, str], volatile: bool = True) -> Request:
        # Without this switch an unknown zone is silently replaced by the one of the caller's address.
        switch = ("disableCallerLookup", "true")
        if self.version == "v3":
            switch = ("shouldUseFallbackCallerLookup", "false")
        return Request(
            url=f"{self.base_url}/{self.version}/carbon-intensity/{path}",
            params=(
                ("zone", query.zone),
                ("emissionFactorType", query.factors),
                ("temporalGranularity", self.granularity),
                switch,
                *extra,
            ),
            auth=Auth(kind="header", key="electricitymaps", name="auth-token"),
            accept=ACCEPT,
            volatile=volatile,
        )

    def _read(self, response: Response, query: Query) -> Node:
        check_status(response, self.name, asked=f"{query.what} of {query.zone}", where=_WHERE)
        return read_json(response, self.name)

    def _collect(self, rows: list[Node], query: Query, points: Points, *, zone_told: bool) -> None:
        """Add the objects of a reply; each repeats zone, factors and step, and all must be those asked for."""
        starts = instants([row.get("datetime") for row in rows])
        updates = instants([row.get("updatedAt") for row in rows])
        for row, start_ns, updated_ns in zip(rows, starts, updates, strict=True):
            zone = row.find("zone")
            if zone is not None or not zone_told:
                row.get("zone").must_be(query.zone, what="zone")
            factors = row.find("emissionFactorType")
            if factors is not None:
                factors.must_be(query.factors, what="emissionFactorType")
            self._check_step(row)
            value = number_or_nan(row, "carbonIntensity")
            points.add(start_ns, self._step_ns, value, status=_status(row), updated_ns=updated_ns)

    def _check_step(self, node: Node) -> None:
        told = node.find("temporalGranularity")
        if told is not None:
            told.must_be(self.granularity, what="temporalGranularity")

    def _signal(self, query: Query) -> Signal:
        return Signal(
            zone=query.zone, basis="average", factors=query.factors, flow="consumption", source=self.title
        )

    def _answer(self, points: Points, query: Query) -> Answer:
        if query.what == "history":
            points.keep(query.start_ns, query.end_ns)
        n = sum(status == 1 for status in points.status)
        notes = (f"{n} of {len(points.status)} values are estimates, revised for days",) if n else ()
        return answer(points, self._signal(query), query, notes=notes)


def _status(row: Node) -> Status:
    """Return whether a value is measured; one that does not say so may still be revised."""
    told = row.find("isEstimated")
    return "measured" if told is not None and not told.flag() else "estimated"


V4 = ElectricityMaps()
V3 = ElectricityMaps(version="v3", name="electricitymaps-v3", title="Electricity Maps (API v3)")
