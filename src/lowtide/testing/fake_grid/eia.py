"""A fake of EIA's API v2, route electricity/rto/fuel-type-data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from random import Random
from typing import Any

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply, reply
from lowtide.testing.fake_grid.truth import generation_mw, stamp, steps_ns
from lowtide.units import NS_PER_H

__all__ = ["FakeEia"]

_PAGE = 5000
_CODES = {
    "BAT": "storage",
    "COL": "coal",
    "NG": "gas",
    "NUC": "nuclear",
    "SUN": "solar",
    "WAT": "hydro",
    "WND": "wind",
}
_NAMES = {"BAT": "Battery storage", "COL": "Coal", "NG": "Natural Gas", "NUC": "Nuclear", "SUN": "Solar"}
_ROUTE = "v2/electricity/rto/fuel-type-data/data"


@dataclass(slots=True, kw_only=True)
class FakeEia:
    """Answers like the API: periods are ends of hours, unsorted pages come in no order, values are texts.

    Attributes
    ----------
    now_ns : int
    key : str
    respondents : tuple of str
    """

    now_ns: int
    key: str = "eia-secret"
    respondents: tuple[str, ...] = ("CISO", "ERCO")

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        if asked.path.strip("/") != _ROUTE:
            return reply({"error": "Not found", "code": 404}, status=404)
        key = asked.headers.get("x-api-key") or asked.one("api_key")
        if not key:
            return _refusal("API_KEY_MISSING", "No api_key was supplied.")
        if key != self.key:
            return _refusal("API_KEY_INVALID", "An invalid api_key was supplied.")
        wanted = json.loads(asked.headers["x-params"]) if "x-params" in asked.headers else _of_query(asked)
        if wanted["frequency"] != "hourly":
            return reply({"error": "Invalid frequency", "code": 400}, status=400)
        return self._page(wanted)

    def _page(self, wanted: dict[str, Any]) -> Reply:
        rows = self._rows(wanted)
        columns = [sort["column"] for sort in wanted.get("sort") or ()]
        if columns:
            rows.sort(key=lambda row: [row[column] for column in columns])
        else:
            Random(int(wanted["offset"])).shuffle(rows)  # no stable order from page to page
        first, length = int(wanted["offset"]), min(int(wanted["length"]), _PAGE)
        told: dict[str, Any] = {
            "total": str(len(rows)),
            "dateFormat": 'YYYY-MM-DD"T"HH24',
            "frequency": "hourly",
            "data": rows[first : first + length],
        }
        if len(rows) > length:
            told["warnings"] = [{"warning": "incomplete return", "description": f"only {length} rows a page"}]
        return reply({"response": told, "request": {"command": f"/{_ROUTE}/"}, "apiVersion": "2.1.8"})

    def _rows(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        start_ns, end_ns = (parse_instant_ns(f"{wanted[end]}:00Z") for end in ("start", "end"))
        asked = (wanted.get("facets") or {}).get("respondent") or list(self.respondents)
        return [
            _row(respondent, code, t)
            for t in steps_ns(start_ns, min(end_ns, self.now_ns) + 1, NS_PER_H)
            for respondent in asked
            if respondent in self.respondents
            for code in _CODES
        ]


def _row(respondent: str, code: str, end_ns: int) -> dict[str, Any]:
    return {
        "period": stamp(end_ns)[:13],
        "respondent": respondent,
        "respondent-name": f"{respondent} (balancing authority)",
        "fueltype": code,
        "type-name": _NAMES.get(code, code.title()),
        "value": str(generation_mw(respondent, _CODES[code], end_ns - NS_PER_H)),
        "value-units": "megawatthours",
    }


def _of_query(asked: Asked) -> dict[str, Any]:
    """Return the question of a query string as a client would have put it into X-Params."""
    columns = [value for name, value in asked.params if re.fullmatch(r"sort\[\d+\]\[column\]", name)]
    return {
        "frequency": asked.one("frequency"),
        "start": asked.one("start"),
        "end": asked.one("end"),
        "facets": {"respondent": asked.all("facets[respondent][]")},
        "sort": [{"column": column} for column in columns],
        "offset": asked.one("offset", "0"),
        "length": asked.one("length", "5000"),
    }


def _refusal(code: str, message: str) -> Reply:
    return reply({"error": {"code": code, "message": message}}, status=403)
