"""EIA (United States): hourly generation by fuel of each balancing authority, times emission factors (API v2)."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, Literal

from lowtide.data.zones import zones
from lowtide.doors import Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.mix import MIX_SET
from lowtide.grid.providers.kit.mixing import Generation
from lowtide.grid.providers.kit.points import DAY_NS, Points, answer, is_volatile, iso, past_window, pieces
from lowtide.grid.providers.kit.replies import ACCEPT, Node, check_status, instants, number_or_nan, read_json
from lowtide.model.exchange import Auth, Request, Response
from lowtide.model.signal import Signal
from lowtide.units import NS_PER_H

__all__ = ["FUELS", "PROVIDER", "STORAGE", "Eia"]

FUELS: Final = {
    "COL": "coal",
    "NG": "gas",
    "OIL": "oil",
    "NUC": "nuclear",
    "WAT": "hydro",
    "SUN": "solar",
    "SNB": "solar",
    "WND": "wind",
    "WNB": "wind",
    "GEO": "geothermal",
    "BIO": "biomass",
    "OTH": "unknown",
    "UNK": "unknown",
}
"""Fuel by EIA's code; solar and wind with an integrated battery count as solar and wind."""
STORAGE: Final = frozenset({"BAT", "PS", "UES", "OES"})
"""Batteries, pumped storage and others: left out, charging and giving back."""

_PAGE: Final = 5000
_LONGEST_NS: Final = 30 * DAY_NS
_LATEST_NS: Final = 3 * DAY_NS
"""Reports come some hours late, those of some authorities a day."""
_MOST_ROWS: Final = 100_000
_ZONE: Final = re.compile(r"US-[A-Z]+-([A-Z]{2,4})")
_OWN: Final = ("AK", "HI")
_WHERE: Final = "https://www.eia.gov/opendata/register.php"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eia:
    """Asks the API of the U.S. Energy Information Administration.

    Attributes
    ----------
    factor_set : str
        Named set of factors of :mod:`lowtide.data.factors`.
    base_url : str
    """

    factor_set: str = MIX_SET
    base_url: str = "https://api.eia.gov"
    name: str = "eia"
    title: str = "EIA-930"
    attribution: str = "Generation: U.S. Energy Information Administration, public domain"
    covers: str = "balancing authorities of the contiguous US; average, production, mix x factors; hourly"
    offers: frozenset[str] = frozenset({"latest", "history"})
    keys: tuple[Key, ...] = (Key(name="eia", where=_WHERE),)
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 1.0

    def has(self, zone: str) -> bool:
        """Return whether a zone is a balancing authority of EIA-930, by whose code its key ends."""
        return _authority(zone) is not None

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        authority = _authority(query.zone)
        if authority is None:
            raise NotCoveredError(
                f"{query.zone} is no balancing authority; it has zones like US-CAL-CISO", provider=self.name
            )
        if query.what not in self.offers:
            raise NotCoveredError(f"has no {query.what}; it offers latest, history", provider=self.name)
        return (yield from self._past(query, authority))

    def _past(self, query: Query, authority: str) -> Conversation:
        start_ns, end_ns = (query.now_ns - _LATEST_NS) // NS_PER_H * NS_PER_H, query.now_ns
        if query.what == "history":
            start_ns, end_ns = past_window(query, self.name, NS_PER_H)
        points, notes = Points(self.name), dict[str, None]()
        for start, end in pieces(start_ns, end_ns, _LONGEST_NS):
            rows = yield from self._rows(query, authority, start, end)
            part = self._points(rows, query, notes)
            part.keep(start, end)
            points.extend(part)
        signal = Signal(
            zone=query.zone,
            basis="average",
            factors=query.factors,
            flow="production",
            source=f"{self.title} {authority} x {self.factor_set}",
        )
        return answer(points, signal, query, notes=tuple(notes))

    def _rows(
        self, query: Query, authority: str, start_ns: int, end_ns: int
    ) -> Generator[Request, Response, list[Node]]:
        """Ask page after page until there are as many rows as the service says."""
        rows: list[Node] = []
        while True:
            response = yield self._request(query, authority, (start_ns, end_ns), offset=len(rows))
            check_status(response, self.name, asked=f"{query.what} of {query.zone}", where=_WHERE)
            told = read_json(response, self.name).get("response")
            page, total = told.get("data").items(), told.get("total")
            if not 0 <= total.integer() <= _MOST_ROWS:
                raise total.error(f"{total.value!r} rows are not plausible")
            rows += page
            if len(rows) == total.integer():
                _check_rows(rows, authority)
                return rows
            if len(page) != _PAGE or len(rows) > total.integer():
                raise told.error(f"{len(rows)} rows came, {total.value} were announced")

    def _request(self, query: Query, authority: str, window: tuple[int, int], *, offset: int) -> Request:
        # A period is the END of its hour, and both ends are included.
        first, last = (iso(t)[:13] for t in (window[0] + NS_PER_H, window[1]))
        return Request(
            url=f"{self.base_url}/v2/electricity/rto/fuel-type-data/data/",
            params=(
                ("frequency", "hourly"),
                ("data[]", "value"),
                ("facets[respondent][]", authority),
                ("start", first),
                ("end", last),
                # Unsorted pages come in no stable order: rows would be lost and doubled.
                ("sort[0][column]", "period"),
                ("sort[0][direction]", "asc"),
                ("sort[1][column]", "fueltype"),
                ("sort[1][direction]", "asc"),
                ("offset", str(offset)),
                ("length", str(_PAGE)),
            ),
            auth=Auth(kind="header", key="eia", name="X-Api-Key"),
            accept=ACCEPT,
            volatile=is_volatile(query, window[1]),
        )

    def _points(self, rows: list[Node], query: Query, notes: dict[str, None]) -> Points:
        generation = Generation(self.name)
        for row, end_ns in zip(rows, _ends_ns(rows), strict=True):
            code = row.get("fueltype").text()
            if code in STORAGE:
                notes["storage is left out, charging and giving back"] = None
            else:
                generation.add(code, end_ns - NS_PER_H, number_or_nan(row, "value", from_text=True))
        return generation.points(
            NS_PER_H, FUELS, set_name=self.factor_set, factors=query.factors, notes=notes
        )


def _authority(zone: str) -> str | None:
    found = _ZONE.fullmatch(zone)
    if found is None or zone[3:5] in _OWN or not any(known.key == zone for known in zones()):
        return None
    return found[1]


def _check_rows(rows: list[Node], authority: str) -> None:
    for row in rows:
        row.get("respondent").must_be(authority, what="respondent")
        unit = row.find("value-units")
        if unit is not None and unit.text() != "megawatthours":
            raise unit.error(f"{unit.value!r} is no unit of hourly generation; megawatthours is")


def _ends_ns(rows: list[Node]) -> list[int]:
    """Return the ends of the hours: a period is written ``2026-01-01T06``, UTC."""
    periods = [row.get("period") for row in rows]
    for period in periods:
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d", period.text(), re.ASCII):
            raise period.error(f"{period.value!r} is no hour like 2026-01-01T06")
    return instants([Node(f"{p.value}:00", p.where, p.provider) for p in periods], utc=True)


PROVIDER = Eia()
