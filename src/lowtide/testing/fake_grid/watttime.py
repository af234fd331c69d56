"""A fake of WattTime v3."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply, error, reply
from lowtide.testing.fake_grid.truth import intensity_g_per_kwh, stamp, steps_ns
from lowtide.units import NS_PER_H

__all__ = ["FakeWattTime"]

_STEP_NS = NS_PER_H // 12
_DAY_NS = 24 * NS_PER_H


@dataclass(slots=True, kw_only=True)
class FakeWattTime:
    """Answers like the API; its values are the truth of a region in lb/MWh.

    Attributes
    ----------
    now_ns : int
    login : str
        ``USER:PASSWORD`` that opens it.
    regions : tuple of str
        Those the account may see.
    token_s : float
        How long a token lasts [s].
    """

    now_ns: int
    login: str = "someone:wt-secret"
    regions: tuple[str, ...] = ("CAISO_NORTH", "DE")
    token_s: float = 1800.0
    _tokens: dict[str, int] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        path = asked.path.strip("/")
        if path == "login":
            return self._log_in(asked)
        made_ns = self._tokens.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if made_ns is None or self.now_ns - made_ns > self.token_s * 1e9:
            return error(401, "Token is invalid or has expired")
        region = asked.one("region")
        if region not in self.regions:
            return error(403, "You do not have permission to view this resource")
        ways = {
            "v3/historical": self._historical,
            "v3/forecast": self._forecast,
            "v3/forecast/historical": self._past_forecasts,
            "v3/signal-index": self._index,
        }
        return ways[path](region, asked) if path in ways else error(404, "Not found")

    def _log_in(self, asked: Asked) -> Reply:
        expected = base64.b64encode(self.login.encode()).decode()
        if asked.headers.get("authorization") != f"Basic {expected}":
            return error(401, "Unauthorized")
        token = f"token-{len(self._tokens) + 1}"
        self._tokens[token] = self.now_ns
        return reply({"token": token})

    def _historical(self, region: str, asked: Asked) -> Reply:
        start_ns, end_ns = _window(asked)
        if end_ns - start_ns > 32 * _DAY_NS:
            return error(400, "The time range must be at most 32 days")
        times = steps_ns(start_ns, min(end_ns, self.now_ns) + 1, _STEP_NS)  # both ends included
        return reply({"data": [_point(region, t) for t in times], "meta": self._meta(region)})

    def _forecast(self, region: str, asked: Asked) -> Reply:
        hours = int(asked.one("horizon_hours", "24"))
        if not 0 <= hours <= 72:
            return error(400, "horizon_hours must be 0 to 72")
        start_ns = self.now_ns // _STEP_NS * _STEP_NS
        times = steps_ns(start_ns, start_ns + max(hours * NS_PER_H, _STEP_NS), _STEP_NS)
        return reply({"data": [_point(region, t) for t in times], "meta": self._meta(region)})

    def _past_forecasts(self, region: str, asked: Asked) -> Reply:
        start_ns, end_ns = _window(asked)
        if end_ns - start_ns > _DAY_NS:
            return error(400, "The time range must be at most 1 day")
        hours = int(asked.one("horizon_hours", "24"))
        made = [
            {
                "generated_at": stamp(t, "offset"),
                "forecast": [_point(region, p) for p in steps_ns(t, t + hours * NS_PER_H, _STEP_NS)],
            }
            for t in steps_ns(start_ns, min(end_ns, self.now_ns) + 1, _STEP_NS)
        ]
        return reply({"data": made, "meta": self._meta(region)})

    def _index(self, region: str, asked: Asked) -> Reply:
        """Return the percentile that so many take for an intensity."""
        point = {"point_time": stamp(self.now_ns // _STEP_NS * _STEP_NS, "offset"), "value": 53}
        return reply({"data": [point], "meta": {**self._meta(region), "units": "percentile"}})

    def _meta(self, region: str) -> dict[str, Any]:
        return {
            "data_point_period_seconds": 300,
            "region": region,
            "warnings": [],
            "signal_type": "co2_moer",
            "model": {"date": "2023-03-01"},
            "units": "lbs_co2_per_mwh",
            "generated_at_period_seconds": 300,
            "generated_at": stamp(self.now_ns // _STEP_NS * _STEP_NS, "offset"),
        }


def _point(region: str, t_ns: int) -> dict[str, Any]:
    return {"point_time": stamp(t_ns, "offset"), "value": intensity_g_per_kwh(region, t_ns)}


def _window(asked: Asked) -> tuple[int, int]:
    return parse_instant_ns(asked.one("start")), parse_instant_ns(asked.one("end"))
