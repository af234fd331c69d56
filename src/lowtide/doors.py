"""The doors: structural protocols through which sensors, clocks and stores come in.

No base class is needed to pass one: an object with these members is enough, and
:mod:`lowtide.testing` has a ``check_*`` function for each that says what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lowtide.model.hardware import Channel
    from lowtide.model.planning import Infeasible, Job, Plan, Window
    from lowtide.planning.sites import SiteOption
    from lowtide.series import IntensitySeries

__all__ = [
    "Broken",
    "Clock",
    "Moment",
    "Outcome",
    "Policy",
    "Provider",
    "Retry",
    "Sensor",
    "Stopped",
]


class Retry(NamedTuple):
    """This reading failed and the next may work; the channel gets a gap."""

    reason: str


class Stopped(NamedTuple):
    """The channel has ended on purpose (its process or device is gone); it is not read again."""

    reason: str


class Broken(NamedTuple):
    """The channel failed for good; it is not read again and the bill says why."""

    reason: str


Outcome = int | float | Retry | Stopped | Broken
"""What reading one channel ends in: an int for a counter, a float for a gauge, or a failure."""


@runtime_checkable
class Sensor(Protocol):
    """Reads raw counters and gauges; has no clock and does no arithmetic.

    Opening is the constructor's business: it raises :class:`~lowtide.errors.SensorError`, with what to
    do about it, when there is nothing to read.
    """

    name: str

    @property
    def channels(self) -> Sequence[Channel]:
        """The channels it reads, fixed for its lifetime."""
        ...

    def read(self) -> Sequence[Outcome]:
        """Return one outcome per channel, in the order of `channels`; never raises."""
        ...

    def close(self) -> None:
        """Release what it holds; reading afterwards is an error of the caller."""
        ...


class Moment(NamedTuple):
    """One look at all clocks [ns]: wall time, time that stops in suspend, time that does not."""

    wall_ns: int
    monotonic_ns: int
    boot_ns: int


class Clock(Protocol):
    """Tells the time; :mod:`lowtide.testing` has one that is moved by hand."""

    def now(self) -> Moment:
        """Return all clocks at once."""
        ...


class Provider(Protocol):
    """Knows the intensity of a zone over a window."""

    name: str

    def intensity(self, zone: str, *, start_ns: int, end_ns: int) -> IntensitySeries:
        """Return a series that covers ``[start_ns, end_ns)`` as far as the source goes."""
        ...


class Policy(Protocol):
    """Decides where, when and how hard to run one job; a pure function of its arguments.

    A module with these members is a policy, and ours are modules.
    """

    @property
    def name(self) -> str:
        """What the plan says it is by (``"pause-resume"``)."""
        ...

    @property
    def joint(self) -> bool:
        """Whether it chooses among all sites at once; else it is asked for each site alone."""
        ...

    def plan(
        self, job: Job, sites: Sequence[SiteOption], window: Window, *, slot_s: float | None = None
    ) -> Plan | Infeasible:
        """Return a plan within the window, or why there is none.

        Runs start and resume only at the decision instants of their site: the window's start and the
        edges of its intensity, or a grid of `slot_s` [s] from the window's start.
        """
        ...
