"""A source of intensity of your own, checked with lowtide's public kit: copy this file and change it.

A provider yields requests and receives responses. It opens no connection, reads no clock and never sees a key, so it
is checked here on a saved exchange. Your package names it under ``lowtide.providers``; see docs/reference/doors.md.
"""

from dataclasses import dataclass

from lowtide.doors import Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.providers.kit.points import Points, answer, iso, past_window
from lowtide.grid.providers.kit.replies import ACCEPT, check_status, instants, number_or_nan, read_json
from lowtide.model.exchange import Auth, Request, Response
from lowtide.model.signal import Signal
from lowtide.testing.provider_checks import Case, Exchange, check_provider
from lowtide.units import NS_PER_H


@dataclass(frozen=True, slots=True, kw_only=True)
class Village:
    """The hourly intensity of a village with a grid of its own."""

    base_url: str = "https://village.example"
    name: str = "village"
    title: str = "Village Grid"
    attribution: str = "Village Grid, CC BY 4.0"
    covers: str = "VILLAGE; average, direct, consumption; hourly"
    offers: frozenset[str] = frozenset({"history"})
    keys: tuple[Key, ...] = (Key(name="village", where="https://village.example/keys"),)
    basis: str = "average"
    requests_per_s: float = 1.0

    def has(self, zone: str) -> bool:
        """There is one zone."""
        return zone == "VILLAGE"

    def ask(self, query: Query) -> Conversation:
        """Ask once; a source with limits is asked piece by piece."""
        if query.what not in self.offers or not self.has(query.zone):
            raise NotCoveredError("it has the history of VILLAGE, nothing else", provider=self.name)
        start_ns, end_ns = past_window(query, self.name, NS_PER_H)
        response = yield Request(
            url=f"{self.base_url}/intensity",
            params=(("from", iso(start_ns)), ("to", iso(end_ns))),
            auth=Auth(kind="header", name="x-key", key="village"),
            accept=ACCEPT,
        )
        check_status(response, self.name, asked="the history of VILLAGE", where=self.keys[0].where)
        rows = read_json(response, self.name).get("hours").items()
        points = Points(self.name)
        for row, t in zip(rows, instants([row.get("start") for row in rows]), strict=True):
            row.get("place").must_be("Village", what="place")
            points.add(t, NS_PER_H, number_or_nan(row, "g_per_kwh"), status="measured")
        signal = Signal(zone=query.zone, factors="direct", flow="consumption", source=self.title)
        return answer(points, signal, query)


BODY = b"""{"hours": [{"place": "Village", "start": "1970-01-01T01:00Z", "g_per_kwh": 120},
                      {"place": "Village", "start": "1970-01-01T02:00Z", "g_per_kwh": null},
                      {"place": "Village", "start": "1970-01-01T03:00Z", "g_per_kwh": 90}]}"""
SAVED = Exchange(
    url="https://village.example/intensity",
    params=(("from", "1970-01-01T01:00:00Z"), ("to", "1970-01-01T04:00:00Z")),
    response=Response(status=200, body=BODY, fetched_ns=9 * NS_PER_H),
)
QUERY = Query(what="history", zone="VILLAGE", start_ns=NS_PER_H, end_ns=4 * NS_PER_H, now_ns=9 * NS_PER_H)

if __name__ == "__main__":
    case = Case(
        query=QUERY, exchanges=(SAVED,), g_per_kwh=(120, None, 90), status=("measured",), place="Village"
    )
    check_provider(Village(), [case])
    print("village keeps its promises")
