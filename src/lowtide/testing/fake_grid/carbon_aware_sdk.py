"""A fake of the Carbon Aware SDK's web API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply, reply
from lowtide.testing.fake_grid.truth import intensity_g_per_kwh, stamp, steps_ns
from lowtide.units import NS_PER_H

__all__ = ["FakeCarbonAwareSdk"]


@dataclass(slots=True, kw_only=True)
class FakeCarbonAwareSdk:
    """Answers like the web API.

    Attributes
    ----------
    now_ns : int
    locations : tuple of str
    has_forecast : bool
        Whether the source behind it has forecasts.
    """

    now_ns: int
    locations: tuple[str, ...] = ("eastus", "DE")
    has_forecast: bool = True

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        location = asked.one("location")
        if not location:
            return _problem(400, "ArgumentException", "location is required")
        if asked.path == "/emissions/bylocation":
            if location not in self.locations:
                return _problem(400, "ArgumentException", f"Unknown Location: '{location}' not found")
            return self._emissions(location, asked)
        if asked.path == "/emissions/forecasts/current":
            if not self.has_forecast:
                return _problem(501, "NotImplementedException", "forecasts are not supported")
            return self._forecast(location)
        return _problem(404, "Not Found", asked.path)

    def _emissions(self, location: str, asked: Asked) -> Reply:
        start_ns, end_ns = parse_instant_ns(asked.one("time")), parse_instant_ns(asked.one("toTime"))
        times = steps_ns(start_ns, min(end_ns, self.now_ns) + 1, NS_PER_H)
        if not times:
            return Reply(status=204)
        return reply(
            [
                {"location": location, "time": stamp(t, "offset"), "rating": intensity_g_per_kwh(location, t)}
                for t in times
            ]
        )

    def _forecast(self, location: str) -> Reply:
        step_ns = NS_PER_H // 12
        start_ns = self.now_ns // step_ns * step_ns
        points = [_point(location, t) for t in steps_ns(start_ns, start_ns + 24 * NS_PER_H, step_ns)]
        told = {
            "requestedAt": stamp(self.now_ns, "offset"),
            "generatedAt": stamp(start_ns, "offset"),
            "location": location,
            "dataStartAt": points[0]["timestamp"],
            "dataEndAt": points[-1]["timestamp"],
            "windowSize": 5,
            "optimalDataPoints": [min(points, key=lambda point: float(point["value"]))],
            "forecastData": points,
        }
        return reply([told])


def _point(location: str, t_ns: int) -> dict[str, Any]:
    return {
        "location": location,
        "timestamp": stamp(t_ns, "offset"),
        "duration": 5,
        "value": float(intensity_g_per_kwh(location, t_ns)),
    }


def _problem(status: int, title: str, detail: str) -> Reply:
    return reply({"type": "about:blank", "title": title, "status": status, "detail": detail}, status=status)
