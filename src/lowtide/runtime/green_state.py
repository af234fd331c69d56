"""Where a run that waits for green stands, kept beside its journal before anything is done about it.

``plan.json`` in the journal's folder holds it; ``begun`` is there exactly when the command has been started, made by
the process that became it, so that two controllers cannot start it twice; ``controller`` is locked by who decides;
``frozen`` is the freezer's own file. How a job that saves and leaves has left: :mod:`lowtide.runtime.green_left`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from lowtide.errors import LowtideError
from lowtide.model.run_plan import Promise, RunPlan
from lowtide.runtime.clock import boot_id
from lowtide.runtime.green import GreenSpec
from lowtide.runtime.green_clock import CLOCK, GreenClock
from lowtide.runtime.green_left import is_counted, n_begun, verdict_of
from lowtide.runtime.green_overheads import overheads_ns
from lowtide.runtime.green_progress import Progress, ProgressSource
from lowtide.runtime.starting import BEGUN
from lowtide.stores.codec import from_plain, read_json, to_plain, write_bytes, write_json

__all__ = [
    "BEGUN",
    "FROZEN",
    "PROGRESS",
    "ControllerLock",
    "GreenState",
    "RETRIES",
    "is_waiting",
    "keep_plan",
    "plan_of",
    "read_state",
]

FROZEN: Final = "frozen"
PROGRESS: Final = "progress"
_PLAN: Final = "plan.json"
_KEPT: Final = 500
RETRIES: Final = 3
"""A resume that fails is tried again as often."""

Phase = Literal["waiting", "starting", "running", "frozen", "asking", "saved", "ended"]
"""``asking``: it runs and has been asked to save and leave; ``saved``: it has left and is to be started again."""


class ControllerLock:
    """Held by the one process that decides about a run; the kernel drops it with that process."""

    def __init__(self, journal_dir: str) -> None:
        self._fd = os.open(
            os.path.join(journal_dir, "controller"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )

    def take(self) -> bool:
        """Return whether it is ours now."""
        import fcntl

        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)


@dataclass(slots=True, kw_only=True)
class GreenState:
    """All that is known of a run that waits, or waited, for green.

    Attributes
    ----------
    spec : GreenSpec
    options : dict
        What else the run was started with: its folder, scope, sensors.
    phase : str
    runs : list of [start, end or None]
        When the command ran, by the clock of this boot [ns].
    boot : str
    wall_offset_ns : int
        Wall clock less that clock, when this was written [ns].
    first, half, last : dict or None
        Promises as plain data.
    plan : dict or None
        The plan that is followed, as plain data, for when no other can be made.
    decisions : list of dict
        The latest of them.
    n_decisions : int
    pauses : list of dict
        ``asked_ns`` and ``effect_s``: when a pause was asked for, by the clock of this boot, and how long after that
        nothing ran any more.
    ready_s : list of float
        From each start to its first word or first look for its pause file [s].
    progress : dict or None
        As told last (:class:`~lowtide.runtime.green_progress.Progress`).
    done_ns : int
        Running time of the starts before [ns].
    failures : int
        Resumes that have failed in a row.
    says_saved : bool
        Whether it has left with status 75.
    unpaused : str
        Why it is not paused any more; empty while it may be.
    """

    spec: GreenSpec
    options: dict[str, Any] = field(default_factory=dict)
    phase: Phase = "waiting"
    runs: list[list[int | None]] = field(default_factory=list)
    boot: str = field(default_factory=boot_id)
    wall_offset_ns: int = 0
    first: dict[str, Any] | None = None
    half: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    decisions: list[dict[str, Any]] = field(default_factory=list)
    n_decisions: int = 0
    pauses: list[dict[str, Any]] = field(default_factory=list)
    ready_s: list[float] = field(default_factory=list)
    progress: dict[str, Any] | None = None
    done_ns: int = 0
    failures: int = 0
    says_saved: bool = False
    unpaused: str = ""

    def write(self, journal_dir: str, clock: GreenClock = CLOCK) -> None:
        """Keep it.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        self.wall_offset_ns = clock.wall_ns() - clock.boot_ns()
        del self.decisions[:-_KEPT]
        plain = {name: getattr(self, name) for name in self.__slots__}
        write_json(os.path.join(journal_dir, _PLAN), {**plain, "spec": to_plain(self.spec)})

    def runs_ns(self, *, until_ns: int | None = None, clock: GreenClock = CLOCK) -> list[tuple[int, int]]:
        """Return when it ran by the wall clock as it is now [ns]; an open stretch ends at `until_ns`, or now."""
        same_boot = self.boot == boot_id()
        offset_ns = clock.wall_ns() - clock.boot_ns() if same_boot else self.wall_offset_ns
        now_ns = clock.wall_ns() if until_ns is None else until_ns
        found = [(int(a or 0) + offset_ns, now_ns if b is None else b + offset_ns) for a, b in self.runs]
        return [(a, b) for a, b in found if b > a]

    def in_this_boot(self, clock: GreenClock = CLOCK) -> None:
        """Tell its times by the clock of this boot, where the machine has been started again meanwhile."""
        if self.boot == boot_id():
            return
        offset_ns = clock.wall_ns() - clock.boot_ns()
        shift_ns = self.wall_offset_ns - offset_ns
        self.runs = [[int(a or 0) + shift_ns, None if b is None else b + shift_ns] for a, b in self.runs]
        self.pauses = [{**pause, "asked_ns": int(pause["asked_ns"]) + shift_ns} for pause in self.pauses]
        self.boot, self.wall_offset_ns = boot_id(), offset_ns

    def source(self, journal_dir: str) -> ProgressSource:
        """Return where the job tells its progress."""
        spec = self.spec
        if spec.progress_file is None:
            return ProgressSource(os.path.join(journal_dir, PROGRESS))
        return ProgressSource(spec.progress_file, spec.progress_pattern, units=spec.work_units)

    def told_all(self, journal_dir: str, since_ns: int) -> bool:
        """Return whether the job has told since its start, by the wall clock [ns], that nothing is left to do."""
        told = self.source(journal_dir).look()
        if told is not None and told[1] * 1e9 >= since_ns:
            return Progress(told[0], 0.0, 0).all_done
        return self.progress is not None and Progress(**self.progress).all_done


def read_state(journal_dir: str) -> GreenState:
    """Return the state kept in a folder.

    Raises
    ------
    StoreError, DataFileError
        If it cannot be read.
    """
    path = os.path.join(journal_dir, _PLAN)
    plain = read_json(path)
    return GreenState(**{**plain, "spec": from_plain(GreenSpec, plain["spec"], path=path)})


def is_waiting(journal_dir: str) -> bool:
    """Return whether a run of a folder is to be started, or has left and is to be started again."""
    has_plan = os.path.exists(os.path.join(journal_dir, _PLAN))
    if not has_plan or os.path.exists(os.path.join(journal_dir, "end.json")):
        return False
    n = n_begun(journal_dir)
    if n == 0:
        return True
    try:
        state = read_state(journal_dir)
    except (LowtideError, KeyError, TypeError):
        return False  # what nobody can read nobody can go on with
    if state.spec.pause != "checkpoint" or state.phase == "ended":
        return False
    found = verdict_of(journal_dir, state, n)
    if found is None or found[1] == "ended":
        return False
    if state.phase == "saved" or is_counted(state, found[0]):
        return True
    return found[1] != "retry" or state.failures < RETRIES


def keep_plan(journal_dir: str, run_dir: str) -> None:
    """Copy what was decided into a run's folder of the ledger; nothing where nothing was.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    path = os.path.join(journal_dir, _PLAN)
    if os.path.exists(path):
        with open(path, "rb") as file:
            write_bytes(os.path.join(run_dir, _PLAN), file.read())


def run_plan(state: GreenState, *, started_ns: int, ended_ns: int, stands: bool = False) -> RunPlan:
    """Return what a run was asked to hold and what it did, between its start and its end [ns].

    `stands` says that it was paused when it ended.
    """
    spec, runs = state.spec, state.runs_ns(until_ns=ended_ns)
    overheads = _overheads(state, runs)
    runs = [(max(a, started_ns), min(b, ended_ns)) for a, b in runs if a < ended_ns and b > started_ns]
    stands = stands or state.phase in ("frozen", "saved")
    if runs:
        runs[0] = (started_ns, runs[0][1])
        runs[-1] = (runs[-1][0], runs[-1][1] if stands else ended_ns)
    return RunPlan(
        bound=spec.bound, asked_ns=spec.asked_ns, pause=spec.pause, start_by_ns=spec.start_by_ns,
        deadline_ns=None if spec.start_by_ns is not None else spec.deadline_ns,
        work_s=spec.work_s if spec.work_known else None, runs_ns=tuple(runs),
        overheads_ns=overheads, waited_s=max(0, started_ns - spec.asked_ns) / 1e9, hold_allocation=spec.hold_allocation,
        first=_promise(state.first), half=_promise(state.half), last=_promise(state.last),
        n_decisions=state.n_decisions,
    )  # fmt: skip


def _overheads(state: GreenState, runs_ns: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return when it ran and did no work that lasts: a job that is frozen neither saves nor loads."""
    if state.spec.pause != "checkpoint":
        return ()
    return overheads_ns(state.runs, runs_ns, pauses=state.pauses, ready_s=state.ready_s)


def _promise(plain: dict[str, Any] | None) -> Promise | None:
    return None if plain is None else from_plain(Promise, plain, path=_PLAN)


def plan_of(journal_dir: str, *, started_ns: int, ended_ns: int) -> RunPlan | None:
    """Return the plan of a run whose end nobody saw; None for one without, or whose file is damaged.

    A pause in which its controller was killed ended when the job was thawed, which the recorder notes.
    """
    if not os.path.exists(os.path.join(journal_dir, _PLAN)):
        return None
    try:
        state = read_state(journal_dir)
        thawed_ns = _thawed_ns(journal_dir)
        plan = run_plan(state, started_ns=started_ns, ended_ns=ended_ns)
    except (LowtideError, KeyError, TypeError):
        return None  # the bill is made without; the energy is not touched by it
    if state.phase == "frozen" and thawed_ns is not None and thawed_ns < ended_ns:
        from dataclasses import replace

        plan = replace(plan, runs_ns=_with(plan.runs_ns, (thawed_ns, ended_ns)))
    return plan


def _with(runs_ns: Sequence[tuple[int, int]], last: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    return (*(run for run in runs_ns if run[1] <= last[0]), last)


def _thawed_ns(journal_dir: str) -> int | None:
    path = os.path.join(journal_dir, "thawed.json")
    return int(read_json(path)["t_ns"]) if os.path.exists(path) else None
