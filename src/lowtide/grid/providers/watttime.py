"""WattTime: marginal operating emissions rate, 5 minutes (API v3)."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from lowtide.doors import Answer, Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.providers.kit.points import (
    DAY_NS,
    MINUTE_NS,
    Points,
    answer,
    check_window,
    forecasts,
    is_volatile,
    iso,
    past_window,
    pieces,
)
from lowtide.grid.providers.kit.replies import ACCEPT, Node, check_status, instants, number_or_nan, read_json
from lowtide.model.exchange import Auth, Request, Response, Secret
from lowtide.model.signal import Signal, Status
from lowtide.units import NS_PER_H, NS_PER_S, g_per_kwh_from_lb_per_mwh

__all__ = ["PROVIDER", "WattTime"]

_STEP_NS: Final = 5 * MINUTE_NS
_LONGEST_NS: Final = 30 * DAY_NS
"""A history has 32 days at most, both ends included."""
_TOKEN_NS: Final = 25 * MINUTE_NS
"""A token lasts 30 minutes; a slow conversation logs in again before."""
_UNIT: Final = "lbs_co2_per_mwh"
_SIGNAL: Final = "co2_moer"
_WHERE: Final = "https://watttime.org/docs-dev/data-plans/ (as USER:PASSWORD)"

_ISO: Final = ("AT", "BE", "CH", "DE", "ES", "FI", "FR", "GR", "IE", "IT", "NL", "PL", "SE")
REGIONS: Final[Mapping[str, str]] = {
    **{code: code for code in _ISO},
    "AU-NSW": "NEM_NSW",
    "AU-VIC": "NEM_VIC",
    "CA-QC": "HQ",
    "GB": "UK",
    "US-CAL-CISO": "CAISO_NORTH",
    "US-NW-BPAT": "BPA",
    "US-NW-NEVP": "NEVP",
    "US-NW-PACE": "PACE",
    "US-SE-SOCO": "SOCO",
}
"""Zones that are one region of WattTime, or (California) whose region is open to all. WattTime cuts most other
grids of the United States finer than lowtide's zones: there a region is named itself, ``ERCOT_HOUSTON``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WattTime:
    """Asks the API of WattTime for ``co2_moer``.

    Attributes
    ----------
    regions : mapping of str to str
        WattTime's region by zone. A zone written as a region (``CAISO_NORTH``) needs no entry.
    base_url : str
    """

    regions: Mapping[str, str] = field(default_factory=lambda: dict(REGIONS))
    base_url: str = "https://api.watttime.org"
    name: str = "watttime"
    title: str = "WattTime"
    attribution: str = "Marginal emissions data by WattTime (watttime.org)"
    covers: str = (
        "CAISO_NORTH free, the rest by plan; marginal; 5 minutes; zones that are one region, or regions"
    )
    offers: frozenset[str] = frozenset({"latest", "history", "forecast", "past-forecasts"})
    keys: tuple[Key, ...] = (Key(name="watttime", where=_WHERE),)
    basis: Literal["average", "marginal"] = "marginal"
    requests_per_s: float = 10.0

    def has(self, zone: str) -> bool:
        """Return whether a zone has a region, or is one."""
        return zone in self.regions or re.fullmatch(r"[A-Z]+(_[A-Z0-9]+)+", zone) is not None

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        if not self.has(query.zone):
            raise NotCoveredError(
                f"no region is known for {query.zone}: give WattTime's own, like ERCOT_HOUSTON, which "
                "/v3/region-from-loc finds by latitude and longitude",
                provider=self.name,
            )
        return (yield from _Talk(self, query).run())


@dataclass(slots=True)
class _Talk:
    """One conversation: it holds the token."""

    of: WattTime
    query: Query
    token: Secret | None = None
    since_ns: int = 0
    model: str | None = None
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def region(self) -> str:
        return self.of.regions.get(self.query.zone, self.query.zone)

    def run(self) -> Conversation:
        what = self.query.what
        if what == "forecast":
            return (yield from self.forecast())
        if what == "past-forecasts":
            return (yield from self.past_forecasts())
        return (yield from self.history())

    def history(self) -> Conversation:
        query = self.query
        start_ns, end_ns = query.now_ns - 2 * NS_PER_H, query.now_ns
        if query.what == "history":
            start_ns, end_ns = past_window(query, self.of.name, _STEP_NS)
        points = Points(self.of.name)
        for start, end in pieces(start_ns, end_ns, _LONGEST_NS):
            root = yield from self.ask(
                "historical", *_inclusive(start, end), volatile=is_volatile(query, end)
            )
            part = self.points(root.get("data"), self.step_ns(root), status="measured")
            part.keep(start, end)
            points.extend(part)
        return self.answer(points)

    def forecast(self) -> Conversation:
        check_window(self.query, self.of.name)
        hours = min(max(-(-(self.query.end_ns - self.query.now_ns) // NS_PER_H), 0), 72)
        root = yield from self.ask("forecast", ("horizon_hours", str(hours)))
        points = self.points(root.get("data"), self.step_ns(root), status="forecast")
        made = root.get("meta").find("generated_at")
        return self.answer(points, issued_ns=None if made is None else instants([made])[0])

    def past_forecasts(self) -> Conversation:
        check_window(self.query, self.of.name)
        made: dict[int, Points] = {}
        end_ns = min(self.query.end_ns, self.query.now_ns)
        for start, end in pieces(self.query.start_ns, end_ns, DAY_NS):
            is_young = self.query.now_ns - end < DAY_NS
            root = yield from self.ask("forecast/historical", *_inclusive(start, end), volatile=is_young)
            issues = root.get("data").items()
            for issue, t in zip(issues, instants([i.get("generated_at") for i in issues]), strict=True):
                if t in made:
                    raise issue.error("a second forecast of the same instant of issue")
                points = self.points(issue.get("forecast"), self.step_ns(root), status="forecast")
                if start <= t < end:
                    made[t] = points
        return forecasts(made, self.signal(), self.query, provider=self.of.name, notes=tuple(self.notes))

    def ask(
        self, path: str, *extra: tuple[str, str], volatile: bool = True
    ) -> Generator[Request, Response, Node]:
        """Ask one question with a fresh token, once more when the token was refused."""
        if self.token is None:
            yield from self.login(0)
        response = yield self.request(path, extra, volatile)
        if response.status == 401 or response.fetched_ns - self.since_ns > _TOKEN_NS:
            yield from self.login(response.fetched_ns)
            if response.status == 401:
                response = yield self.request(path, extra, volatile)
        check_status(response, self.of.name, asked=f"{self.query.what} of {self.region}", where=_WHERE)
        root = read_json(response, self.of.name)
        self.check_meta(root.get("meta"))
        return root

    def login(self, fetched_ns: int) -> Generator[Request, Response, None]:
        response = yield Request(
            url=f"{self.of.base_url}/login",
            auth=Auth(kind="basic", key="watttime"),
            accept=ACCEPT,
            volatile=True,
        )
        if response.status == 403:
            response = Response(status=401, body=b"", fetched_ns=response.fetched_ns)
        check_status(response, self.of.name, asked="a login", where=_WHERE)
        self.token = Secret(read_json(response, self.of.name).get("token").text())
        self.since_ns = max(fetched_ns, response.fetched_ns)

    def request(self, path: str, extra: tuple[tuple[str, str], ...], volatile: bool) -> Request:
        model = () if self.model is None else (("model", self.model),)
        return Request(
            url=f"{self.of.base_url}/v3/{path}",
            params=(("region", self.region), ("signal_type", _SIGNAL), *extra, *model),
            auth=Auth(kind="bearer", token=self.token),
            accept=ACCEPT,
            volatile=volatile,
        )

    def check_meta(self, meta: Node) -> None:
        meta.get("region").must_be(self.region, what="region")
        meta.get("signal_type").must_be(_SIGNAL, what="signal_type")
        unit = meta.get("units")
        if unit.text() != _UNIT:
            raise unit.error(
                f"values in {unit.value!r} are no intensity (a percentile, perhaps); {_UNIT} are"
            )
        model = meta.find("model")
        date = None if model is None else model.get("date").text()
        if self.model is not None and date != self.model:
            raise meta.error(f"the pieces are of different models: {self.model} and {date}")
        self.model = date
        warnings = meta.find("warnings")
        for warning in [] if warnings is None else warnings.items():
            told = warning.value
            text = told.get("message") if isinstance(told, dict) else told
            self.notes[f"WattTime warns: {str(text)[:160]}"] = None

    def step_ns(self, root: Node) -> int:
        told = root.get("meta").get("data_point_period_seconds")
        if told.integer() not in (300, 900, 1800, 3600):
            raise told.error(f"steps of {told.value!r} s are not known; 300, 900, 1800 and 3600 are")
        return told.integer() * NS_PER_S

    def points(self, data: Node, step_ns: int, *, status: Status) -> Points:
        rows = data.items()
        points = Points(self.of.name)
        for row, t in zip(rows, instants([row.get("point_time") for row in rows]), strict=True):
            points.add(t, step_ns, g_per_kwh_from_lb_per_mwh(number_or_nan(row, "value")), status=status)
        return points

    def signal(self) -> Signal:
        model = "" if self.model is None else f"model {self.model}"
        source = f"{self.of.title} {self.region}"
        return Signal(zone=self.query.zone, basis="marginal", source=source, vintage=model)

    def answer(self, points: Points, *, issued_ns: int | None = None) -> Answer:
        return answer(points, self.signal(), self.query, issued_ns=issued_ns, notes=tuple(self.notes))


def _inclusive(start_ns: int, end_ns: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return a window whose last instant is still asked for: the service includes both ends."""
    return ("start", iso(start_ns)), ("end", iso(end_ns - _STEP_NS))


PROVIDER = WattTime()
