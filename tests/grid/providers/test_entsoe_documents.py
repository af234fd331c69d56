"""Documents of ENTSO-E: curves, resolutions, acknowledgements, and XML that means harm."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from provider_cases import cases_of

from lowtide.doors import Answer, Query
from lowtide.errors import AccessError, NotCoveredError, ReplyError
from lowtide.grid.providers.entsoe import AREAS, PROVIDER
from lowtide.model.exchange import Response
from lowtide.quantities import parse_instant_ns
from lowtide.testing.provider_checks import converse

CASE = cases_of("entsoe")["history"]
BODY = CASE.exchanges[0].response.body.decode()


def ask(body: str, *, status: int = 200) -> Answer:
    """Ask about Germany's hour and answer with a body."""
    return converse(PROVIDER, CASE.query, lambda _: Response(status=status, body=body.encode(), fetched_ns=0))


def acknowledgement(text: str) -> str:
    """Return an acknowledgement document."""
    return (
        '<Acknowledgement_MarketDocument xmlns="urn:x"><Reason><code>999</code>'
        f"<text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    )


@pytest.mark.parametrize("zone", AREAS)
def test_area_codes_have_the_check_character_of_their_scheme(zone: str) -> None:
    # Energy Identification Code: values 0-9, A-Z, '-' are 0 to 36, weighted 16 down to 2; then modulo 37.
    signs = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
    *body, check = AREAS[zone]
    total = sum(signs.index(sign) * weight for sign, weight in zip(body, range(16, 1, -1), strict=True))
    assert signs[36 - (total - 1) % 37] == check


def test_zones_are_known_to_lowtide() -> None:
    from lowtide.data.zones import zones

    assert set(AREAS) <= {zone.key for zone in zones()}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("No matching data found for Data item X", NotCoveredError, "has no value of DE"),
        ("Delivered time interval is not valid", NotCoveredError, "Delivered time interval is not valid"),
        ("check you request against dependency tables", NotCoveredError, "dependency tables"),
        ("Authentication token is missing", AccessError, "token is missing"),
        ("Unexpected error occurred", ReplyError, "acknowledges and gives no data: Unexpected error"),
        ("", ReplyError, "no reason told"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_acknowledgement_is_no_data_and_says_why(
    text: str, error: type[Exception], message: str, status: int
) -> None:
    with pytest.raises(error, match=message):
        ask(acknowledgement(text), status=status)


def test_entities_are_not_expanded() -> None:
    bomb = (
        '<!DOCTYPE a [<!ENTITY b "0">'
        + "".join(f'<!ENTITY {chr(99 + i)} "{f"&{chr(98 + i)};" * 20}">' for i in range(9))
        + "]>"
    )
    began = time.perf_counter()
    with pytest.raises(ReplyError, match="has a document type"):
        ask(bomb + BODY.replace("<quantity>1000", "<quantity>&k;"))
    assert time.perf_counter() - began < 5.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PT15M", "PT5M", "resolutions .'PT5M'.; one of PT15M, PT30M, PT60M is read"),
        ("<curveType>A01", "<curveType>A05", "curve type 'A05'; A01 and A03 are read"),
        ("MAW", "KWH", "power in 'KWH'; MAW is expected"),
        ("<position>3</position>", "<position>9</position>", "position 9 in a period of 4 steps"),
        (
            "<position>1</position><quantity>3000",
            "<position>2</position><quantity>3000",
            "does not begin at position 1",
        ),
        ("<psrType>B04</psrType>", "", "does not say its type of plant"),
        ("<start>2026-03-10T10:00Z", "<start>2026-03-10T10:07Z", "no whole number of steps long"),
        ("<end>2026-03-10T11:00Z</end>", "", "a period without start or end"),
        ("GL_MarketDocument", "Publication_MarketDocument", "is a 'Publication_MarketDocument' instead of"),
        ("</TimeSeries>", "", "is no XML, or was cut"),
    ],
)
def test_document_that_does_not_hold_together_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ReplyError, match=message):
        ask(BODY.replace(old, new))


def test_point_that_is_missing_is_unknown_in_one_curve_and_repeated_in_the_other() -> None:
    without = BODY.replace("<Point><position>3</position><quantity>2000</quantity></Point>", "")
    unknown = ask(without).intensity.intensity_g_per_kwh
    assert np.isnan(unknown).tolist() == [False, False, True, False]
    repeated = ask(without.replace("<curveType>A01", "<curveType>A03")).intensity.intensity_g_per_kwh
    # Gas stays at 1000 MW in the third quarter: (1000 x 490 + 1000 x 11 + 1000 x 12) / 3000 = 171
    assert repeated.tolist() == pytest.approx([107.0, 107.0, 171.0, 250.75])


def test_latest_does_not_reach_beyond_now() -> None:
    query = Query(
        what="latest",
        zone="DE",
        start_ns=0,
        end_ns=1,
        now_ns=parse_instant_ns("2026-03-10T10:30Z"),
    )
    answer: Any = converse(PROVIDER, query, lambda _: CASE.exchanges[0].response)
    assert answer.intensity.start_ns == parse_instant_ns("2026-03-10T10:15Z")
