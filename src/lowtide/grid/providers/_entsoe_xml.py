"""Reading what ENTSO-E writes: generation documents, and acknowledgements that stand in for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from lowtide.errors import AccessError, NotCoveredError, ProviderError, ReplyError
from lowtide.grid.providers.kit.points import MINUTE_NS
from lowtide.grid.providers.kit.replies import Node, instants, reply_text
from lowtide.model.exchange import Response

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PROVIDER_NAME: Final = "entsoe"
STEPS_NS: Final = {"PT15M": 15 * MINUTE_NS, "PT30M": 30 * MINUTE_NS, "PT60M": 60 * MINUTE_NS}
_MOST_POINTS: Final = 400 * 96
"""No period is longer than the year a request may span."""
_ROOTS: Final = ("GL_MarketDocument", "Acknowledgement_MarketDocument")


def read_document(response: Response, provider: str) -> Element | None:
    """Return a generation document, or None where the service acknowledges that it has no data.

    Raises
    ------
    ReplyError, NotCoveredError, AccessError
    """
    from xml.etree.ElementTree import ParseError, fromstring

    text = reply_text(response, provider)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        # Entities can name files, or grow without end; no document of the service has any.
        raise ReplyError("the reply has a document type (HTML, perhaps) instead of data", provider=provider)
    try:
        root = fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except (ParseError, ValueError, RecursionError) as error:
        raise ReplyError(
            f"the reply is no XML, or was cut: {error}; nothing of it was used", provider=provider
        ) from error
    name = _local(root)
    if name not in _ROOTS:
        raise ReplyError(f"the reply is a {name[:60]!r} instead of a generation document", provider=provider)
    if name == "GL_MarketDocument":
        return root
    told = " ".join((_text(root, "Reason/text") or "").split())[:160]
    if "No matching data found" in told:
        return None
    raise _reason(told)(
        f"the service acknowledges and gives no data: {told or 'no reason told'}", provider=provider
    )


def _reason(told: str) -> type[ProviderError]:
    if "token" in told.lower() or "authoriz" in told.lower():
        return AccessError
    return NotCoveredError if "dependency tables" in told or "not valid" in told else ReplyError


def power_of(
    series: Element, provider: str, *, area: str
) -> tuple[str, int, Iterator[tuple[int, float]]] | None:
    """Return (type of plant, step, (instant, MW) pairs) of one time series; None for what plants consume.

    Raises
    ------
    ReplyError
        If it is of another area or unit, or its periods do not hold together.
    """
    refuse = _refuser(series, provider)
    consumed = _text(series, "outBiddingZone_Domain.mRID")
    told = consumed if consumed is not None else _text(series, "inBiddingZone_Domain.mRID")
    if told != area:
        raise refuse(f"area {area} was asked for, the answer is for {told}")
    if _text(series, "quantity_Measure_Unit.name") != "MAW":
        raise refuse(f"power in {_text(series, 'quantity_Measure_Unit.name')!r}; MAW is expected")
    plant = _text(series, "MktPSRType/psrType")
    if plant is None:
        raise refuse("does not say its type of plant")
    if consumed is not None:
        return None
    curve = _text(series, "curveType")
    if curve not in ("A01", "A03"):
        raise refuse(f"curve type {curve!r}; A01 and A03 are read")
    periods = _children(series, "Period")
    resolutions = {_text(period, "resolution") for period in periods}
    if len(resolutions) != 1 or not resolutions <= set(STEPS_NS):
        raise refuse(f"resolutions {sorted(map(str, resolutions))}; one of {', '.join(STEPS_NS)} is read")
    step_ns = STEPS_NS[str(resolutions.pop())]
    found = [pair for p in periods for pair in _points(p, step_ns, fills=curve == "A03", refuse=refuse)]
    return plant, step_ns, iter(found)


def time_series(root: Element) -> list[Element]:
    """Return the time series of a document."""
    return _children(root, "TimeSeries")


def _points(
    period: Element, step_ns: int, *, fills: bool, refuse: Callable[[str], ReplyError]
) -> Iterator[tuple[int, float]]:
    start_ns, end_ns = _interval(period, refuse)
    n = (end_ns - start_ns) // step_ns
    if not 0 < n <= _MOST_POINTS or (end_ns - start_ns) % step_ns:
        raise refuse("a period that is no whole number of steps long")
    power: dict[int, float] = {}
    for point in _children(period, "Point"):
        position = _number(point, "position")
        value = _number(point, "quantity")
        if position != int(position) or not 1 <= position <= n:
            raise refuse(f"position {position:g} in a period of {n} steps")
        if power.setdefault(int(position), value) != value:
            raise refuse(f"position {position:g} twice, with {power[int(position)]:g} and {value:g} MW")
    if fills and 1 not in power:
        raise refuse("a curve of type A03 that does not begin at position 1")
    # Type A03 leaves repeated values out; in type A01 what is not there is unknown.
    last = float("nan")
    for position in range(1, n + 1):
        last = power.get(position, last if fills else float("nan"))
        yield start_ns + (position - 1) * step_ns, last


def _interval(period: Element, refuse: Callable[[str], ReplyError]) -> tuple[int, int]:
    cells = [_text(period, f"timeInterval/{end}") for end in ("start", "end")]
    if None in cells:
        raise refuse("a period without start or end")
    start_ns, end_ns = instants([Node(cell, "timeInterval", PROVIDER_NAME) for cell in cells])
    return start_ns, end_ns


def _number(point: Element, name: str) -> float:
    return Node(_text(point, name), name, PROVIDER_NAME).number(from_text=True)


def _refuser(series: Element, provider: str) -> Callable[[str], ReplyError]:
    where = f"time series {_text(series, 'mRID')}"

    def refuse(message: str) -> ReplyError:
        return ReplyError(f"{where}: {message}; nothing of the reply was used", provider=provider)

    return refuse


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: Element, name: str) -> list[Element]:
    return [child for child in element if _local(child) == name]


def _text(element: Element, path: str) -> str | None:
    """Return the text at a path of names without namespace, which has changed over the years."""
    for name in path.split("/"):
        found = _children(element, name)
        if not found:
            return None
        element = found[0]
    return (element.text or "").strip()
