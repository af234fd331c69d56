"""The gate of an array: tasks that have not begun are put off through dirty hours, those that run are not touched.

``ArrayTaskThrottle`` is no gate: 0 stands for no limit there. The begin time of what waits is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from lowtide.errors import LowtideError
from lowtide.runtime.submitting_arrays import tasks_in
from lowtide.runtime.submitting_pacing import next_run_ns, rest_of
from lowtide.runtime.submitting_replan import Move, Sites, Submitted, has_begun_in_part
from lowtide.units import NS_PER_S, ns_from_s

__all__ = ["gated", "gates"]


def gates(
    submitted: Sequence[Submitted], sites: Sites, now_ns: int, *, say: Callable[[str], None]
) -> list[Move]:
    """Return where the waiting tasks of all arrays that have begun should begin."""
    arrays: dict[int, list[Submitted]] = defaultdict(list)
    for one in submitted:
        if one.job.array_tasks:
            arrays[one.job.submitted_id].append(one)
    found = []
    for number, parts in arrays.items():
        try:
            move = gated(parts, sites, now_ns)
        except LowtideError as error:
            say(f"lowtide: the tasks of array {number} keep their start: {error}")
            continue
        found += [] if move is None else [move]
    return found


def gated(parts: Sequence[Submitted], sites: Sites, now_ns: int) -> Move | None:
    """Return where the tasks of an array that have not begun should begin, once others of it have.

    Tasks that run are not touched. What waits is worked off in as many waves as its limit makes, and a wave may
    be put off like the rest of a job that pauses.

    Parameters
    ----------
    parts : sequence of Submitted
        All that is left of one array.
    sites : Sites
    now_ns : int

    Raises
    ------
    LowtideError
        If the intensity is not there any more.
    """
    waiting = [one for one in parts if _waits(one)]
    promise = parts[0].promise
    n_running = sum(one.job.state in ("RUNNING", "STOPPED") for one in parts)
    if len(waiting) != 1:
        return None  # none, or in parts that somebody has made
    (rest_job,) = waiting
    n_left = tasks_in(rest_job.job.array_tasks)
    left_s = -(-n_left // promise.n_at_once) * promise.task.work_s
    rest = rest_of(
        promise, sites.of(promise), now_ns=now_ns, done_s=max(0.0, promise.job.work_s - left_s), runs_ns=(),
        begun="running" if n_running else "paused", job=promise.job,
    )  # fmt: skip
    # while tasks run Slurm gives another reason for waiting than the begin time: where that is we know from moving it
    known_ns = rest_job.job.start_ns if rest_job.job.reason == "BeginTime" else promise.last.start_ns
    from_ns = max(now_ns, known_ns or now_ns)
    wanted_ns = -(-next_run_ns(rest) // NS_PER_S) * NS_PER_S
    start_ns = max(now_ns, min(wanted_ns, max(now_ns, rest.view.latest_ns)))
    if abs(start_ns - from_ns) < NS_PER_S:
        return None
    plan = replace(
        promise.last,
        made_ns=now_ns,
        start_ns=start_ns,
        end_ns=start_ns + ns_from_s(left_s),
        why=rest.decision.why,
    )
    return Move(submitted=rest_job, from_ns=from_ns, plan=plan)


def _waits(one: Submitted) -> bool:
    its_users = one.job.reason.startswith("JobHeld") or one.job.reason == "Dependency"
    return one.job.state == "PENDING" and not its_users and has_begun_in_part(one)
