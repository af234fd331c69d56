"""``lowtide run --when green``: its first plan on paper, its control, and taking over a run that waits for nobody."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lowtide.errors import InputError, LowtideError, StoreError
from lowtide.model.record import RunHeader
from lowtide.runtime.green import GreenSpec
from lowtide.runtime.green_control import Control
from lowtide.runtime.green_left import n_begun
from lowtide.runtime.green_state import FROZEN, ControllerLock, GreenState, is_waiting, read_state

if TYPE_CHECKING:
    from lowtide.runtime.config import Config
    from lowtide.runtime.planning import Planned
    from lowtide.stores.ledger import Ledger

__all__ = ["control_of", "continue_command", "dry_plan"]

REFUSED = 125


def dry_plan(spec: GreenSpec, header: RunHeader, config: Config, ledger: Ledger) -> Planned:
    """Return the plans that ``lowtide plan`` would make for what the run was asked to hold, its margin included.

    Raises
    ------
    InputError
        If none can be made.
    """
    from lowtide.quantities import format_instant
    from lowtide.runtime.green_think import config_of
    from lowtide.runtime.planning import PlanRequest, plan_request

    pauses = ("pause-resume",) if spec.pause != "none" else ()
    request = PlanRequest(
        duration=f"{spec.longest_ns / 1e9!r}s",
        power=f"{spec.power_w!r}W",
        deadline=format_instant(spec.deadline_ns),
        policies=("run-now", "flexible-start", *pauses),
        min_saving=f"{spec.min_saving!r}",
        history=spec.history,
        forecast=spec.forecast,
        resume_time=f"{spec.resume_time_s!r}s" if spec.resume_time_s else None,
    )
    planned = plan_request(request, config_of(header, config), ledger=ledger)
    if spec.power_known:
        return planned
    word = f"power unknown: planned for {spec.power_w:g} W; shares do not depend on it"
    found = replace(planned.found, warnings=(*planned.found.warnings, word))
    return replace(planned, found=found)


def control_of(
    header: RunHeader, spec: GreenSpec, options: dict[str, Any], say: Callable[[str], None]
) -> Control | None:
    """Return the controller of a new run; None, said in a line, where its state cannot be kept."""
    state = GreenState(spec=spec, options={**options, "cwd": os.getcwd()})
    lock = ControllerLock(header.journal_dir)
    try:
        if not lock.take():
            raise StoreError(f"{header.journal_dir} is another controller's")
        state.write(header.journal_dir)
    except StoreError as error:
        lock.close()
        say(f"lowtide: {error}; the command starts at once")
        return None
    return Control(header, state, say=say, lock=lock)


def continue_command(query: str, config: Config, *, env: dict[str, str], say: Callable[[str], None]) -> int:
    """Take over a run that was waiting to start when its supervisor was killed; return the exit status."""
    from lowtide.runtime.closing import RunLock
    from lowtide.runtime.prepare import ledger_of
    from lowtide.runtime.running import supervise

    ledger = ledger_of(config)
    try:
        header = _waiting_header(ledger, query)
        state = read_state(header.journal_dir)
    except LowtideError as error:
        say(f"lowtide: {error}")
        return REFUSED
    mine = ControllerLock(header.journal_dir)
    if not mine.take() or not is_waiting(header.journal_dir):
        mine.close()
        say(f"lowtide: {header.run_id} is minded by another process, which will start it")
        return REFUSED
    state = read_state(header.journal_dir)  # as whoever had it left it
    lock = RunLock(header.journal_dir)
    lock.share()
    options = state.options
    if os.path.isdir(options.get("cwd", "")):
        os.chdir(options["cwd"])
    if not n_begun(header.journal_dir):
        state.phase = "waiting"
    state.in_this_boot()
    control = Control(header, state, say=say, lock=mine)
    status: int = supervise(
        header, ledger, lock, env=env, say=say, control=control,
        segments_dir=ledger.segments_dir(header.run_id), sensors=options.get("sensors", "auto"),
        scope=options.get("scope", "tree"), summary=options.get("summary"), quiet=bool(options.get("quiet")),
    )  # fmt: skip
    return status


def _waiting_header(ledger: Ledger, query: str) -> RunHeader:
    """Return the header of a run that waits to start on this node; refuse any other with what to do.

    Raises
    ------
    InputError, RunNotFoundError
    """
    import socket

    run_id = ledger.find(query)
    header = ledger.header(run_id)
    if ledger.end(run_id) is not None:
        raise InputError(f"{run_id} has ended; `lowtide show {run_id}` shows it")
    if header.host != socket.gethostname():
        raise InputError(f"{run_id} waits on {header.host}; continue it there")
    if not os.path.isdir(header.journal_dir):
        raise InputError(f"{run_id} has left nothing to go on with in {header.journal_dir}")
    if not is_waiting(header.journal_dir):
        _thaw_if_alone(header.journal_dir)
        later = "; if it saves and leaves, continue it then" if _may_leave(header.journal_dir) else ""
        raise InputError(
            f"{run_id} has begun, and is not started twice; its recorder follows it to its end: "
            f"`lowtide show {run_id}`{later}"
        )
    return header


def _may_leave(journal_dir: str) -> bool:
    """Return whether a job that runs on its own may save and leave, to be continued."""
    try:
        return read_state(journal_dir).spec.pause == "checkpoint"
    except (LowtideError, KeyError, TypeError):
        return False  # what it was asked to hold cannot be read


def _thaw_if_alone(journal_dir: str) -> None:
    """Thaw a job whose controller is gone."""
    from lowtide.executors.freezing import thaw

    lock = ControllerLock(journal_dir)
    try:
        if lock.take():
            thaw(os.path.join(journal_dir, FROZEN))
    finally:
        lock.close()
