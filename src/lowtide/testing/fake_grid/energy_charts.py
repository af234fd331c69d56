"""A fake of Energy-Charts."""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid.service import Asked, Reply, reply
from lowtide.testing.fake_grid.truth import intensity_g_per_kwh, steps_ns
from lowtide.units import NS_PER_H, NS_PER_S

__all__ = ["FakeEnergyCharts"]

_STEPS_NS = {"de": NS_PER_H // 4, "fr": NS_PER_H}


@dataclass(slots=True, kw_only=True)
class FakeEnergyCharts:
    """Answers like the API: two parallel columns, actual values up to now and forecasts after.

    Attributes
    ----------
    now_ns : int
    """

    now_ns: int

    def answer(self, asked: Asked) -> Reply:
        """Return the reply to a request."""
        if asked.path.strip("/") != "co2eq":
            return reply({"detail": "Not Found"}, status=404)
        step_ns = _STEPS_NS.get(asked.one("country", "de"))
        if step_ns is None:
            return reply({"detail": "no content available"}, status=404)
        start_ns, end_ns = parse_instant_ns(asked.one("start")), parse_instant_ns(asked.one("end"))
        times = steps_ns(start_ns, min(end_ns, self.now_ns + 36 * NS_PER_H) + 1, step_ns)
        values = [float(intensity_g_per_kwh(asked.one("country"), t)) for t in times]
        known = [t + step_ns <= self.now_ns for t in times]
        return reply(
            {
                "unix_seconds": [t // NS_PER_S for t in times],
                "co2eq": [v if k else None for v, k in zip(values, known, strict=True)],
                "co2eq_forecast": [None if k else v + 2.0 for v, k in zip(values, known, strict=True)],
                "deprecated": False,
            }
        )
