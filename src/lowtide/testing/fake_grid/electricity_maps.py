"""A fake of Electricity Maps, v3 and v4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply, error, reply
from lowtide.testing.fake_grid.truth import intensity_g_per_kwh, stamp, steps_ns
from lowtide.units import NS_PER_H

__all__ = ["FakeElectricityMaps"]

_STEP_NS = {"hourly": NS_PER_H, "15_minutes": NS_PER_H // 4, "5_minutes": NS_PER_H // 12}
_FREE = ("latest", "history")


@dataclass(slots=True, kw_only=True)
class FakeElectricityMaps:
    """Answers like the API, its fallback to the caller's place included.

    Attributes
    ----------
    now_ns : int
    key : str
        The only auth-token that opens it.
    zones : tuple of str
    callers_zone : str
        What it silently answers for when a zone is not found and the fallback is not switched off.
    has_plan : bool
        Without a plan only the newest value and the last 24 h are open.
    """

    now_ns: int
    key: str = "em-secret"
    zones: tuple[str, ...] = ("DE", "FR", "PL", "US-CAL-CISO")
    callers_zone: str = "PL"
    has_plan: bool = True

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        parts = asked.path.strip("/").split("/")
        if len(parts) != 3 or parts[0] not in ("v3", "v4") or parts[1] != "carbon-intensity":
            return error(404, "Not found")
        if asked.headers.get("auth-token") != self.key:
            return error(401, "Invalid auth-token")
        version, path = parts[0], parts[2]
        if not self.has_plan and path not in _FREE:
            return error(403, f"Your plan does not include carbon-intensity/{path}")
        zone = asked.one("zone")
        if zone not in self.zones:
            switch = {"v3": ("shouldUseFallbackCallerLookup", "false"), "v4": ("disableCallerLookup", "true")}
            name, value = switch[version]
            if asked.one(name) == value:
                return error(400, f"Zone {zone!r} does not exist")
            zone = self.callers_zone
        return self._told(path, zone, asked, version)

    def _told(self, path: str, zone: str, asked: Asked, version: str) -> Reply:
        step_ns = _STEP_NS.get(asked.one("temporalGranularity", "hourly"))
        if step_ns is None:
            return error(400, "Invalid temporalGranularity")
        newest_ns = self.now_ns // step_ns * step_ns
        if path == "latest":
            return reply(self._value(zone, newest_ns, asked))
        if path == "history":
            times = steps_ns(newest_ns - 23 * NS_PER_H, newest_ns + 1, step_ns)
            return reply({"zone": zone, "history": [self._value(zone, t, asked) for t in times]})
        if path == "past-range":
            return self._range(zone, asked, step_ns)
        if path == "forecast":
            return self._forecast(zone, asked, version, step_ns)
        return error(404, "Not found")

    def _range(self, zone: str, asked: Asked, step_ns: int) -> Reply:
        start_ns, end_ns = parse_instant_ns(asked.one("start")), parse_instant_ns(asked.one("end"))
        if end_ns - start_ns > 240 * NS_PER_H:
            return error(400, "The time range exceeds 10 days")
        times = steps_ns(start_ns, min(end_ns, self.now_ns), step_ns)
        return reply({"data": [self._value(zone, t, asked) for t in times]})

    def _forecast(self, zone: str, asked: Asked, version: str, step_ns: int) -> Reply:
        hours = int(asked.one("horizonHours", "24"))
        if version == "v4" and hours not in (6, 24, 48, 72):
            return error(400, "Invalid horizonHours")
        times = steps_ns(self.now_ns // step_ns * step_ns, self.now_ns + hours * NS_PER_H, step_ns)
        rows = [{"carbonIntensity": intensity_g_per_kwh(zone, t), "datetime": stamp(t)} for t in times]
        updated = stamp(self.now_ns // step_ns * step_ns)
        granularity = asked.one("temporalGranularity", "hourly")
        return reply(
            {"zone": zone, "forecast": rows, "updatedAt": updated, "temporalGranularity": granularity}
        )

    def _value(self, zone: str, t_ns: int, asked: Asked) -> dict[str, Any]:
        """Return one object: the last three hours are estimates, made before their hour began."""
        is_estimated = t_ns > self.now_ns - 3 * NS_PER_H
        factors = asked.one("emissionFactorType", "lifecycle")
        value = intensity_g_per_kwh(zone, t_ns)
        return {
            "zone": zone,
            "carbonIntensity": value if factors == "lifecycle" else value - 50,
            "datetime": stamp(t_ns),
            "updatedAt": stamp(t_ns - NS_PER_H // 3 if is_estimated else t_ns + 2 * NS_PER_H),
            "createdAt": stamp(t_ns - 72 * NS_PER_H),
            "emissionFactorType": factors,
            "isEstimated": is_estimated,
            "estimationMethod": "TIME_SLICER_AVERAGE" if is_estimated else None,
            "temporalGranularity": asked.one("temporalGranularity", "hourly"),
        }
