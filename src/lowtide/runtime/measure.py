"""Measuring a block of Python: ``with lowtide.measure(...) as m``, and the decorator ``@lowtide.measured``.

The recorder is a process of its own that outlives this one; inside the block nothing of lowtide runs. Nothing
here raises into the caller's code once the block has been entered: what fails is said in a warning and leaves
``m.result`` None.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar, overload

from lowtide.errors import LowtideError
from lowtide.runtime import phases
from lowtide.runtime.phases import Phase, Progress, count, phase, step

if TYPE_CHECKING:
    from lowtide.estimation.predict import Prediction
    from lowtide.model.grid_choice import GridChoice
    from lowtide.model.ledger import Entry
    from lowtide.model.record import RunEnd, RunHeader
    from lowtide.runtime.closing import RunLock
    from lowtide.runtime.config import Setting
    from lowtide.runtime.live import LiveEnergy
    from lowtide.runtime.spawn import RecorderHandle
    from lowtide.runtime.telemetry import Used
    from lowtide.stores.ledger import Ledger

__all__ = ["Measurement", "count", "measure", "measured", "phase", "step"]

_JOIN_WITHIN_S = 5.0
_CLOSE_WITHIN_S = 2.0

P = ParamSpec("P")
R = TypeVar("R")


class Measurement:
    """One measured block; made by :func:`measure`.

    Attributes
    ----------
    run_id : str or None
        The run in the ledger; None if it could not be started.
    result : Entry or None
        The bill, after the block; None if it could not be made, and on every rank but the first of a launch.
    """

    def __init__(
        self, *, name: str | None, tags: dict[str, str], per: str | None, **flags: str | None
    ) -> None:
        self.run_id: str | None = None
        self.result: Entry | None = None
        self._name, self._tags, self._per, self._flags = name, tags, per, flags
        self._recorder: RecorderHandle | None = None
        self._lock: RunLock | None = None
        self._header: RunHeader | None = None
        self._ledger: Ledger | None = None
        self._progress: Progress | None = None
        self._used: Used | None = None
        self._journal_dir = ""
        self._started_ns = self._pid = 0

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        from lowtide.runtime.config import load_config
        from lowtide.runtime.prepare import RunOptions, is_batch, ledger_of, make_header

        config = load_config().with_flags(self._flags)
        tags = tuple(f"{key}={value}" for key, value in self._tags.items())
        options = RunOptions(name=self._name, tags=tags, per=self._per)
        lenient = is_batch(os.environ)
        header, remarks = make_header(options, config, check_intensity=_check_intensity, lenient=lenient)
        for remark in remarks:
            _warn(remark)
        self._begin(header, ledger_of(config), config.get("sensors"))
        return self

    def _begin(self, header: RunHeader, ledger: Ledger, sensors: Setting | None) -> None:
        """Start the recorder; from here on nothing is raised."""
        from lowtide.runtime.closing import open_journal_dir
        from lowtide.runtime.spawn import ready_within_s, spawn_recorder

        try:
            header, segments_dir = _kept(header, ledger)
            self._lock = open_journal_dir(header, ledger)
            self._header, self._ledger, self._journal_dir = header, ledger, header.journal_dir
            self._recorder = spawn_recorder(
                header,
                writer="w1",
                segments_dir=segments_dir,
                root_pid=os.getpid(),
                reaper=False,
                sensors=sensors.value if sensors is not None else "auto",
                job_pid=os.getpid(),
                detach=True,
            )
            if not self._recorder.wait_for("ready", timeout_s=ready_within_s(header)):
                _warn("the recorder is not ready; the block goes on and its beginning may be missing")
            self.run_id = header.run_id.partition("/")[0]
            self._progress = Progress(os.path.join(header.journal_dir, "marks"))
            phases.entered(self._progress)
            self._look()
        except Exception as error:  # the block is the caller's, and goes on
            _warn(f"cannot record: {error}")
            if self._recorder is None and self._lock is not None:
                self._lock.close()
                self._lock = None
        self._started_ns = time.time_ns()

    def _look(self) -> None:
        from lowtide.runtime.telemetry import used_now

        self._used = used_now()

    def phase(self, name: str) -> Phase:
        """Return a context manager for a phase of the run; its energy and emissions are billed apart.

        Phases may lie in one another. Those of one thread are nested: a phase that is left before the one
        inside it ends that one as well.
        """
        return Phase(name, () if self._progress is None else (self._progress,))

    def step(self, n: float = 1.0) -> None:
        """Tell that `n` steps have been done."""
        if self._progress is not None:
            self._progress.step(n)

    def count(self, name: str, n: float = 1.0) -> None:
        """Count `n` things done (tokens, images), the denominator of the SCI."""
        if self._progress is not None:
            self._progress.count(name, n)

    def predict(self, *, total_steps: float) -> Prediction | None:
        """Return energy, duration and emissions of the whole run, each with a 90 % range, from the steps so far.

        Reads back what has been recorded, which takes some tens of milliseconds; None, with a warning, while that
        is too little.
        """
        from lowtide.runtime.predicting import predict_open_run

        if self._header is None or self._ledger is None or self._progress is None:
            return None
        self._progress.flush()
        try:
            return predict_open_run(self._ledger, self._header, total_steps=total_steps)
        except LowtideError as error:
            _warn(f"cannot predict: {error}")
            return None

    def live(self) -> LiveEnergy | None:
        """Return what reads the energy while the block goes on (20 ms a look); None without a recorder."""
        from lowtide.runtime.live import LiveEnergy

        if self._header is None or self._ledger is None:
            return None
        return LiveEnergy(self._ledger, self._header)

    def summary(self) -> list[str]:
        """Return the four lines of a finished block, those of ``lowtide run``; none where there is no bill."""
        from lowtide.runtime.summary import summary_lines

        if self.result is None or self._ledger is None or self.run_id is None:
            return []
        return summary_lines(self._ledger, self.run_id)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ended_ns = max(time.time_ns(), self._started_ns + 1)
        recorder, lock = self._recorder, self._lock
        if os.getpid() != self._pid:  # a child of the caller's that leaves as well: the block goes on in the parent
            for held in (recorder, lock):
                if held is not None:
                    held.close()
            return
        if self._progress is not None:
            phases.left(self._progress)
            self._progress.close()
        if recorder is None or lock is None:
            return
        try:
            self._finish(recorder, lock, ended_ns, status=_status_of(error))
        except Exception as problem:  # the block's own outcome must stand, whatever happens to its bill
            _warn(
                f"the run {self.run_id} is not billed yet ({problem}); `lowtide show {self.run_id}` tries again"
            )

    def _finish(self, recorder: RecorderHandle, lock: RunLock, ended_ns: int, *, status: int) -> None:
        from lowtide.runtime.spawn import SEALED_WITHIN_S
        from lowtide.stores.codec import to_plain, write_json

        end, problem = None, None
        try:
            end = self._end(ended_ns, status=status)
            write_json(os.path.join(self._journal_dir, "end.json"), to_plain(end))
        except Exception as error:  # what is recorded ends here all the same
            problem = error
        finally:
            recorder.tell("end")
            recorder.wait_for("sealed", timeout_s=SEALED_WITHIN_S)
            recorder.close()
            lock.close()
        closed = self._closed(end)
        if closed is None and problem is not None:
            raise problem
        if closed is not None:
            self._take_result(*closed)

    def _closed(self, end: RunEnd | None) -> tuple[Ledger, str] | None:
        """Close the run; in a child where that is safe, so that a small program stays small."""
        from lowtide.runtime.closing import close_run
        from lowtide.runtime.isolate import CannotForkError, in_child, is_light
        from lowtide.stores.ledger import Ledger

        def work() -> list[str] | None:
            closed = close_run(self._journal_dir, wait_s=_CLOSE_WITHIN_S, end=end)
            return None if closed is None else [closed[0].path, closed[1]]

        if is_light():
            try:
                found = in_child(work)
            except CannotForkError:
                pass  # here then
            else:
                return None if found is None else (Ledger(found[0]), found[1])
        return close_run(self._journal_dir, wait_s=_CLOSE_WITHIN_S, end=end)

    def _end(self, ended_ns: int, *, status: int) -> RunEnd:
        from dataclasses import replace

        from lowtide.model.record import RunEnd, Telemetry
        from lowtide.runtime.telemetry import software_versions, used_between, used_now
        from lowtide.stores.marks import counts_of

        used = Telemetry() if self._used is None else used_between(self._used, used_now())
        return RunEnd(
            started_ns=self._started_ns,
            ended_ns=ended_ns,
            exit_code=status,
            telemetry=replace(used, software=software_versions()),
            counts=counts_of(self._journal_dir),
        )

    def _take_result(self, ledger: Ledger, run_id: str) -> None:
        """Take the bill; the first rank of a launch waits for the others and joins them, a late one does it alone."""
        from lowtide.model.ledger import Entry
        from lowtide.runtime.joining import finish_rank
        from lowtide.runtime.ranks import run_of
        from lowtide.stores.codec import from_plain

        if "/" in run_id:
            waiting = finish_rank(ledger, run_id, wait_s=_JOIN_WITHIN_S)
            if waiting is None:
                return
            if waiting:
                _warn(f"{waiting}; `lowtide show {run_of(run_id)}` joins them once they have ended")
        run_id = run_of(run_id)
        plain = ledger.last_entry(run_id)
        self.result = from_plain(Entry, plain, path=ledger.run_dir(run_id)) if plain else None


def _status_of(error: BaseException | None) -> int:
    """Return the exit status a Python program that ends with an exception has."""
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        return 1
    code = error.code
    return code & 0xFF if isinstance(code, int) else int(code is not None)


def _check_intensity(choice: GridChoice) -> None:
    """Read the file that the block would be billed with; numpy is loaded for that alone, as a zone has been checked."""
    if choice.intensity is None and choice.market is None:
        return
    from lowtide.runtime.billing import check_intensity

    check_intensity(choice)


def _kept(header: RunHeader, ledger: Ledger) -> tuple[RunHeader, str]:
    """Return the header as it stands in the ledger, and where segments go; nowhere while that is out of reach."""
    from lowtide.runtime.ranks import register

    try:
        header = register(ledger, header, os.environ)
    except LowtideError as error:
        _warn(f"{error}; the run is kept in {header.journal_dir} until a command can reach the ledger")
        return header, ""
    return header, ledger.segments_dir(header.run_id)


def measure(
    *,
    name: str | None = None,
    zone: str | None = None,
    tags: dict[str, str] | None = None,
    pue: float | str | None = None,
    interval: str | float | None = None,
    intensity: str | float | None = None,
    attribution: str | None = None,
    sensors: str | None = None,
    per: str | None = None,
    ledger: str | None = None,
    site: str | None = None,
) -> Measurement:
    """Return a context manager that records this process with its children and bills it.

    Parameters
    ----------
    name : str, optional
        What the run is called in the ledger.
    zone : str, optional
        Zone key (``DE``, ``aws:us-west-2``); without one here or in the configuration, energy is measured
        and emissions are None.
    tags : dict, optional
    pue : float or str, optional
        Power usage effectiveness of the site: a number, or a file of one that varies (``ts_utc,pue``).
    interval : str or float, optional
        Time between readings, ``"1s"`` or seconds.
    intensity : str or float, optional
        A file, or a constant [g/kWh].
    attribution : {"share", "dynamic", "machine"}, optional
    sensors : str, optional
    per : str, optional
        Functional unit of the SCI, ``"1e9:token"``.
    ledger, site : str, optional

    Raises
    ------
    InputError
        On entering the block, if a value is wrong. Nothing is raised later.

    Examples
    --------
    >>> import lowtide, tempfile
    >>> with lowtide.measure(name="sum", zone="DE", ledger=tempfile.mkdtemp()) as m:
    ...     total = sum(range(1000))
    >>> m.result.energy.total_kwh > 0
    True
    """
    return Measurement(
        name=name,
        tags=tags or {},
        per=per,
        zone=zone,
        pue=None if pue is None else str(pue),
        interval=None if interval is None else str(interval),
        intensity=None if intensity is None else str(intensity),
        attribution=attribution,
        sensors=sensors,
        ledger=ledger,
        site=site,
    )


@overload
def measured(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def measured(
    *, name: str | None = None, zone: str | None = None, pue: float | str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def measured(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    zone: str | None = None,
    pue: float | str | None = None,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Measure every call of a function; each is a run named after it.

    Use it bare (``@lowtide.measured``) or with arguments (``@lowtide.measured(zone="DE")``), which are those
    of :func:`measure`. The function's result and exceptions pass through.
    """

    def decorate(wrapped: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(wrapped)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with measure(name=name or wrapped.__name__, zone=zone, pue=pue):
                return wrapped(*args, **kwargs)

        return call

    return decorate if function is None else decorate(function)


def _warn(message: str) -> None:
    warnings.warn(f"lowtide: {message}", RuntimeWarning, stacklevel=3)
