"""The doors: structural protocols through which sensors, providers, policies and executors come in.

No base class is needed to pass one: an object with these members is enough, and
:mod:`lowtide.testing` has a ``check_*`` function for each that says what is missing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lowtide.arrays import IntArray
    from lowtide.model.exchange import Request, Response
    from lowtide.model.hardware import Channel
    from lowtide.model.planning import Infeasible, Job, Plan, Window
    from lowtide.model.run_plan import PauseKind
    from lowtide.planning.sites import SiteOption
    from lowtide.series import IntensitySeries

__all__ = [
    "Answer",
    "Broken",
    "Clock",
    "Conversation",
    "Executor",
    "JobState",
    "Key",
    "Moment",
    "Outcome",
    "Policy",
    "Provider",
    "Query",
    "Retry",
    "Sensor",
    "Stopped",
    "TaggedJob",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a provider is asked for.

    Attributes
    ----------
    what : {"latest", "history", "forecast", "past-forecasts"}
        The newest known value; values of the past; the newest forecast; forecasts as they were issued.
    zone : str
        lowtide's key of the zone.
    start_ns, end_ns : int
        Window of values, half-open [ns since 1970 UTC]; for past forecasts the window of issue. A provider cuts
        it to what the source gives at once and joins the parts; outside of what it has, steps are missing.
        Answers hold whole steps that overlap the window.
    now_ns : int
        The present: a provider has no clock.
    factors : {"lifecycle", "direct"}
        Asked for; the signal of the answer says what it is.
    """

    what: Literal["latest", "history", "forecast", "past-forecasts"]
    zone: str
    start_ns: int
    end_ns: int
    now_ns: int
    factors: Literal["lifecycle", "direct"] = "lifecycle"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a provider found.

    Attributes
    ----------
    intensity : IntensitySeries
        Values with their status each, unknown steps NaN; for past forecasts the newest one.
    updated_ns : int64 array, shape (n,), or None
        When the source last changed each value, where it says so: a later one replaces an earlier one.
    issued_ns : int or None
        When a forecast was made.
    past : tuple of (int, IntensitySeries)
        Forecasts by the instant of their issue.
    notes : tuple of str
        What a reader must know: estimates, gaps, warnings of the source.
    """

    intensity: IntensitySeries
    updated_ns: IntArray | None = None
    issued_ns: int | None = None
    past: tuple[tuple[int, IntensitySeries], ...] = ()
    notes: tuple[str, ...] = ()


Conversation = Generator["Request", "Response", Answer]
"""Yields requests, receives responses, returns an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A secret a provider needs: its name and where people get it."""

    name: str
    where: str


class Provider(Protocol):
    """Asks a source for intensity. Has no clock, does no I/O and never sees a key."""

    @property
    def name(self) -> str:
        """As users write it (``"electricitymaps"``)."""
        ...

    @property
    def title(self) -> str:
        """How a report names the source."""
        ...

    @property
    def attribution(self) -> str:
        """What its licence wants said."""
        ...

    @property
    def covers(self) -> str:
        """One line: which zones, which signal, which steps."""
        ...

    @property
    def offers(self) -> frozenset[str]:
        """Which of `Query.what` it answers."""
        ...

    @property
    def keys(self) -> tuple[Key, ...]:
        """The secrets it needs; none when empty."""
        ...

    @property
    def basis(self) -> Literal["average", "marginal"]:
        """Basis of its intensity."""
        ...

    @property
    def requests_per_s(self) -> float:
        """What its operator allows, or what is polite where nothing is said."""
        ...

    def has(self, zone: str) -> bool:
        """Return whether it knows a zone, as far as that can be told without asking."""
        ...

    def ask(self, query: Query) -> Conversation:
        """Start a conversation about a query.

        Raises
        ------
        ProviderError
            From the generator: the zone, time or signal is not covered, or a reply is not what it should be.
        """
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


JobState = Literal["held", "queued", "running", "paused", "finished", "failed"]
"""Held: never let begin. Queued: let begin or go on, and waiting for its turn. Paused: begun, told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedJob:
    """A job as an executor knows it, one that was submitted through the door.

    Attributes
    ----------
    tag : str
        Its unique name, chosen by whoever submitted it.
    job_id : str
        What people call it there: ``training/digits``, ``digits-3f9a``.
    state : {"held", "queued", "running", "paused", "finished", "failed"}
    submitted_ns : int or None
        [ns since 1970 UTC]; None is unknown, here and below.
    started_ns : int or None
        When its present go began, where it is running; a job that was paused has several goes.
    ended_ns : int or None
        When it finished or failed.
    data : mapping of str to str
        What was kept with it.
    why : str
        What the executor says of its state.
    """

    tag: str
    job_id: str
    state: JobState
    submitted_ns: int | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    why: str = ""


class Executor(Protocol):
    """Holds, starts, pauses and resumes jobs somewhere. Decides nothing and has no clock of its own.

    Every act may be repeated at any time, also by another process after a crash: it does nothing where its effect
    is there already, or where the job has ended. However often and from wherever it is repeated, a job never runs
    twice at once. What it cannot do, or cannot know to have done, raises
    :class:`~lowtide.errors.ExecutorError`; then the act may or may not have been done, and is repeated.

    ``data`` of an act is kept with the job, on top of what was kept before, in one step with the act; where the act
    has nothing to do the data are left as they are.
    """

    @property
    def name(self) -> str:
        """As users write it (``"kubernetes"``)."""
        ...

    @property
    def pause_kind(self) -> PauseKind:
        """What a pause is: ``freeze`` keeps processes and memory, ``checkpoint`` ends them, ``none`` is refused."""
        ...

    def jobs(self) -> Sequence[TaggedJob]:
        """Return the jobs submitted through this door, ended ones as long as the executor remembers them."""
        ...

    def submit(self, tag: str, spec: Mapping[str, object], *, data: Mapping[str, str]) -> TaggedJob:
        """Submit a job that is held until :meth:`start`, or return the one of that tag that is there.

        Parameters
        ----------
        tag : str
            Lower-case letters, digits and hyphens, at most 50, a letter or digit at both ends.
        spec : mapping
            What to run, in the executor's own words.
        data : mapping of str to str

        Raises
        ------
        InputError
            If the tag or the spec is not what it should be; nothing is submitted then.
        ExecutorError
            If it is refused, or nobody knows whether it was submitted.
        """
        ...

    def start(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Let a held job begin."""
        ...

    def pause(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Stop a queued or running job so that it can go on later; a held one stays as it is."""
        ...

    def resume(self, tag: str, *, data: Mapping[str, str] | None = None) -> None:
        """Let a paused job go on."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Return True when a job may have changed, or False after a time; never raises."""
        ...

    def close(self) -> None:
        """Release what it holds; jobs are left as they are."""
        ...
