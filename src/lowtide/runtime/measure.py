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
    from lowtide.model.record import RunHeader
    from lowtide.runtime.closing import RunLock
    from lowtide.runtime.config import Setting
    from lowtide.runtime.live import LiveEnergy
    from lowtide.runtime.spawn import RecorderHandle
    from lowtide.runtime.telemetry import Used
    from lowtide.stores.ledger import Ledger

__all__ = ["Measurement", "count", "measure", "measured", "phase", "step"]

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
        if (
            os.getpid() != self._pid
        ):  # a child of the caller's that leaves as well: the block goes on in the parent
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
        from lowtide.runtime.measure_end import bill_of_block, end_block

        header, ledger = self._header, self._ledger
        if header is None or ledger is None:
            return
        run_id = end_block(
            header, ledger, recorder, lock, started_ns=self._started_ns, ended_ns=ended_ns, used=self._used,
            status=status,
        )  # fmt: skip
        if run_id is not None:
            self.result = bill_of_block(ledger, run_id, warn=_warn)


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
