"""Saved exchanges with a source of intensity, and what must come of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowtide.doors import Query
from lowtide.model.exchange import Response
from lowtide.quantities import parse_instant_ns

__all__ = ["Case", "Exchange", "read_case"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request a provider makes and the response to it.

    Attributes
    ----------
    url : str
    params : tuple of (name, value)
    response : Response
    """

    url: str
    params: tuple[tuple[str, str], ...] = ()
    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A query, the exchanges of its conversation in order, and the values that must come out.

    Attributes
    ----------
    query : Query
    exchanges : tuple of Exchange
    g_per_kwh : tuple of float or None
        Expected values, None where unknown.
    status : tuple of str
        Expected status of each value, or one for all.
    place : str
        What the replies call the zone; empty when they do not say.
    """

    query: Query
    exchanges: tuple[Exchange, ...]
    g_per_kwh: tuple[float | None, ...]
    status: tuple[str, ...]
    place: str = ""


def read_case(path: Path, *, base_url: str = "") -> Case:
    """Return a case saved as JSON.

    It holds ``query`` (``what zone start end now factors``), ``exchanges`` (``url params status body``, the body as
    JSON or as a text) and ``expect`` (``g_per_kwh status place``). Paths begin with ``/`` when `base_url` is given.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    asked = told["query"]
    start_ns, end_ns, now_ns = (parse_instant_ns(asked[key]) for key in ("start", "end", "now"))
    query = Query(
        what=asked["what"],
        zone=asked["zone"],
        start_ns=start_ns,
        end_ns=end_ns,
        now_ns=now_ns,
        factors=asked.get("factors", "lifecycle"),
    )
    expect = told["expect"]
    return Case(
        query=query,
        exchanges=tuple(_exchange(e, base_url, now_ns) for e in told["exchanges"]),
        g_per_kwh=tuple(expect["g_per_kwh"]),
        status=tuple(expect["status"]),
        place=expect.get("place", ""),
    )


def _exchange(told: dict[str, Any], base_url: str, now_ns: int) -> Exchange:
    body = told.get("body", "")
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    response = Response(status=told.get("status", 200), body=data, fetched_ns=now_ns)
    params = tuple((name, value) for name, value in told.get("params", ()))
    return Exchange(url=base_url + told["url"], params=params, response=response)
