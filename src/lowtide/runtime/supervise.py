"""Running a command beside its recorder: deliberately little, because the user's job depends on it.

The supervisor spawns the command, passes signals on, restarts a recorder that has died and waits. It holds
no readings and computes nothing. Whatever fails here that is not the command itself is said in one line and
the command goes on.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from lowtide.errors import StoreError
from lowtide.model.pausing import EX_TEMPFAIL
from lowtide.model.record import RunEnd, RunHeader
from lowtide.runtime.green_left import n_begun, read_left
from lowtide.runtime.kept_recorder import KeptRecorder
from lowtide.runtime.signals import (
    ENDING,
    FORWARDED,
    FROM_TERMINAL,
    become_reaper,
    drop_pending,
    next_signal,
    send,
)
from lowtide.runtime.starting import (
    CannotStartError,
    Keeping,
    Started,
    TakenOverError,
    Used,
    spawn_job,
    start_once,
    write_left,
)
from lowtide.runtime.supervised import Job, is_child, run_end
from lowtide.stores.codec import to_plain, write_json

if TYPE_CHECKING:
    from lowtide.runtime.budget_watch import BudgetWatch
    from lowtide.runtime.green_control import Control

__all__ = ["CannotStartError", "InterruptedWaitError", "Supervisor"]

_OVER_BUDGET: Final = -1


class InterruptedWaitError(Exception):
    """Somebody wants a run to end that is still waiting to start; carries the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Supervisor:
    """Runs one command with a recorder beside it.

    Parameters
    ----------
    header : RunHeader
    segments_dir : str
        Where the recorder seals to; empty when the ledger is out of reach.
    sensors, scope : str
        Passed to the recorder.
    say : callable
        Takes one line for standard error.
    control : Control, optional
        Says when to start the command and when to pause it.
    budget : BudgetWatch, optional
        Says when it has used what it may.
    """

    def __init__(
        self,
        header: RunHeader,
        *,
        segments_dir: str,
        sensors: str,
        scope: str,
        say: Callable[[str], None],
        control: Control | None = None,
        budget: BudgetWatch | None = None,
    ) -> None:
        self._header, self._say = header, say
        self._control, self._budget = control, budget
        self._recorder = KeptRecorder(
            header, segments_dir=segments_dir, sensors=sensors, scope=scope, say=say
        )
        self._reaper = False
        self._first_ns = 0
        self._used: list[Used] = []
        self._said_left = False
        self._signals = {getattr(signal, name) for name in FORWARDED if hasattr(signal, name)}

    def run(self, command: Sequence[str], env: dict[str, str]) -> RunEnd:
        """Run the command to its end and return how it ended.

        Raises
        ------
        CannotStartError
            If there is no such command, or it may not be executed.
        InterruptedWaitError
            If a signal came while it waited to start.
        TakenOverError
            If another controller has started it.
        """
        ignored = {s for s in self._signals if signal.getsignal(s) is signal.SIG_IGN}
        self._signals -= ignored  # nohup ignored SIGHUP for us and for the job
        waited: set[int] = {*self._signals, signal.SIGCHLD, signal.SIGALRM}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
        try:
            self._reaper = become_reaper()
            self._await_start(waited)
            self._recorder.begin(reaper=self._reaper)
            job = self._run_to_its_end(command, env, before, waited)
            end = self._end(job)
            self._note_end(end)
            self._recorder.finish()
        finally:
            drop_pending(waited)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return end

    def _run_to_its_end(
        self, command: Sequence[str], env: dict[str, str], mask: Iterable[int], waited: set[int]
    ) -> Job:
        """Run the command once, or as often as it saves, leaves and is started again; return its last start."""
        control = self._control
        again = control is not None and control.acting.n_starts > 0
        if again and control is not None and (status := self._take_over(control)) is not None:
            return Job.gone(status)
        while True:
            if again and control is not None and (number := self._await_again(control, waited)):
                if number == _OVER_BUDGET:
                    return Job.gone(EX_TEMPFAIL << 8)
                self._say(f"lowtide: {signal.Signals(number).name} while paused; {command[0]} is not started again, "
                          "and what it saved stays where it is")  # fmt: skip
                return Job.gone(number)
            job = self._spawn(command, env, mask)
            self._first_ns = self._first_ns or job.started_ns
            if job.status is None:
                self._recorder.tell(f"job {job.pid}")
                self._wait(job, waited)
            if self._budget is not None:
                self._budget.left(job.code)
            if control is None or not control.left():
                return job
            again = True

    def _take_over(self, control: Control) -> int | None:
        """Go on with a run that has left, unseen perhaps; return its status where that was its end."""
        folder = self._header.journal_dir
        found = [
            left for i in range(control.acting.n_starts) if (left := read_left(folder, i + 1)) is not None
        ]
        self._used = [Used(left.cpu_s, left.maxrss, left.inblock, left.oublock) for left in found]
        goes_on = control.take_over()
        self._first_ns = control.first_start_ns()
        return None if goes_on or not found else found[-1].status

    def _await_start(self, waited: set[int]) -> None:
        """Wait until the controller wants the command to start; at once without one, or where it has been before."""
        control = self._control
        while control is not None and not control.acting.n_starts:
            control.poll()
            if control.wants_to_run:
                control.starting()
                return
            signal.setitimer(signal.ITIMER_REAL, control.wait_s() or 0.0)
            number, _ = next_signal(waited)
            if signal.Signals(number).name in ENDING:
                control.finish()
                raise InterruptedWaitError(number)
            if number == signal.SIGCHLD:
                self._reap(None)

    def _await_again(self, control: Control, waited: set[int]) -> int:
        """Wait until a command that has left is to be started again; return the signal that ended this, or 0.

        :data:`_OVER_BUDGET` is returned where its budget ended it.
        """
        while True:
            if self._budget is not None and self._budget.ends_run:
                control.interrupted()
                self._budget.not_again()
                return _OVER_BUDGET
            self._poll()
            if control.wants_to_run and self._nobody_left(control):
                control.starting()
                return 0
            self._set_alarm()
            number, _ = next_signal(waited)
            if signal.Signals(number).name in ENDING:
                control.interrupted()
                return number
            if number == signal.SIGCHLD:
                self._reap(None)
            if self._recorder.is_due:
                self._recorder.start()

    def _nobody_left(self, control: Control) -> bool:
        """Return whether nothing is left of the last start, which must not run beside the next; the deadline is."""
        from lowtide.runtime.green_asking import left_behind

        left = left_behind(os.getpid(), {*self._spared(), control.thinker_pid})
        if left and not self._said_left:
            self._said_left = True
            self._say(f"lowtide: {len(left)} processes of the command have not left with it (pid {left[0]}); "
                      "it is started again once they have")  # fmt: skip
        return not left or control.is_late

    def _spawn(self, command: Sequence[str], env: dict[str, str], mask: Iterable[int]) -> Job:
        control = self._control
        try:
            started_ns = time.time_ns()
            if control is None:
                return Job(self._spawn_plainly(command, env, mask), started_ns)
            started = self._start_once(control, command, env, mask)
        except CannotStartError:
            self._recorder.abandon()
            raise
        except FileExistsError as error:
            self._recorder.abandon()
            raise TakenOverError(self._header.run_id) from error
        except OSError as error:
            if control is None or not control.acting.n_starts:
                self._recorder.abandon()
                raise CannotStartError(f"{command[0]}: {error.strerror or error}", 126) from error
            self._say(f"lowtide: {command[0]}: {error.strerror or error}")
            started = Started(-1)
        control.acting.spare(self._spared())
        control.started(started.pid)
        if self._budget is not None:
            self._budget.started()
        return Job(started.pid, started_ns, started.keeper, status=None if started.pid > 0 else 126 << 8)

    def _spawn_plainly(self, command: Sequence[str], env: dict[str, str], mask: Iterable[int]) -> int:
        if self._budget is None:
            return spawn_job(command, env, mask)
        pid = spawn_job(command, self._budget.env(env), mask)
        self._budget.started()
        return pid

    def _start_once(
        self, control: Control, command: Sequence[str], env: dict[str, str], mask: Iterable[int]
    ) -> Started:
        acting, keeping = control.acting, None
        if acting.keeps and self._reaper:
            keeping = Keeping(acting.left_file, os.path.join(self._header.journal_dir, "lock"))
        return start_once(command, acting.env(env), mask, acting.begun, keeping=keeping, group=acting.group)

    def _spared(self) -> list[int]:
        """Return the children that are not the job's, but for the one that decides."""
        children = (self._recorder.pid, -1 if self._budget is None else self._budget.looker_pid)
        return [pid for pid in children if pid > 0]

    def _wait(self, job: Job, waited: set[int]) -> None:
        """Wait for the job to end, passing signals on and keeping a recorder alive."""
        self._steer(job)
        while job.status is None:
            number, from_terminal = next_signal(waited)
            if number == signal.SIGCHLD:
                self._reap(job)
            elif number == signal.SIGALRM:
                pass  # time to try a recorder again, or to decide
            else:
                self._pass_on(job, number, from_terminal)
            if job.status is None and self._recorder.is_due:
                self._recorder.start(job.pid)
            self._steer(job)

    def _pass_on(self, job: Job, number: int, from_terminal: bool) -> None:
        """Send a signal to the job; one that is frozen is thawed first, so that it hears it."""
        name, control = signal.Signals(number).name, self._control
        if control is not None and control.is_frozen and name in ("SIGCONT", "SIGWINCH"):
            return  # neither wakes half a job
        if control is not None and name in ENDING:
            control.interrupted()  # who is to end is not to be paused or started again
        elif control is not None and control.is_frozen:
            control.release()
        if not (from_terminal and name in FROM_TERMINAL):
            send(job.pid, number)  # the terminal's own go to the job without us

    def _steer(self, job: Job) -> None:
        """Let the controller and the budget's watch do what is due, and be woken when they want to be."""
        if job.status is None:
            self._poll()
            self._set_alarm()

    def _poll(self) -> None:
        if self._budget is not None:
            self._budget.poll()
            self._recorder.spare(self._budget.looker_pid)
        if self._control is not None:
            self._control.acting.spare(self._spared())
            self._control.poll()
            self._recorder.spare(self._control.thinker_pid)

    def _over_budget(self, job: Job, act: str) -> None:
        """End the job, or ask it to save and leave; whichever, it is not paused or started again after it."""
        budget, control = self._budget, self._control
        if budget is None:
            return
        if act == "stop":
            budget.stopping()
            self._pass_on(job, signal.SIGTERM, False)
        else:
            if control is not None:
                control.interrupted()
            budget.ask(job.pid, 1 if control is None else control.acting.n_starts)

    def _set_alarm(self) -> None:
        minding = (self._control, self._budget, self._recorder)
        waits_s = [wait_s for m in minding if m is not None and (wait_s := m.wait_s()) is not None]
        signal.setitimer(signal.ITIMER_REAL, min(waits_s, default=0.0))

    def _reap(self, job: Job | None) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if job is not None and pid in (job.pid, job.keeper):
                self._job_left(job, pid, status, usage)
            elif self._recorder.reaped(pid, usage):
                continue
            elif (self._control is not None and self._control.reaped(pid)) or self._has_looked(pid, job):
                self._recorder.leave_out(pid, usage)

    def _has_looked(self, pid: int, job: Job | None) -> bool:
        """Return whether a child was the one that looks at the budget, and do what it found due."""
        found = "other" if self._budget is None else self._budget.reaped(pid)
        if found in ("stop", "checkpoint") and job is not None and job.status is None:
            self._over_budget(job, found)
        return found != "other"

    def _job_left(self, job: Job, pid: int, status: int, usage: resource.struct_rusage) -> None:
        """Take note of how a job left, from its keeper where it has one that was not killed."""
        acting = None if self._control is None else self._control.acting
        used = Used.of(usage)
        if pid == job.keeper:
            left = read_left(self._header.journal_dir, n_begun(self._header.journal_dir))
            job.keeper = -1
            if left is not None:
                status, used = left.status, Used(left.cpu_s, left.maxrss, left.inblock, left.oublock)
            elif is_child(job.pid):
                return  # somebody killed it, and the job is ours now
            else:  # it left with the job's status, and what the job used is in its own usage
                self._say("lowtide: how the command left could not be written down (is the disk full?); "
                          "it is not started again")  # fmt: skip
        elif acting is not None and acting.keeps:
            try:
                write_left(acting.left_file, started_ns=job.begun_ns, status=status, usage=usage)
            except OSError as error:
                self._say(f"lowtide: {acting.left_file} cannot be written ({error.strerror})")
        job.end(status)
        self._used.append(used)

    def _end(self, job: Job) -> RunEnd:
        if self._control is not None:
            self._control.finish()
        if self._budget is not None:
            self._budget.stop()
        first_ns, plan = self._first_ns or job.started_ns, None
        if self._control is not None:
            plan = self._control.plan(started_ns=first_ns, ended_ns=max(job.ended_ns, first_ns + 1))
        return run_end(
            job, first_ns=first_ns, used=self._used, journal_dir=self._header.journal_dir, plan=plan,
            budget=None if self._budget is None else self._budget.reached,
        )  # fmt: skip

    def _note_end(self, end: RunEnd) -> None:
        """Write how the job ended beside its journal before anything else is done."""
        try:
            write_json(os.path.join(self._header.journal_dir, "end.json"), to_plain(end))
        except StoreError as error:
            self._say(f"lowtide: {error}")
