"""What has become of a job that may be paused: its goes, one a start by Slurm, and the plans it has followed.

::

    LEDGER/submissions/LABEL/goes.jsonl   a line for each thing that happened, the job script's own among them
                             plans.json   the first plan, the last one before half of the work, the last one
                             pause        while it is there the job is asked to save and to leave
                             progress     what the job says it has done
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lowtide.errors import LowtideError, StoreError
from lowtide.model.pausing import EX_TEMPFAIL, WATCHED
from lowtide.model.run_plan import Promise as KeptPlan
from lowtide.runtime.submitting_promise import submissions_dir
from lowtide.stores.codec import from_plain, read_json, to_plain, write_json
from lowtide.stores.ledger import Ledger
from lowtide.stores.lines import append_line, whole_lines

__all__ = ["Go", "Goes", "Span", "keep_plan", "kept_plans", "merged", "read_progress", "without"]

_ALL_DONE: Final = 1.0 - 1e-9
Span = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class Go:
    """One start of a job by Slurm, and what came of it.

    Attributes
    ----------
    number : int
        How often the job had been requeued.
    began_ns : int
    left_ns, status : int or None
        When it left and how; None while it runs, and where it was killed with its node.
    asked_ns : int or None
        When it was asked to save.
    was_asked : bool
        Whether it was still asked when it left.
    could_hear : bool
        Whether it looked at its file, or was sent a signal.
    says_saved : bool
        An earlier go left with 75: such a job says *saved* with 75 alone.
    refused : bool
        It was asked and did not leave: it is not asked again.
    requeued_ns, begin_ns : int or None
        When it was put back into the queue, and for when.
    job_id : int
        Its own number, which a task of an array has too; 0 is unknown.
    """

    number: int
    began_ns: int
    left_ns: int | None = None
    status: int | None = None
    asked_ns: int | None = None
    was_asked: bool = False
    could_hear: bool = False
    says_saved: bool = False
    refused: bool = False
    requeued_ns: int | None = None
    begin_ns: int | None = None
    job_id: int = 0

    @property
    def saved(self) -> bool:
        """Whether what it did was kept: it left with 75, or with 0 because it was asked (decision 0006, 4)."""
        heard = self.was_asked and self.could_hear and not self.says_saved
        return self.status == EX_TEMPFAIL or (self.status == 0 and heard)


class Goes:
    """What is known of one job, read from its folder.

    Parameters
    ----------
    ledger : Ledger
    label : str
        The job's number, or ``12_3`` for a task of an array.
    """

    def __init__(self, ledger: Ledger, label: str) -> None:
        self.folder = os.path.join(submissions_dir(ledger), label)
        self._path = os.path.join(self.folder, "goes.jsonl")
        self.list: list[Go] = []
        for line in whole_lines(self._path, {"at_ns", "act", "go"}):
            self._take(line)

    @property
    def pause_file(self) -> str:
        """The file that asks the job to save."""
        return os.path.join(self.folder, "pause")

    @property
    def is_watched(self) -> bool:
        """Whether the job has said that it looks at the file."""
        return os.path.exists(self.pause_file + WATCHED)

    @property
    def now(self) -> Go | None:
        """The go that runs; None between two of them."""
        return self.list[-1] if self.list and self.list[-1].left_ns is None else None

    def note(self, act: str, *, at_ns: int, **more: Any) -> None:
        """Write down something that happens, and take it into account.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        line = {"at_ns": at_ns, "act": act, "go": self.list[-1].number if self.list else 0, **more}
        append_line(self._path, line)  # in one write: the job appends to it too
        self._take(line)

    def ask(self) -> bool:
        """Make the file that asks the job to save; False where it is there already, because another one asked.

        Raises
        ------
        StoreError
            If it cannot be made.
        """
        try:
            os.makedirs(self.folder, exist_ok=True)
            os.close(os.open(self.pause_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"cannot write {self.pause_file}: {error.strerror}") from error
        return True

    def withdraw(self) -> None:
        """Remove the file that asks the job to save."""
        if os.path.exists(self.pause_file):
            os.remove(self.pause_file)

    def done_s(self, work_s: float, now_ns: int) -> float:
        """Return the work done [s]: as the job tells, else the time of goes that saved and of the one that runs."""
        told = read_progress(os.path.join(self.folder, "progress"))
        if told is not None:
            return told * work_s
        ends = [(go, now_ns if go.left_ns is None else go.left_ns) for go in self.list]
        counted = [(go, end) for go, end in ends if go.saved or go is self.now]
        return sum(max(0, end - go.began_ns) for go, end in counted) / 1e9

    def is_done(self) -> bool:
        """Whether the job has told that all of its work is done."""
        return (read_progress(os.path.join(self.folder, "progress")) or 0.0) >= _ALL_DONE

    def runs_ns(self, now_ns: int) -> list[Span]:
        """Return when it ran [ns], the go that runs until now; a go that vanished ran until the next was put back."""
        spans = []
        for i, go in enumerate(self.list):
            following = self.list[i + 1].began_ns if i + 1 < len(self.list) else now_ns
            end_ns = following if go.left_ns is None else go.left_ns
            spans.append((go.began_ns, max(go.began_ns, end_ns)))
        return spans

    def failed_in_a_row(self) -> int:
        """Return how many of the last goes ended without saving."""
        n = 0
        for go in reversed(self.list):
            if go.saved or go.left_ns is None:
                break
            n += 1
        return n

    def _take(self, line: dict[str, Any]) -> None:
        act, at_ns = line["act"], int(line["at_ns"])
        if act == "began":
            self._begin(line)
        if not self.list or act == "began":
            return
        go = self.list[-1]
        if act == "asked":
            go.asked_ns = at_ns
        elif act == "signal":
            go.could_hear = True
        elif act == "withdrawn":
            go.refused = True
        elif act == "left":
            go.left_ns, go.status, go.was_asked = at_ns, int(line["status"]), bool(line["asked"])
            go.could_hear = go.could_hear or bool(line.get("watched"))
        elif act == "requeue":
            go.requeued_ns, go.begin_ns = at_ns, int(line["begin_ns"])

    def _begin(self, line: dict[str, Any]) -> None:
        says_saved = any(go.status == EX_TEMPFAIL for go in self.list)
        go = Go(
            number=int(line["go"]), began_ns=int(line["at_ns"]), job_id=int(line.get("job", 0)),
            says_saved=says_saved,
        )  # fmt: skip
        self.list.append(go)


def read_progress(path: str) -> float | None:
    """Return the share of its work that a job says it has done; None where it says nothing that can be read.

    ``420/1000`` or ``0.42``.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.readline().strip()
        done, slash, whole = text.partition("/")
        share = float(done) / float(whole) if slash else float(done)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return share if 0.0 <= share <= 1.0 else None


def keep_plan(folder: str, plan: KeptPlan, *, before_half: bool) -> None:
    """Keep a plan that is followed from now on.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    kept = kept_plans(folder)
    fresh = {
        "first": kept.get("first") or plan,
        "last": plan,
        "half": plan if before_half else kept.get("half"),
    }
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from error
    write_json(os.path.join(folder, "plans.json"), {name: to_plain(one) for name, one in fresh.items()})


def kept_plans(folder: str) -> dict[str, KeptPlan]:
    """Return the plans of a job by name; none where none were kept, or the file is damaged."""
    path = os.path.join(folder, "plans.json")
    try:
        plain = read_json(path)
        return {name: from_plain(KeptPlan, one, path=path) for name, one in plain.items() if one is not None}
    except (LowtideError, AttributeError):
        return {}


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return stretches of time in order, those that touch as one.

    >>> merged([(0, 5), (5, 9), (12, 13)])
    ((0, 9), (12, 13))
    """
    found: list[Span] = []
    for start_ns, end_ns in sorted(spans):
        if end_ns <= start_ns:
            continue
        if found and start_ns <= found[-1][1]:
            found[-1] = found[-1][0], max(end_ns, found[-1][1])
        else:
            found.append((start_ns, end_ns))
    return tuple(found)


def without(spans: Sequence[Span], taken: Sequence[Span]) -> tuple[Span, ...]:
    """Return what of some stretches of time lies in no other ones; both in order.

    >>> without([(0, 10), (20, 30)], [(2, 5), (9, 21)])
    ((0, 2), (5, 9), (21, 30))
    """
    found: list[Span] = []
    for start_ns, end_ns in spans:
        t_ns = start_ns
        for other_start, other_end in taken:
            if other_end <= t_ns or other_start >= end_ns:
                continue
            if other_start > t_ns:
                found.append((t_ns, other_start))
            t_ns = max(t_ns, other_end)
        if t_ns < end_ns:
            found.append((t_ns, end_ns))
    return tuple(found)
