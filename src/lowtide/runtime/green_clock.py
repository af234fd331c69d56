"""The clocks a controller goes by, as one object, so that a test can set them."""

from __future__ import annotations

import time
from typing import Final

__all__ = ["CLOCK", "GreenClock"]

_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class GreenClock:
    """This machine's clocks."""

    def wall_ns(self) -> int:
        """Return what deadlines and intensity go by; it may be set forwards and back [ns]."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """Return the clock that runs through suspends and knows no jumps [ns]."""
        return time.clock_gettime_ns(_BOOT)

    def work_ns(self) -> int:
        """Return the clock that stands in suspends, as a job does [ns]."""
        return time.monotonic_ns()


CLOCK: Final = GreenClock()
