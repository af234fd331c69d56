"""A fake of Open Electricity's API v4, network data by technology."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply, reply
from lowtide.testing.fake_grid.truth import generation_mw, naive, steps_ns
from lowtide.units import NS_PER_H

__all__ = ["FakeOpenElectricity", "TONNES_PER_MWH"]

TONNES_PER_MWH = {
    "coal_black": 0.9,
    "gas_ccgt": 0.4,
    "hydro": 0.0,
    "solar_utility": 0.0,
    "battery_charging": 0.0,
}
_FUELS = {
    "coal_black": "coal",
    "gas_ccgt": "gas",
    "hydro": "hydro",
    "solar_utility": "solar",
    "battery_charging": "storage",
}
_OFFSET_H = {"NEM": 10, "WEM": 8}
_REGIONS = {"NEM": ("NSW1", "QLD1", "SA1", "TAS1", "VIC1"), "WEM": ("WEM",)}
_STEP_NS = {"5m": NS_PER_H // 12, "1h": NS_PER_H}
_LONGEST_DAYS = {"5m": 8, "1h": 32}


@dataclass(slots=True, kw_only=True)
class FakeOpenElectricity:
    """Answers like the API: local stamps without offset in, stamps with offset out.

    Attributes
    ----------
    now_ns : int
    key : str
    """

    now_ns: int
    key: str = "oe-secret"

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        network = asked.path.rpartition("/")[2]
        if asked.path != f"/v4/data/network/{network}" or network not in _OFFSET_H:
            return _refusal(404, "Not found")
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return _refusal(401, "Invalid API key")
        interval = asked.one("interval")
        if interval not in _STEP_NS:
            return _refusal(400, f"interval {interval!r} is not supported")
        ends = [_instant(asked.one(name), _OFFSET_H[network]) for name in ("date_start", "date_end")]
        if None in ends:
            return _refusal(400, "dates must be without time zone, in network time")
        start_ns, end_ns = (int(end or 0) for end in ends)
        if end_ns - start_ns > _LONGEST_DAYS[interval] * 24 * NS_PER_H:
            return _refusal(400, f"at most {_LONGEST_DAYS[interval]} days at {interval}")
        times = steps_ns(start_ns, min(end_ns, self.now_ns - NS_PER_H), _STEP_NS[interval])
        regions = asked.all("network_region") or _REGIONS[network]
        data = [_block(metric, network, interval, regions, times) for metric in asked.all("metrics")]
        created = f"{naive(self.now_ns, _OFFSET_H[network])}+{_OFFSET_H[network]:02d}:00"
        return reply({"version": "4.0", "created_at": created, "success": True, "error": None, "data": data})


def _block(
    metric: str, network: str, interval: str, regions: list[str] | tuple[str, ...], times: range
) -> dict[str, Any]:
    offset_h = _OFFSET_H[network]
    hours = _STEP_NS[interval] / NS_PER_H
    results = [
        {
            "name": f"{metric}_{region}_{tech}",
            "columns": {"region": region, "fueltech": tech},
            "data": [
                [f"{naive(t, offset_h)}+{offset_h:02d}:00", _value(metric, region, tech, t, hours)]
                for t in times
            ],
        }
        for region in regions
        for tech in _FUELS
    ]
    unit = {"power": "MW", "energy": "MWh", "emissions": "t"}[metric]
    offset = f"+{offset_h:02d}:00"
    return {
        "network_code": network,
        "metric": metric,
        "unit": unit,
        "interval": interval,
        "groupings": ["network_region", "fueltech"],
        "results": results,
        "network_timezone_offset": offset,
    }


def _value(metric: str, region: str, tech: str, t_ns: int, hours: float) -> float:
    power_mw = float(max(generation_mw(region, _FUELS[tech], t_ns), 0))
    if metric == "power":
        return power_mw
    return power_mw * hours * (1.0 if metric == "energy" else TONNES_PER_MWH[tech])


def _instant(text: str, offset_h: int) -> int | None:
    """Return the instant meant by local time, None when it says an offset."""
    if datetime.fromisoformat(text).tzinfo is not None:
        return None
    return parse_instant_ns(f"{text}+{offset_h:02d}:00")


def _refusal(status: int, message: str) -> Reply:
    return reply({"version": "4.0", "success": False, "error": message}, status=status)
