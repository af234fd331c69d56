"""How a job left, and what that means: it has ended, it has saved and is to be started again, or it failed to.

Everything is read from files beside the journal, so that whoever takes a run over judges as its supervisor would have
done. ``begun`` (``begun-2``, ...) is there for each start, ``left-1`` (...) for each end, ``asked.json`` tells whether
the last one was asked to leave.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from lowtide.errors import LowtideError
from lowtide.model.pausing import EX_TEMPFAIL, WATCHED
from lowtide.runtime.starting import BEGUN
from lowtide.stores.codec import read_json

if TYPE_CHECKING:
    from lowtide.runtime.green_state import GreenState

__all__ = [
    "ASKED",
    "PAUSE",
    "Left",
    "Verdict",
    "begun_path",
    "is_counted",
    "judge",
    "left_path",
    "n_begun",
    "read_left",
    "verdict_of",
    "was_asked",
]

ASKED: Final = "asked.json"
PAUSE: Final = "pause"
FIRST_MINUTES_S: Final = 300.0
"""A resumed job that fails earlier than this has failed to resume [s]."""
Verdict = Literal["ended", "saved", "retry", "unpaused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One end of a job: when it was started and left by the clock of a boot [ns], its wait status, what it used.

    Attributes
    ----------
    boot : str
        Which boot; empty where that is unknown.
    wall_offset_ns : int
        Wall clock less that clock, when it left [ns].
    """

    started_ns: int
    left_ns: int
    status: int
    cpu_s: float = 0.0
    maxrss: int = 0
    inblock: int = 0
    oublock: int = 0
    boot: str = ""
    wall_offset_ns: int = 0

    @property
    def code(self) -> int:
        """Exit status; minus the signal that killed it."""
        return os.waitstatus_to_exitcode(self.status)

    @property
    def lived_s(self) -> float:
        """From start to end [s]."""
        return (self.left_ns - self.started_ns) / 1e9

    @property
    def started_wall_ns(self) -> int:
        """When it was started, by the wall clock as it was when it left [ns]."""
        return self.started_ns + self.wall_offset_ns

    @property
    def left_wall_ns(self) -> int:
        """When it left, by the wall clock [ns]."""
        return self.left_ns + self.wall_offset_ns

    def in_boot_of(self, state: GreenState) -> Left:
        """Return it by the clock that a state goes by: the machine may have been started again since it left."""
        if not self.boot or self.boot == state.boot:
            return self
        shift_ns = self.wall_offset_ns - state.wall_offset_ns
        return replace(
            self, started_ns=self.started_ns + shift_ns, left_ns=self.left_ns + shift_ns,
            boot=state.boot, wall_offset_ns=state.wall_offset_ns,
        )  # fmt: skip


def begun_path(journal_dir: str, n: int) -> str:
    """Return the file that is there exactly when the command has been started for the n-th time."""
    return os.path.join(journal_dir, BEGUN if n == 1 else f"{BEGUN}-{n}")


def left_path(journal_dir: str, n: int) -> str:
    """Return the file that tells how it left after its n-th start."""
    return os.path.join(journal_dir, f"left-{n}")


def n_begun(journal_dir: str) -> int:
    """Return how often the command has been started."""
    n = 0
    while os.path.exists(begun_path(journal_dir, n + 1)):
        n += 1
    return n


def read_left(journal_dir: str, n: int) -> Left | None:
    """Return how it left after its n-th start; None where nobody has written that."""
    path = left_path(journal_dir, n)
    try:
        return Left(**read_json(path)) if os.path.exists(path) else None
    except (LowtideError, TypeError):
        return None  # torn by a crash of the machine: unknown


def was_asked(journal_dir: str, n: int, left_ns: int, grace_s: float) -> bool:
    """Return whether it was asked to leave after its n-th start, and could hear it.

    It could if it looks for the file or was sent the signal. A request withdrawn long before is none.
    """
    path = os.path.join(journal_dir, ASKED)
    try:
        asked: dict[str, Any] = read_json(path) if os.path.exists(path) else {}
    except LowtideError:
        return False
    watched = os.path.exists(os.path.join(journal_dir, PAUSE + WATCHED))
    if asked.get("n") != n or not (watched or asked.get("signalled")):
        return False
    withdrawn_ns = asked.get("withdrawn_ns")
    return withdrawn_ns is None or left_ns - int(withdrawn_ns) <= grace_s * 1e9


def judge(
    code: int, *, asked: bool, all_done: bool, says_saved: bool, resumed: bool, lived_s: float, least_s: float
) -> Verdict:
    """Return what an end means (decision 0006).

    Parameters
    ----------
    code : int
        Exit status, or minus the signal.
    asked, all_done : bool
        Whether it was asked to leave, and whether its progress told that nothing is left.
    says_saved : bool
        Whether it has left with status 75 before: then 0 means *finished*.
    resumed : bool
        Whether this was not its first start.
    lived_s, least_s : float
        How long it ran, and what is too short to have been of use [s].

    Returns
    -------
    {"ended", "saved", "retry", "unpaused"}
        It has ended as it would have without us; it is started again when it is green; it failed to go on from what
        it saved; it failed to save when we asked, so it is started again and not asked any more.

    Examples
    --------
    >>> known = {"all_done": False, "says_saved": False, "resumed": False, "lived_s": 60.0, "least_s": 1.0}
    >>> judge(75, asked=False, **known), judge(0, asked=True, **known), judge(0, asked=False, **known)
    ('saved', 'saved', 'ended')
    >>> judge(1, asked=True, **known), judge(1, asked=False, **known)
    ('unpaused', 'ended')
    """
    if code == EX_TEMPFAIL:
        return "retry" if resumed and not asked and lived_s < least_s else "saved"
    if code == 0:
        return "saved" if asked and not all_done and not says_saved else "ended"
    if asked:
        return "unpaused"
    return "retry" if resumed and lived_s < FIRST_MINUTES_S else "ended"


def verdict_of(journal_dir: str, state: GreenState, n: int) -> tuple[Left, Verdict] | None:
    """Return how the job left after its n-th start and what that means; None where that is unknown.

    Its times are by the clock that the state goes by.
    """
    left = read_left(journal_dir, n)
    if left is None:
        return None
    return left.in_boot_of(state), judge(
        left.code, asked=was_asked(journal_dir, n, left.left_ns, state.spec.grace_s), resumed=n > 1,
        all_done=state.told_all(journal_dir, left.started_wall_ns), says_saved=state.says_saved, lived_s=left.lived_s,
        least_s=state.spec.least_s,
    )  # fmt: skip


def is_counted(state: GreenState, left: Left) -> bool:
    """Return whether a state has counted the start that left so; not if its supervisor was killed before.

    It has, and waits for the next, where the next start was written down and never made.
    """
    end_ns = state.runs[-1][1] if state.runs else None
    return end_ns is not None and end_ns > left.started_ns
