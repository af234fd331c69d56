"""``lowtide run`` from the checks before the command to the four lines after it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lowtide.errors import InputError, LowtideError, StoreError
from lowtide.model.grid_choice import GridChoice
from lowtide.model.record import RunEnd, RunHeader
from lowtide.runtime.closing import RunLock, close_run, open_journal_dir
from lowtide.runtime.config import Config
from lowtide.runtime.isolate import in_child
from lowtide.runtime.joining import finish_rank
from lowtide.runtime.prepare import RunOptions, has_terminal, is_batch, ledger_flag, ledger_of, make_header
from lowtide.runtime.ranks import is_first, register, run_of
from lowtide.runtime.starting import TakenOverError
from lowtide.runtime.supervise import CannotStartError, InterruptedWaitError, Supervisor
from lowtide.runtime.telemetry import software_near
from lowtide.stores.ledger import Ledger

if TYPE_CHECKING:
    from lowtide.runtime.budget import BudgetAsked
    from lowtide.runtime.budget_watch import BudgetWatch
    from lowtide.runtime.green import GreenAsked, GreenSpec
    from lowtide.runtime.green_control import Control

__all__ = ["run_command", "supervise"]

REFUSED = 125
_CLOSE_WITHIN_S = 5.0
_PROVISIONAL = (
    "lowtide: provisional: the grid has not told all of this time yet; `lowtide show {query}` restates it"
)


def run_command(
    options: RunOptions,
    config: Config,
    *,
    env: dict[str, str],
    say: Callable[[str], None],
    scope: str = "tree",
    summary: str | None = None,
    quiet: bool = False,
    strict: bool = False,
    green: GreenAsked | None = None,
    budget: BudgetAsked | None = None,
    plan_only: Callable[[GreenSpec, RunHeader], None] | None = None,
) -> int:
    """Run a command beside its recorder and bill it; return the exit status for the shell.

    With `green` it is started, and paused if that is asked for, when the grid is green; with `plan_only` its plan is
    handed over and nothing is run. `budget` is what it may emit or draw.

    Mistakes are refused before the command starts (125); failures of the surroundings are said in one line
    and never stop it.
    """
    try:
        found = _find(options.command[0], env)
    except CannotStartError as error:
        say(f"lowtide: {error}")
        return error.status
    try:
        strict = strict or plan_only is not None  # nothing is run: a plan of another place helps nobody
        lenient = is_batch(env) and not strict
        header, remarks = make_header(
            options, config, check_intensity=lambda choice: _check_intensity(choice, say), lenient=lenient,
            lenient_zone=not strict and not has_terminal(), apart=True,
        )  # fmt: skip
        check_summary(summary)
        spec = _green_spec(green, header, config, env, remarks, taken=() if budget is None else budget.takes)
        header = _with_budget(budget, green, spec, header, config, env, remarks)
        if plan_only is not None and spec is not None:
            for remark in remarks:
                say(f"lowtide: {remark}")
            plan_only(spec, header)
            return 0
    except StoreError as error:
        say(f"lowtide: {error}; the command runs unmeasured")
        return _bare(options.command, env)
    except LowtideError as error:
        say(f"lowtide: {error}")
        return REFUSED
    for remark in remarks:
        say(f"lowtide: {remark}")
    del found
    return _run_recorded(
        header, config, env=env, say=say, scope=scope, summary=summary, quiet=quiet, green=spec
    )


def _green_spec(
    green: GreenAsked | None, header: RunHeader, config: Config, env: dict[str, str], remarks: list[str],
    *, taken: Collection[str],
) -> GreenSpec | None:  # fmt: skip
    """Return what the run is to hold; None where it is to start at once, as most do.

    Options that are `taken` mean something without waiting too: for the budget.
    """
    if green is None:
        return None
    if not green.is_asked:
        green.check_alone(taken)
        return None
    if green.pause != "checkpoint":
        grace = None if "grace" in taken else green.grace
        pause_signal = None if "pause_signal" in taken else green.pause_signal
        green = replace(green, grace=grace, pause_signal=pause_signal)
    if _is_lenient(header, config):
        remarks.append(
            "when it is green is unknown too, so the command starts at once"
        )  # a batch job goes on
        return None
    from lowtide.runtime.green import resolve

    spec, words = resolve(green, header, ledger_of(config), env)
    remarks += words
    return spec


def _is_lenient(header: RunHeader, config: Config) -> bool:
    """Return whether a place was given that is wrong, and the command is to run all the same."""
    return header.grid == GridChoice() and bool(config.get("zone") or config.get("intensity"))


def _with_budget(
    asked: BudgetAsked | None, green: GreenAsked | None, spec: GreenSpec | None, header: RunHeader,
    config: Config, env: dict[str, str], remarks: list[str],
) -> RunHeader:  # fmt: skip
    """Return the header with what the run may emit or draw."""
    if asked is None or (asked.text is None and asked.on is None):
        return header
    from lowtide.runtime.budget import budget_of

    budget, words = budget_of(asked, green, spec, header, env, lenient=_is_lenient(header, config))
    remarks += words
    return replace(header, budget=budget)


def _budget_watch(
    header: RunHeader, ledger: Ledger, say: Callable[[str], None], control: Control | None
) -> BudgetWatch | None:
    if header.budget is None:
        return None
    from lowtide.runtime.budget_watch import watch_of

    done_s = None if control is None else lambda: control.acting.course.done_ns() / 1e9
    return watch_of(header, ledger, say=say, done_s=done_s)


def _run_recorded(
    header: RunHeader,
    config: Config,
    *,
    env: dict[str, str],
    say: Callable[[str], None],
    scope: str,
    summary: str | None,
    quiet: bool,
    green: GreenSpec | None = None,
) -> int:
    ledger = ledger_of(config)
    header, segments_dir = _registered(ledger, header, env, say)
    try:
        lock = open_journal_dir(header, ledger)
    except StoreError as error:
        say(f"lowtide: {error}; the command runs unmeasured")
        return _bare(header.command, env)
    found = config.get("sensors")
    sensors = found.value if found else "auto"
    scope = "tree" if header.rank is not None else scope  # ranks of one step share its control group
    control = None
    if green is not None:
        from lowtide.runtime.green_running import control_of

        options = {"sensors": sensors, "scope": scope, "summary": summary, "quiet": quiet}
        control = control_of(header, green, options, say)
    return supervise(
        header, ledger, lock, env=env, say=say, sensors=sensors, scope=scope, summary=summary, quiet=quiet,
        segments_dir=segments_dir, control=control,
    )  # fmt: skip


def supervise(
    header: RunHeader,
    ledger: Ledger,
    lock: RunLock,
    *,
    env: dict[str, str],
    say: Callable[[str], None],
    sensors: str,
    scope: str,
    summary: str | None,
    quiet: bool,
    segments_dir: str,
    control: Control | None = None,
) -> int:
    """Start a command whose folder is ready, mind it to its end, and bill it; return the exit status."""
    supervisor = Supervisor(
        header, segments_dir=segments_dir, sensors=sensors, scope=scope, say=say, control=control,
        budget=_budget_watch(header, ledger, say, control),
    )  # fmt: skip
    try:
        end = supervisor.run(header.command, job_env(header, env))
    except InterruptedWaitError as stop:
        _discard(header, ledger, lock)
        say(f"lowtide: {stop} while waiting; {header.command[0]} has not been started and nothing is kept")
        return 128 + stop.number
    except TakenOverError as error:
        lock.close()
        say(f"lowtide: {error}")
        return REFUSED
    except CannotStartError as error:
        _discard(header, ledger, lock)
        say(f"lowtide: {error}")
        return error.status
    if header.rank is None and "SLURM_JOB_ID" in env:
        from lowtide.runtime.submitted import with_submission

        end = with_submission(end, ledger, env, say)
    lock.close()
    _close(header, end, summary=summary, quiet=quiet, say=say, flag=ledger_flag(ledger))
    return status_of_end(end)


def job_env(header: RunHeader, env: dict[str, str]) -> dict[str, str]:
    """Return the command's environment: the user's, the run's id, and where to count."""
    return {
        **env,
        "LOWTIDE_RUN_ID": run_of(header.run_id),
        "LOWTIDE_RUN_NAME": header.name,
        "LOWTIDE_COUNTS": os.path.join(header.journal_dir, "counts"),
        "LOWTIDE_MARKS": os.path.join(header.journal_dir, "marks"),
    }


def status_of_end(end: RunEnd) -> int:
    """Return the exit status a shell would give for how the command ended."""
    return 128 + end.signal if end.signal is not None else (end.exit_code or 0)


def _find(command: str, env: dict[str, str]) -> str:
    import shutil

    found = shutil.which(command, path=env.get("PATH", os.defpath))
    if found is not None:
        return found
    if os.path.exists(command) and os.sep in command:
        raise CannotStartError(f"{command}: cannot be executed; chmod +x it, or name its interpreter", 126)
    raise CannotStartError(f"{command}: not found", 127)


def check_summary(path: str | None) -> None:
    """Refuse a summary file that could not be written.

    Raises
    ------
    InputError
    """
    if path is None:
        return
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise InputError(f"--summary {path}: the folder {folder} does not exist or may not be written")


def _check_intensity(choice: GridChoice, say: Callable[[str], None]) -> None:
    """Read the intensity once in a child: numpy and the file's contents must not stay in the supervisor.

    A mistake in it is refused; a child that crashes is no mistake of the user's, and the bill tries again.
    """

    def check() -> None:
        from lowtide.runtime.billing import check_intensity

        check_intensity(choice)

    if choice.intensity is None and choice.market is None:
        return
    try:
        in_child(check)
    except InputError:
        raise
    except LowtideError as error:
        say(f"lowtide: the intensity could not be checked ({error}); it is read again for the bill")


def _registered(
    ledger: Ledger, header: RunHeader, env: dict[str, str], say: Callable[[str], None]
) -> tuple[RunHeader, str]:
    """Return the header as it stands in the ledger and where segments go; nowhere while that is out of reach."""
    try:
        header = register(ledger, header, env)
    except StoreError as error:
        say(f"lowtide: {error}; the run is kept in {header.journal_dir} until a command can reach the ledger")
        return header, ""
    return header, ledger.segments_dir(header.run_id)


def _discard(header: RunHeader, ledger: Ledger, lock: RunLock) -> None:
    import shutil

    lock.close()
    ledger.discard(header.run_id)
    shutil.rmtree(header.journal_dir, ignore_errors=True)


def _close(
    header: RunHeader, end: RunEnd, *, summary: str | None, quiet: bool, say: Callable[[str], None], flag: str
) -> None:
    """Bill the run in a child; whatever goes wrong there is one line, and the next command tries again.

    `flag` is what that command needs to find the ledger.
    """

    def work() -> list[str]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        software = software_near(_program(header))
        seen = replace(end, telemetry=replace(end.telemetry, software=software))
        closed = close_run(header.journal_dir, wait_s=_CLOSE_WITHIN_S, end=seen)
        if closed is None:
            raise StoreError("its recorder is still at work")
        ledger, run_id = closed
        if not is_first(header):
            finish_rank(ledger, run_id, wait_s=0.0)
            return []
        waiting = finish_rank(ledger, run_id, wait_s=_CLOSE_WITHIN_S) if "/" in run_id else ""
        run_id = run_of(run_id)
        if waiting:
            return [
                f"lowtide: {run_id}: {waiting}; `lowtide show {run_id}{flag}` joins them once they have ended"
            ]
        if summary is not None:
            from lowtide.reporting.view import view_plain
            from lowtide.runtime.views import read_view
            from lowtide.stores.codec import write_json

            write_json(summary, view_plain(read_view(ledger, run_id)))
        from lowtide.runtime.pending import is_pending
        from lowtide.runtime.summary import summary_lines

        if quiet:
            return []
        lines = summary_lines(ledger, run_id)
        return [*lines, _PROVISIONAL.format(query=f"{run_id}{flag}")] if is_pending(ledger, run_id) else lines

    try:
        lines: Sequence[str] = in_child(work)
    except KeyboardInterrupt:
        lines = [f"lowtide: interrupted before the bill; `lowtide show {header.run_id}{flag}` makes it"]
    except LowtideError as error:
        lines = [
            f"lowtide: {header.run_id} is not billed yet: {error}; "
            f"`lowtide show {header.run_id}{flag}` tries again"
        ]
    for line in lines:
        say(line)


def _program(header: RunHeader) -> str:
    import shutil

    return shutil.which(header.command[0]) or header.command[0]


def _bare(command: Sequence[str], env: dict[str, str]) -> int:
    """Run the command without us: the user's job comes first."""
    try:
        os.execvpe(command[0], list(command), env)
    except FileNotFoundError:
        return 127
    except OSError:
        return 126
