"""The wall clock behind the :class:`~lowtide.doors.Clock` door."""

from __future__ import annotations

import time

from lowtide.doors import Moment

__all__ = ["SystemClock", "boot_id"]

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """This machine's clocks."""

    def now(self) -> Moment:
        """Return wall time, time that stops in suspend, and time that does not (where there is one)."""
        monotonic_ns = time.monotonic_ns()
        boot_ns = time.clock_gettime_ns(_BOOTTIME) if _BOOTTIME is not None else monotonic_ns
        return Moment(time.time_ns(), monotonic_ns, boot_ns)


def boot_id() -> str:
    """Return what tells this boot of the machine from any other; empty where unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
