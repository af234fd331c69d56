"""ENTSO-E: generation by type of plant in Europe (document A75), times emission factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lowtide.doors import Conversation, Key, Query
from lowtide.errors import NotCoveredError
from lowtide.grid.mix import MIX_SET
from lowtide.grid.providers._entsoe_xml import PROVIDER_NAME, STEPS_NS, power_of, read_document, time_series
from lowtide.grid.providers.kit.mixing import Generation
from lowtide.grid.providers.kit.points import DAY_NS, Points, answer, is_volatile, iso, past_window, pieces
from lowtide.grid.providers.kit.replies import ACCEPT, check_status
from lowtide.model.exchange import Auth, Request, Response
from lowtide.model.signal import Signal
from lowtide.units import NS_PER_H

__all__ = ["AREAS", "FUELS", "PROVIDER", "STORAGE", "Entsoe"]

AREAS: Final = {
    "AT": "10YAT-APG------L",
    "BA": "10YBA-JPCC-----D",
    "BE": "10YBE----------2",
    "BG": "10YCA-BULGARIA-R",
    "CH": "10YCH-SWISSGRIDZ",
    "CY": "10YCY-1001A0003J",
    "CZ": "10YCZ-CEPS-----N",
    "DE": "10Y1001A1001A83F",
    "DK-DK1": "10YDK-1--------W",
    "DK-DK2": "10YDK-2--------M",
    "EE": "10Y1001A1001A39I",
    "ES": "10YES-REE------0",
    "FI": "10YFI-1--------U",
    "FR": "10YFR-RTE------C",
    "GR": "10YGR-HTSO-----Y",
    "HR": "10YHR-HEP------M",
    "HU": "10YHU-MAVIR----U",
    "IE": "10Y1001A1001A59C",
    "IT-CNO": "10Y1001A1001A70O",
    "IT-CSO": "10Y1001A1001A71M",
    "IT-NO": "10Y1001A1001A73I",
    "IT-SAR": "10Y1001A1001A74G",
    "IT-SIC": "10Y1001A1001A75E",
    "IT-SO": "10Y1001A1001A788",
    "LT": "10YLT-1001A0008Q",
    "LV": "10YLV-1001A00074",
    "ME": "10YCS-CG-TSO---S",
    "MK": "10YMK-MEPSO----8",
    "NL": "10YNL----------L",
    "NO-NO1": "10YNO-1--------2",
    "NO-NO2": "10YNO-2--------T",
    "NO-NO3": "10YNO-3--------J",
    "NO-NO4": "10YNO-4--------9",
    "NO-NO5": "10Y1001A1001A48H",
    "PL": "10YPL-AREA-----S",
    "PT": "10YPT-REN------W",
    "RO": "10YRO-TEL------P",
    "RS": "10YCS-SERBIATSOV",
    "SE-SE1": "10Y1001A1001A44P",
    "SE-SE2": "10Y1001A1001A45N",
    "SE-SE3": "10Y1001A1001A46L",
    "SE-SE4": "10Y1001A1001A47J",
    "SI": "10YSI-ELES-----O",
    "SK": "10YSK-SEPS-----K",
}
"""Area by zone, as an Energy Identification Code; IE is the all-island market."""

FUELS: Final = {
    "B01": "biomass",
    "B02": "coal",
    "B03": "coal",
    "B04": "gas",
    "B05": "coal",
    "B06": "oil",
    "B07": "coal",
    "B08": "coal",
    "B09": "geothermal",
    "B11": "hydro",
    "B12": "hydro",
    "B13": "hydro",
    "B14": "nuclear",
    "B15": "biomass",
    "B16": "solar",
    "B17": "unknown",
    "B18": "wind",
    "B19": "wind",
    "B20": "unknown",
}
"""Fuel by type of plant. The set has no factor of its own for lignite (B02), coal gas (B03), oil shale (B07) and
peat (B08), which count as coal, marine (B13) as hydro, other renewable (B15) as biomass, waste (B17) as unknown."""
STORAGE: Final = frozenset({"B10", "B25"})
"""Pumped storage and batteries: left out, charging and giving back."""

_LONGEST_NS: Final = 30 * DAY_NS
_LATEST_NS: Final = 2 * DAY_NS
_WHERE: Final = "https://transparency.entsoe.eu (account, then ask for API access)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entsoe:
    """Asks the Transparency Platform of ENTSO-E.

    Attributes
    ----------
    factor_set : str
        Named set of factors of :mod:`lowtide.data.factors`.
    base_url : str
    """

    factor_set: str = MIX_SET
    base_url: str = "https://web-api.tp.entsoe.eu"
    name: str = PROVIDER_NAME
    title: str = "ENTSO-E"
    attribution: str = "Generation: ENTSO-E Transparency Platform, CC BY 4.0"
    covers: str = "European bidding zones; average, production, mix x factors; 15, 30 or 60 minutes"
    offers: frozenset[str] = frozenset({"latest", "history"})
    keys: tuple[Key, ...] = (Key(name="entsoe", where=_WHERE),)
    basis: Literal["average", "marginal"] = "average"
    requests_per_s: float = 5.0

    def has(self, zone: str) -> bool:
        """Return whether the code of a zone is known."""
        return zone in AREAS

    def ask(self, query: Query) -> Conversation:
        """Start a conversation."""
        if not self.has(query.zone):
            raise NotCoveredError(
                f"no area is known for {query.zone}; there is one for {', '.join(AREAS)}", provider=self.name
            )
        if query.what not in self.offers:
            raise NotCoveredError(f"has no {query.what}; it offers latest, history", provider=self.name)
        return (yield from self._past(query, AREAS[query.zone]))

    def _past(self, query: Query, area: str) -> Conversation:
        start_ns, end_ns = (query.now_ns - _LATEST_NS) // NS_PER_H * NS_PER_H, query.now_ns
        if query.what == "history":
            start_ns, end_ns = past_window(query, self.name, NS_PER_H)
        points, notes = Points(self.name), dict[str, None]()
        for start, end in pieces(start_ns, end_ns, _LONGEST_NS):
            response = yield self._request(query, area, start, end)
            part = self._points(response, query, area, notes)
            part.keep(start, end)
            points.extend(part)
        signal = Signal(
            zone=query.zone,
            basis="average",
            factors=query.factors,
            flow="production",
            source=f"{self.title} x {self.factor_set}",
        )
        return answer(points, signal, query, notes=tuple(notes))

    def _request(self, query: Query, area: str, start_ns: int, end_ns: int) -> Request:
        first, last = (iso(t, minutes=True).translate(_DIGITS) for t in (start_ns, end_ns))
        return Request(
            url=f"{self.base_url}/api",
            params=(
                ("documentType", "A75"),
                ("processType", "A16"),
                ("in_Domain", area),
                ("periodStart", first),
                ("periodEnd", last),
            ),
            auth=Auth(kind="query", key="entsoe", name="securityToken"),
            accept=ACCEPT,
            volatile=is_volatile(query, end_ns),
        )

    def _points(self, response: Response, query: Query, area: str, notes: dict[str, None]) -> Points:
        if response.status in (401, 403, 404):
            check_status(response, self.name, asked=f"{query.what} of {query.zone}", where=_WHERE)
        # A bad question is answered with 400 and a document that says what is bad, no data with 200 or 400.
        root = read_document(response, self.name)
        if root is None:
            return Points(self.name)
        if response.status != 200:
            check_status(response, self.name, asked=f"{query.what} of {query.zone}")
        found = [power_of(series, self.name, area=area) for series in time_series(root)]
        kept = [entry for entry in found if entry is not None and entry[0] not in STORAGE]
        if len(kept) < len(found):
            notes["storage is left out, charging and giving back"] = None
        step_ns = min((step for _, step, _ in kept), default=STEPS_NS["PT60M"])
        generation = Generation(self.name)
        for plant, own_ns, pairs in kept:
            generation.power_mw.setdefault(plant, {})
            for t, power_mw in pairs:
                # A mean over an hour is the best there is for each quarter of it.
                for shift_ns in range(0, own_ns, step_ns):
                    generation.add(plant, t + shift_ns, power_mw)
        return generation.points(step_ns, FUELS, set_name=self.factor_set, factors=query.factors, notes=notes)


_DIGITS: Final = str.maketrans("", "", "-:TZ")

PROVIDER = Entsoe()
