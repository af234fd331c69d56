"""Energy-Charts of Fraunhofer ISE: average intensity of European countries, 15 minutes or hourly, without a key."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from lowtide.doors import Answer, Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.providers.kit.points import (
    DAY_NS,
    Points,
    answer,
    check_window,
    is_volatile,
    iso,
    past_window,
    pieces,
)
from lowtide.grid.providers.kit.replies import ACCEPT, Node, check_status, read_json
from lowtide.grid.stamps import LAST_NS
from lowtide.model.exchange import Request, Response
from lowtide.model.signal import Signal
from lowtide.units import NS_PER_H, NS_PER_S

__all__ = ["COUNTRIES", "PROVIDER", "EnergyCharts"]

COUNTRIES: Final = (
    "AL", "AT", "BA", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IT", "LT", "LU", "LV", "MD", "ME", "MK", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "XK",
)  # fmt: skip
"""Zones that are a whole country it may have; it says so itself where it has no intensity of one."""

_STEPS_S: Final = (900, 1800, 3600)
_LONGEST_NS: Final = 30 * DAY_NS
_BEFORE_NS: Final = 3 * NS_PER_H
_LAST_S: Final = LAST_NS // NS_PER_S
_UNSAID: Final = "Energy-Charts does not say in its replies whether its factors are lifecycle or direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCharts:
    """Asks the API of Energy-Charts.

    Attributes
    ----------
    base_url : str
    """

    base_url: str = "https://api.energy-charts.info"
    name: str = "energy-charts"
    title: str = "Energy-Charts"
    attribution: str = "Energy-Charts, Fraunhofer ISE (energy-charts.info), CC BY 4.0"
    covers: str = (
        "European countries; average, factors not stated; 15 minutes or hourly; forecast to the next day"
    )
    offers: frozenset[str] = frozenset({"latest", "history", "forecast"})
    keys: tuple[Key, ...] = ()
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 1.0

    def has(self, zone: str) -> bool:
        """Return whether a zone is a European country."""
        return zone in COUNTRIES

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        if not self.has(query.zone):
            raise NotCoveredError(
                f"{query.zone} is none of its countries; they are {', '.join(COUNTRIES)}",
                provider=self.name,
            )
        if query.what == "latest":
            return (yield from self._past(query, query.now_ns - DAY_NS, query.now_ns))
        if query.what == "history":
            return (yield from self._past(query, *past_window(query, self.name, NS_PER_H)))
        if query.what == "forecast":
            return (yield from self._forecast(query))
        raise NotCoveredError(f"has no {query.what}; it offers latest, history, forecast", provider=self.name)

    def _past(self, query: Query, start_ns: int, end_ns: int) -> Conversation:
        points = Points(self.name)
        for start, end in pieces(start_ns, end_ns, _LONGEST_NS):
            # Some more before: one value alone would not tell its step.
            before = iso(start - _BEFORE_NS, minutes=True)
            window = (("start", before), ("end", iso(end, minutes=True)))
            root = yield from self._ask(query, window, volatile=is_volatile(query, end))
            part = self._points(root, future=False)
            part.keep(start, end)
            points.extend(part)
        return self._answer(points, query)

    def _forecast(self, query: Query) -> Conversation:
        check_window(query, self.name)
        before = iso(query.start_ns - _BEFORE_NS, minutes=True)
        window = (("start", before), ("end", iso(query.end_ns, minutes=True)))
        root = yield from self._ask(query, window, volatile=True)
        return self._answer(self._points(root, future=True), query)

    def _ask(
        self, query: Query, window: tuple[tuple[str, str], ...], *, volatile: bool
    ) -> Generator[Request, Response, Node]:
        params = (("country", query.zone.lower()), *window)
        response = yield Request(
            url=f"{self.base_url}/co2eq", params=params, accept=ACCEPT, volatile=volatile
        )
        check_status(response, self.name, asked=f"{query.what} of {query.zone}")
        return read_json(response, self.name)

    def _points(self, root: Node, *, future: bool) -> Points:
        """Return actual values where there are any, forecasts elsewhere; a forecast answer has forecasts alone."""
        stamps = [_stamp(node) for node in root.get("unix_seconds").items()]
        if any(later <= earlier for earlier, later in pairwise(stamps)):
            raise root.error("instants that do not increase: values of parallel arrays cannot be told apart")
        actual = _column(root, "co2eq", len(stamps))
        ahead = _column(root, "co2eq_forecast", len(stamps))
        points = Points(self.name)
        step_ns = _step_s(root, stamps) * NS_PER_S
        for t, value, forecast in zip(stamps, actual, ahead, strict=True):
            if value == value and not future:  # NaN differs from itself
                points.add(t * NS_PER_S, step_ns, value, status="measured")
            else:
                points.add(t * NS_PER_S, step_ns, forecast, status="forecast")
        return points

    def _answer(self, points: Points, query: Query) -> Answer:
        signal = Signal(zone=query.zone, basis="average", source=self.title)
        return answer(points, signal, query, notes=(_UNSAID,))


def _stamp(node: Node) -> int:
    stamp = node.integer()
    if not 0 <= stamp < _LAST_S:
        raise node.error(f"{node.value!r} is no instant from 1970 to 2099 in seconds")
    return stamp


def _column(root: Node, key: str, n: int) -> list[float]:
    rows = root.get(key).items()
    if len(rows) != n:
        raise root.error(f"{n} instants and {len(rows)} values of {key!r} do not fit")
    return [float("nan") if row.value is None else row.number() for row in rows]


def _step_s(root: Node, stamps: list[int]) -> int:
    """Return the step: the shortest distance, as holes only make distances longer."""
    distances = [later - earlier for earlier, later in pairwise(stamps)]
    if len(stamps) == 0:
        return _STEPS_S[0]
    if not distances:
        raise root.error("one value alone does not tell its step")
    if min(distances) not in _STEPS_S:
        raise root.error(f"instants {min(distances)} s apart; steps of 900, 1800 and 3600 s are known")
    return min(distances)


PROVIDER = EnergyCharts()
