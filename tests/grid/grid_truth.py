"""A service that knows the truth of a zone, can be down, and can lack hours; and runs billed with it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from loopback import HOUR_NS, Asked, Reply

from lowtide.accounting.intensities import Intensities
from lowtide.model.grid_choice import GridChoice
from lowtide.runtime.account import account
from lowtide.runtime.saving import save_account
from lowtide.series.types import IntensitySeries
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import START_NS, intensity_series, power_series


def truth_g_per_kwh(t_ns: int) -> float:
    """Return the true intensity of the hour that begins at an instant: a day's wave that drifts."""
    hour = t_ns // HOUR_NS
    return round(300.0 + 100.0 * math.sin(hour / 24 * 2 * math.pi) + hour % 7, 3)


@dataclass
class Truth:
    """The state of the service."""

    dead: bool = False
    blank: set[int] = field(default_factory=set)
    """Starts of hours it does not know [ns]."""
    estimated: set[int] = field(default_factory=set)
    knows_until_ns: int = 2**62
    bias: float = 0.0
    n_asked: int = 0

    def answer(self, asked: Asked) -> Reply:
        """Answer as the service would."""
        self.n_asked += 1
        if self.dead:
            return Reply("down", status=503)
        start, end = (int(asked.query[name][0]) for name in ("start", "end"))
        first = start // HOUR_NS * HOUR_NS
        status = 2 if asked.path == "/forecast" else 0
        rows = [
            [t, self._value(t), 1 if t in self.estimated else status, 1] for t in range(first, end, HOUR_NS)
        ]
        return Reply(json.dumps(rows))

    def _value(self, t_ns: int) -> float | None:
        unknown = t_ns in self.blank or t_ns >= self.knows_until_ns
        return None if unknown else truth_g_per_kwh(t_ns) + self.bias


def true_series(start_ns: int, n_hours: int) -> IntensitySeries:
    """Return the truth as a series."""
    starts = start_ns + np.arange(n_hours) * HOUR_NS
    return intensity_series([truth_g_per_kwh(int(t)) for t in starts], zone="DE", start_ns=start_ns)


def recorded_run(
    folder: Path, *, hours: int = 24, zone: str = "DE", provider: str | None = "hourly"
) -> tuple[Ledger, str]:
    """Return a ledger with a run of 1 kW for some hours, billed at its end as `lowtide run` does."""
    ledger = Ledger(str(folder / "ledger"))
    power = power_series(np.full(hours * 4, 1000.0), step_s=900.0, start_ns=START_NS)
    result = account(power, Intensities())
    choice = GridChoice(zone="DE", provider=provider)
    return ledger, save_account(ledger, result, name="job", path="synthetic", choice=choice)


def exact_g(hours: int = 24) -> float:
    """Return the grams of that run by hand: 1 kWh an hour at the true intensity."""
    return math.fsum(truth_g_per_kwh(START_NS + i * HOUR_NS) for i in range(hours))
