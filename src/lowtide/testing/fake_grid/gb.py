"""A fake of the Carbon Intensity API of Great Britain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply, reply
from lowtide.testing.fake_grid.truth import intensity_g_per_kwh, stamp, steps_ns
from lowtide.units import NS_PER_H

__all__ = ["FakeGreatBritain"]

_STEP_NS = NS_PER_H // 2
_LONGEST_NS = 14 * 24 * NS_PER_H
_INSTANT = r"(\d{4}-\d\d-\d\dT\d\d:\d\dZ)"


@dataclass(slots=True, kw_only=True)
class FakeGreatBritain:
    """Answers like the API, the half hour before the one asked for included.

    Attributes
    ----------
    now_ns : int
    """

    now_ns: int

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        path = asked.path.strip("/")
        if path == "intensity":
            return reply({"data": self._rows("GB", self.now_ns, self.now_ns + 1)})
        found = re.fullmatch(
            rf"(regional/)?intensity/{_INSTANT}/({_INSTANT}|fw24h|fw48h)(/regionid/(\d+))?", path
        )
        if found is not None and bool(found[1]) == bool(found[5]):
            start_ns = parse_instant_ns(found[2])
            hours = {"fw24h": 24, "fw48h": 48}.get(found[3])
            end_ns = parse_instant_ns(found[3]) if hours is None else start_ns + hours * NS_PER_H
            if end_ns - start_ns > _LONGEST_NS:
                return _refusal("The maximum date range is limited to 14 days.")
            return self._range(found[6], start_ns, end_ns)
        found = re.fullmatch(r"regional/regionid/(\d+)", path)
        if found is not None:
            region = self._region(found[1], self.now_ns, self.now_ns + 1)
            return reply({"data": [region]}) if int(found[1]) in range(1, 18) else _refusal("No such region.")
        return _refusal("Please enter a valid start datetime in ISO8601 format YYYY-MM-DDThh:mmZ.")

    def _range(self, region: str | None, start_ns: int, end_ns: int) -> Reply:
        # The half hour that ends at the start is answered too.
        if region is None:
            return reply({"data": self._rows("GB", start_ns - _STEP_NS, end_ns)})
        if int(region) not in range(1, 18):
            return _refusal("No such region.")
        return reply({"data": self._region(region, start_ns - _STEP_NS, end_ns)})

    def _rows(self, place: str, start_ns: int, end_ns: int) -> list[dict[str, Any]]:
        first_ns = start_ns // _STEP_NS * _STEP_NS
        return [self._row(place, t) for t in steps_ns(first_ns, end_ns, _STEP_NS)]

    def _row(self, place: str, t_ns: int) -> dict[str, Any]:
        value = intensity_g_per_kwh(place, t_ns)
        told: dict[str, Any] = {"forecast": value + 3, "index": "moderate"}
        if place == "GB":
            told["actual"] = value if t_ns + _STEP_NS <= self.now_ns - _STEP_NS else None
        return {"from": stamp(t_ns, "minute"), "to": stamp(t_ns + _STEP_NS, "minute"), "intensity": told}

    def _region(self, region: str, start_ns: int, end_ns: int) -> dict[str, Any]:
        rows = self._rows(f"region {int(region)}", start_ns, end_ns)
        for row in rows:
            row["generationmix"] = [{"fuel": "gas", "perc": 40.1}, {"fuel": "wind", "perc": 59.9}]
        return {"regionid": int(region), "shortname": f"Region {int(region)}", "data": rows}


def _refusal(message: str) -> Reply:
    return reply({"error": {"code": "400 Bad Request", "message": message}}, status=400)
