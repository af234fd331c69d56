"""What ``lowtide run --when green`` was asked to hold, read and checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import InputError
from lowtide.model.run_plan import PauseKind  # also when running: the codec reads the hints of GreenSpec
from lowtide.quantities import format_duration, parse_duration_s, parse_fraction, parse_instant_ns
from lowtide.runtime.green_progress import checked_pattern
from lowtide.runtime.isolate import in_child
from lowtide.units import ns_from_s

if TYPE_CHECKING:
    from lowtide.model.record import RunHeader
    from lowtide.stores.ledger import Ledger

__all__ = ["GreenAsked", "GreenSpec", "grace_s_of", "pause_signal_of", "resolve"]

BOUNDS: Final = ("within", "deadline", "slack", "start_within")
UNKNOWN_WORK_S: Final = 3600.0
"""A job of unknown duration is started where its first hour is greenest."""
NOMINAL_W: Final = 1000.0
"""What a job of unknown power is planned with; shares do not depend on it."""
_ALLOCATIONS: Final = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
_DEFAULT: Final = "24h"
_OF_PAUSES: Final = ("pause_signal", "grace", "resume_time")
_OF_PROGRESS: Final = ("progress_file", "progress_pattern", "work_units")
_GRACE_S: Final = 60.0
_SIGNALS: Final = ("TERM", "INT", "HUP", "USR1", "USR2", "QUIT", "TSTP", "CONT", "ALRM", "WINCH")
_LEAST_S, _LEAST_SHARE = 60.0, 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class GreenAsked:
    """The options of ``lowtide run`` as typed; :func:`resolve` reads them."""

    when_green: bool = False
    within: str | None = None
    deadline: str | None = None
    slack: str | None = None
    start_within: str | None = None
    duration: str | None = None
    margin: str | None = None
    min_saving: str | None = None
    pause: PauseKind | None = None
    history: str | None = None
    forecast: str | None = None
    hold_allocation: bool = False
    pause_signal: str | None = None
    grace: str | None = None
    resume_time: str | None = None
    progress_file: str | None = None
    progress_pattern: str | None = None
    work_units: float | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the run is to wait for anything."""
        return self.when_green or any(getattr(self, name) is not None for name in BOUNDS)

    def check_alone(self, allowed: Collection[str] = ()) -> None:
        """Refuse options that say how to wait where nothing says how long; some mean something else too.

        Raises
        ------
        InputError
        """
        names = (
            "duration",
            "margin",
            "min_saving",
            "pause",
            "history",
            "forecast",
            *_OF_PAUSES,
            *_OF_PROGRESS,
        )
        given = [name for name in names if getattr(self, name) is not None and name not in allowed]
        if given or self.hold_allocation:
            flag = "--" + (given[0] if given else "hold_allocation").replace("_", "-")
            raise InputError(f"{flag} is for a run that may wait: say how long, like --within 24h")


@dataclass(frozen=True, slots=True, kw_only=True)
class GreenSpec:
    """A checked request; plain data, kept beside the journal.

    Attributes
    ----------
    bound : str
    asked_ns : int
    deadline_ns : int
        What planning holds; for a bounded start its end with the margin.
    start_by_ns : int or None
        Where only the start is bounded.
    work_s, power_w : float
    work_known, power_known : bool
        Whether they are more than stand-ins.
    margin, min_saving : float
        As fractions.
    pause : {"none", "freeze", "checkpoint"}
    history, forecast : str or None
    hold_allocation : bool
        Whether hardware is reserved for it, and stands idle, while it waits.
    pause_signal : str
        For a job that does not look for its pause file: ``TERM``.
    grace_s : float
        How long it may take to save and leave [s].
    resume_time_s : float or None
        From its start to its first step, as given [s]; None is to be measured.
    progress_file, progress_pattern : str or None
        A log that tells its progress, and where in it.
    work_units : float or None
        All the units, where the pattern tells only those done.
    """

    bound: str
    asked_ns: int
    deadline_ns: int
    start_by_ns: int | None
    work_s: float
    work_known: bool
    power_w: float
    power_known: bool
    margin: float
    min_saving: float
    pause: PauseKind
    history: str | None = None
    forecast: str | None = None
    hold_allocation: bool = False
    pause_signal: str = "TERM"
    grace_s: float = _GRACE_S
    resume_time_s: float | None = None
    progress_file: str | None = None
    progress_pattern: str | None = None
    work_units: float | None = None

    @property
    def longest_ns(self) -> int:
        """The work with its margin [ns]."""
        return ns_from_s(self.work_s * (1.0 + self.margin))

    @property
    def least_s(self) -> float:
        """What is too short a run or a pause to be worth beginning [s]: a minute, less for short jobs."""
        return min(_LEAST_S, self.work_s * _LEAST_SHARE)


def resolve(
    asked: GreenAsked, header: RunHeader, ledger: Ledger, env: Mapping[str, str]
) -> tuple[GreenSpec, list[str]]:
    """Return what is to be held, and remarks for the user.

    Raises
    ------
    InputError
        If a value is wrong or missing, or this is no place to wait; says what would work.
    """
    bound, text, remarks = _bound(asked)
    _check_place(asked, header, env)
    needed = bound != "start_within" or asked.pause not in (None, "none")
    pausing, words = _pausing(asked)
    remarks += words
    work_s, power_w, words = _work(asked, header, ledger, needed=needed)
    remarks += words
    known = work_s is not None
    work_s = UNKNOWN_WORK_S if work_s is None else work_s
    margin = parse_fraction(asked.margin or "10%") if known else 0.0
    if not 0.0 <= margin <= 10.0:
        raise InputError(f"--margin {asked.margin} must be from 0 to 1000 %")
    deadline_ns, start_by_ns = _until(bound, text, header.created_ns, work_s, margin)
    if asked.hold_allocation:
        deadline_ns = min(deadline_ns, _allocation_end_ns(env, deadline_ns))
    spec = GreenSpec(
        bound=f"--{bound.replace('_', '-')} {text}", asked_ns=header.created_ns, deadline_ns=deadline_ns,
        start_by_ns=start_by_ns, work_s=work_s, work_known=known,
        power_w=power_w or NOMINAL_W, power_known=power_w is not None, margin=margin,
        min_saving=parse_fraction(asked.min_saving or "3%"), pause=asked.pause or "none",
        history=asked.history, forecast=asked.forecast, hold_allocation=asked.hold_allocation, **pausing,
    )  # fmt: skip
    return spec, remarks


def _pausing(asked: GreenAsked) -> tuple[dict[str, Any], list[str]]:
    """Return how it is asked to leave and how it tells its progress, checked, and remarks."""
    given = [name for name in _OF_PAUSES if getattr(asked, name) is not None]
    if given and asked.pause != "checkpoint":
        raise InputError(
            f"--{given[0].replace('_', '-')} is for a job that saves and leaves: --pause checkpoint"
        )
    name, grace_s = pause_signal_of(asked.pause_signal), grace_s_of(asked.grace)
    resume_s = None if asked.resume_time is None else parse_duration_s(asked.resume_time)
    words = []
    if asked.pause == "checkpoint" and resume_s is None:
        words = ["what a resume costs is measured at the first start; --resume-time 2m says it before"]
    found = {"pause_signal": name, "grace_s": grace_s, "resume_time_s": resume_s, **_progress(asked)}
    return found, words


def pause_signal_of(text: str | None) -> str:
    """Return the name of the signal that asks a job to save.

    Raises
    ------
    InputError
    """
    name = (text or "TERM").upper().removeprefix("SIG")
    if name not in _SIGNALS:
        raise InputError(f"--pause-signal {text}: a job is asked with one of {', '.join(_SIGNALS)}")
    return name


def grace_s_of(text: str | None) -> float:
    """Return how long a job may take to save and leave [s].

    Raises
    ------
    InputError
    """
    grace_s = _GRACE_S if text is None else parse_duration_s(text)
    if not grace_s > 0.0:
        raise InputError(f"--grace {text} must be longer than nothing")
    return grace_s


def _progress(asked: GreenAsked) -> dict[str, Any]:
    if asked.progress_file is None:
        given = next((name for name in _OF_PROGRESS if getattr(asked, name) is not None), None)
        if given is not None:
            raise InputError(
                f"--{given.replace('_', '-')} says how a log is read: which one? --progress-file FILE"
            )
        return {}
    if asked.work_units is not None and not asked.work_units > 0.0:
        raise InputError(f"--work-units {asked.work_units:g} must be above 0")
    if asked.progress_pattern is not None:
        checked_pattern(asked.progress_pattern, asked.work_units)
    elif asked.work_units is not None:
        raise InputError("--work-units needs --progress-pattern: which number in the log are the units done?")
    path = os.path.abspath(asked.progress_file)
    return {
        "progress_file": path, "progress_pattern": asked.progress_pattern, "work_units": asked.work_units
    }  # fmt: skip


def _bound(asked: GreenAsked) -> tuple[str, str, list[str]]:
    given = [name for name in BOUNDS if getattr(asked, name) is not None]
    if len(given) > 1:
        flags = " and ".join("--" + name.replace("_", "-") for name in given)
        raise InputError(f"{flags} bound the same run; give one of them")
    if not given:
        return (
            "start_within",
            _DEFAULT,
            [f"--when green means --start-within {_DEFAULT} where no bound is given"],
        )
    return given[0], str(getattr(asked, given[0])), []


def _check_place(asked: GreenAsked, header: RunHeader, env: Mapping[str, str]) -> None:
    if header.grid.zone is None and header.grid.intensity is None:
        raise InputError("when is it green? say where the power is drawn: --zone DE, or --intensity FILE")
    if header.rank is not None or any(name in env for name in ("RANK", "OMPI_COMM_WORLD_RANK")):
        raise InputError("one rank cannot wait alone: put `lowtide run` before the launcher, not behind it")
    inside = next((name for name in _ALLOCATIONS if name in env), None)
    if inside is not None and not asked.hold_allocation:
        raise InputError(
            f"inside an allocation ({inside}) waiting would hold hardware that nobody uses: wait outside with "
            "`lowtide submit --within 24h job.sbatch`, or say --hold-allocation"
        )
    if asked.forecast is not None and asked.history is None:
        raise InputError("--forecast learns from the past: give --history FILE too")


def _work(
    asked: GreenAsked, header: RunHeader, ledger: Ledger, *, needed: bool
) -> tuple[float | None, float | None, list[str]]:
    """Return duration [s] and power [W] as given or learnt, None where unknown, and how they were learnt."""
    given_s = None if asked.duration is None else parse_duration_s(asked.duration)
    if given_s is not None and not given_s > 0.0:
        raise InputError(f"--duration {asked.duration} must be longer than nothing")
    try:
        learnt = _learnt(ledger, header.name)
    except InputError as error:
        if given_s is None and needed:
            raise InputError(f"how long does it take? say --duration 6h, or bound the start alone with "
                             f"--start-within 24h; it cannot be learnt: {error}") from error  # fmt: skip
        learnt = None
    if learnt is None:
        words = [] if given_s is not None else ["duration unknown: it starts where the next hour is greenest"]
        return given_s, None, words
    if given_s is not None:
        return given_s, learnt["power_w"], []
    took = format_duration(learnt["work_s"])
    return (
        learnt["work_s"],
        learnt["power_w"],
        [f"duration {took}: nine in ten of {learnt['n']} finished runs named {header.name!r} took no longer"],
    )


def _learnt(ledger: Ledger, name: str) -> dict[str, float]:
    def look() -> dict[str, float]:
        from lowtide.runtime.planning_runs import past_runs

        past = past_runs(ledger, name)
        return {"work_s": past.durations.p90_s, "power_w": past.power_w, "n": len(past.durations.seconds)}

    found: dict[str, float] = in_child(look)
    return found


def _until(bound: str, text: str, asked_ns: int, work_s: float, margin: float) -> tuple[int, int | None]:
    """Return the deadline and, where only the start is bounded, until when that is."""
    if bound == "deadline":
        return parse_instant_ns(text), None
    if bound == "slack":
        text = text.strip()
        slack_s = parse_fraction(text) * work_s if text.endswith("%") else parse_duration_s(text)
        return asked_ns + ns_from_s(work_s + slack_s), None
    length_ns = ns_from_s(parse_duration_s(text))
    if bound == "within":
        return asked_ns + length_ns, None
    return asked_ns + length_ns + ns_from_s(work_s * (1.0 + margin)), asked_ns + length_ns


def _allocation_end_ns(env: Mapping[str, str], otherwise_ns: int) -> int:
    """Return when the allocation ends, where the scheduler tells."""
    end = env.get("SLURM_JOB_END_TIME", "")
    return int(end) * 1_000_000_000 if end.isdigit() else otherwise_ns
