"""What all callbacks share: a measurement, steps and phases, and figures sent now and then."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lowtide.errors import LowtideError
from lowtide.integrations.sinks import Sink, send
from lowtide.runtime.measure import measure

if TYPE_CHECKING:
    from lowtide.estimation.predict import Prediction
    from lowtide.model.ledger import Entry
    from lowtide.runtime.measure import Measurement
    from lowtide.runtime.phases import Phase

__all__ = ["TrainingMeter"]


class TrainingMeter:
    """Measures a training from `start` to `end`; may be started again, which makes another run.

    Parameters
    ----------
    sinks : sequence of Sink
        Where figures go; the first rank's only.
    log_every_s : float
        Least time between two figures [s]; each costs 10 to 60 ms of the training's process.
    say : callable, optional
        Takes the summary's lines at the end on the first rank; None prints nothing.
    **options
        Those of :func:`lowtide.measure`.
    """

    def __init__(
        self,
        *,
        sinks: Sequence[Sink] = (),
        log_every_s: float = 10.0,
        say: Callable[[str], None] | None = None,
        **options: Any,
    ) -> None:
        self.sinks = list(sinks)
        self.result: Entry | None = None
        """The bill of the last training, on the first rank."""
        self.run_id: str | None = None
        self.latest: dict[str, float] = {}
        """The newest figures."""
        self.total_steps: float | None = None
        self._every_s, self._say, self._options = log_every_s, say, options
        self._measurement: Measurement | None = None
        self._live: Any = None
        self._phases: list[Phase] = []
        self._failed: set[int] = set()
        self._next = self._next_predict = 0.0
        self._steps = self._logged_steps = 0.0

    @property
    def running(self) -> bool:
        """Whether a training is being measured."""
        return self._measurement is not None

    @property
    def steps(self) -> int:
        """Steps of this training so far."""
        return int(self._steps)

    def start(self, *, total_steps: float | None = None) -> None:
        """Begin to measure; a mistake in an option is a warning here, as training has begun."""
        if self._measurement is not None:
            return
        measurement = measure(**self._options)
        try:
            measurement.__enter__()
        except LowtideError as error:
            warnings.warn(f"lowtide: not measured: {error}", RuntimeWarning, stacklevel=3)
            return
        self._measurement, self.total_steps = measurement, total_steps
        self.run_id, self.result = measurement.run_id, None
        self._steps = self._logged_steps = 0.0
        self._failed.clear()
        self._phases.clear()
        self._live = measurement.live() if self._is_first() else None
        self._next = self._next_predict = time.monotonic() + self._every_s

    def _is_first(self) -> bool:
        from lowtide.runtime.ranks import read_place

        place = read_place(os.environ)
        return place is None or place.rank == 0

    def step(self, n: float = 1.0) -> dict[str, float] | None:
        """Tell that `n` steps were done; return new figures when it is time for some."""
        if self._measurement is None:
            return None
        self._measurement.step(n)
        self._steps += n
        return self.log() if time.monotonic() >= self._next else None

    def begin(self, name: str) -> None:
        """Begin a phase inside those that are open."""
        if self._measurement is not None:
            phase = self._measurement.phase(name)
            phase.__enter__()
            self._phases.append(phase)

    def finish(self) -> None:
        """End the phase begun last."""
        if self._phases:
            self._phases.pop().__exit__(None, None, None)

    def count(self, name: str, n: float) -> None:
        """Count `n` things done."""
        if self._measurement is not None:
            self._measurement.count(name, n)

    def predict(self, *, total_steps: float | None = None) -> Prediction | None:
        """Return the whole run from its steps so far; None where that is unknown."""
        total = self.total_steps if total_steps is None else total_steps
        if self._measurement is None or total is None or total < self._steps:
            return None
        return self._measurement.predict(total_steps=total)

    def log(self) -> dict[str, float] | None:
        """Read the newest figures and send them; None where there are no new ones, and on other ranks."""
        self._next = time.monotonic() + self._every_s
        if self._live is None:
            return None
        try:
            so_far = self._live.update()
        except (LowtideError, OSError) as error:
            warnings.warn(f"lowtide: no figures any more: {error}", RuntimeWarning, stacklevel=3)
            self._live = None
            return None
        if so_far is None:
            return None
        values = {
            "lowtide/energy_kwh": so_far.energy_kwh,
            "lowtide/power_w": so_far.power_w,
            "lowtide/duration_s": so_far.duration_s,
        }
        if so_far.emissions_g is not None:
            values["lowtide/emissions_g"] = so_far.emissions_g
        done, before = self._steps - self._logged_steps, self.latest.get("lowtide/energy_kwh", 0.0)
        if done > 0.0 and self._logged_steps > 0.0:
            values["lowtide/step_energy_j"] = (so_far.energy_kwh - before) * 3.6e6 / done
        self._logged_steps = self._steps
        values.update(self._predicted())
        self.latest = values
        send(self.sinks, values, step=self.steps, t_ns=so_far.t_ns, failed=self._failed)
        return values

    def _predicted(self) -> dict[str, float]:
        """Return the prediction as figures, now and then: it reads the whole run back, at most 0.5 % of the time."""
        began = time.monotonic()
        if (
            self.total_steps is None
            or not 0.0 < self._steps <= self.total_steps
            or began < self._next_predict
        ):
            return {}
        made = self.predict()
        cost_s = time.monotonic() - began
        self._next_predict = began + max(self._every_s, 200.0 * cost_s)
        if made is None:
            return {}
        kwh = made.energy_kwh
        return {
            "lowtide/predicted_energy_kwh": kwh.value,
            "lowtide/predicted_energy_kwh_low": kwh.low,
            "lowtide/predicted_energy_kwh_high": kwh.high,
        }

    def end(self, *, failed: bool = False) -> None:
        """End the measurement; the first rank waits for the others, and has the bill in `result`."""
        measurement, self._measurement = self._measurement, None
        if measurement is None:
            return
        while self._phases:
            self.finish()
        self._live = None
        error = RuntimeError if failed else None
        measurement.__exit__(error, None, None)
        self.result = measurement.result
        if self.result is not None:
            self._send_total(self.result)
            if self._say is not None:
                for line in measurement.summary():
                    self._say(line)

    def _send_total(self, entry: Entry) -> None:
        values = {"lowtide/energy_kwh": entry.energy.total_kwh}
        bill = entry.emissions.location or entry.emissions.marginal
        if bill is not None and bill.g is not None:
            values["lowtide/emissions_g"] = bill.g
        self.latest = {**self.latest, **values}
        send(self.sinks, values, step=self.steps, t_ns=time.time_ns(), failed=self._failed)
