"""A fake of ENTSO-E's web API, generation by type of plant (A75)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply
from lowtide.testing.fake_grid.truth import generation_mw, stamp, steps_ns
from lowtide.units import NS_PER_H

__all__ = ["FakeEntsoe"]

_PLANTS = {"B05": "coal", "B04": "gas", "B12": "hydro", "B14": "nuclear", "B16": "solar", "B19": "wind"}
_YEAR_NS = 366 * 24 * NS_PER_H
_NAMESPACE = "urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"


@dataclass(slots=True, kw_only=True)
class FakeEntsoe:
    """Answers like the API: repeated values left out, storage twice, no data as an acknowledgement with 200.

    Attributes
    ----------
    now_ns : int
    key : str
    areas : mapping of str to str
        Resolution by area code.
    """

    now_ns: int
    key: str = "entsoe-secret"
    areas: tuple[tuple[str, str], ...] = (("10Y1001A1001A83F", "PT15M"), ("10YFR-RTE------C", "PT60M"))

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        if asked.path.rstrip("/") != "/api":
            return Reply(status=404, body=b"<html><body>Not found</body></html>")
        if asked.one("securityToken") != self.key:
            return Reply(
                status=401, body=b"<html><body>Unauthorized: missing or invalid security token</body></html>"
            )
        if asked.one("documentType") != "A75" or asked.one("processType") != "A16":
            return _acknowledgement("Check you request against dependency tables", status=400)
        start_ns, end_ns = (_instant(asked.one(f"period{end}")) for end in ("Start", "End"))
        if start_ns >= end_ns or end_ns - start_ns > _YEAR_NS:
            return _acknowledgement("Delivered time interval is not valid for this Data item.", status=400)
        resolution = dict(self.areas).get(asked.one("in_Domain"))
        last_ns = min(end_ns, self.now_ns // NS_PER_H * NS_PER_H)
        if resolution is None or last_ns <= start_ns:
            return _acknowledgement(
                "No matching data found for Data item Actual Generation Per Type [16.1.B&C]"
            )
        return self._document(asked.one("in_Domain"), resolution, start_ns, last_ns)

    def _document(self, area: str, resolution: str, start_ns: int, end_ns: int) -> Reply:
        step_ns = int(resolution[2:4]) * NS_PER_H // 60
        times = steps_ns(start_ns, end_ns, step_ns)
        told: list[str] = []
        for plant, fuel in _PLANTS.items():
            power = [max(generation_mw(area, fuel, t), 0) for t in times]
            told.append(_series(len(told) + 1, area, plant, resolution, (start_ns, end_ns), power))
        stored = [generation_mw(area, "storage", t) for t in times]
        for consumed, power in ((False, [max(v, 0) for v in stored]), (True, [max(-v, 0) for v in stored])):
            told.append(
                _series(len(told) + 1, area, "B10", resolution, (start_ns, end_ns), power, consumed=consumed)
            )
        made = stamp(self.now_ns, "s")
        body = (
            f'<?xml version="1.0" encoding="utf-8"?>\n<GL_MarketDocument xmlns="{_NAMESPACE}"><mRID>fake</mRID>'
            f"<revisionNumber>1</revisionNumber><type>A75</type><process.processType>A16</process.processType>"
            f"<createdDateTime>{made}</createdDateTime>{''.join(told)}</GL_MarketDocument>"
        )
        return Reply(body=body.encode(), headers={"content-type": "text/xml"})


def _series(
    number: int,
    area: str,
    plant: str,
    resolution: str,
    window: tuple[int, int],
    power_mw: Sequence[int],
    *,
    consumed: bool = False,
) -> str:
    domain = f"{'out' if consumed else 'in'}BiddingZone_Domain.mRID"
    points = "".join(
        f"<Point><position>{i + 1}</position><quantity>{value}</quantity></Point>"
        for i, value in enumerate(power_mw)
        if i == 0 or value != power_mw[i - 1]  # curve type A03 leaves repeated values out
    )
    start, end = (stamp(t, "minute") for t in window)
    return (
        f"<TimeSeries><mRID>{number}</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>"
        f'<{domain} codingScheme="A01">{area}</{domain}>'
        "<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>A03</curveType>"
        f"<MktPSRType><psrType>{plant}</psrType></MktPSRType>"
        f"<Period><timeInterval><start>{start}</start><end>{end}</end></timeInterval>"
        f"<resolution>{resolution}</resolution>{points}</Period></TimeSeries>"
    )


def _instant(text: str) -> int:
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)", text)
    if found is None:
        return 0
    year, month, day, hour, minute = found.groups()
    return parse_instant_ns(f"{year}-{month}-{day}T{hour}:{minute}Z")


def _acknowledgement(text: str, *, status: int = 200) -> Reply:
    body = (
        '<?xml version="1.0" encoding="utf-8"?>\n<Acknowledgement_MarketDocument '
        'xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"><mRID>fake</mRID>'
        f"<Reason><code>999</code><text>{text.replace('&', '&amp;')}</text></Reason></Acknowledgement_MarketDocument>"
    )
    return Reply(status=status, body=body.encode(), headers={"content-type": "text/xml"})
