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

if TYPE_CHECKING:
    from lowtide.model.ledger import Entry
    from lowtide.model.record import RunHeader
    from lowtide.runtime.closing import RunLock
    from lowtide.runtime.config import Setting
    from lowtide.runtime.spawn import RecorderHandle
    from lowtide.stores.ledger import Ledger

__all__ = ["Measurement", "count", "measure", "measured"]

P = ParamSpec("P")
R = TypeVar("R")


class Measurement:
    """One measured block; made by :func:`measure`.

    Attributes
    ----------
    run_id : str or None
        The run in the ledger; None if it could not be started.
    result : Entry or None
        The bill, after the block; None if it could not be made.
    """

    def __init__(
        self, *, name: str | None, tags: dict[str, str], per: str | None, **flags: str | None
    ) -> None:
        self.run_id: str | None = None
        self.result: Entry | None = None
        self._name, self._tags, self._per, self._flags = name, tags, per, flags
        self._recorder: RecorderHandle | None = None
        self._lock: RunLock | None = None
        self._journal_dir = ""
        self._started_ns = 0

    def __enter__(self) -> Self:
        from lowtide.runtime.billing import check_intensity
        from lowtide.runtime.config import load_config
        from lowtide.runtime.prepare import RunOptions, is_batch, ledger_of, make_header

        config = load_config().with_flags(self._flags)
        tags = tuple(f"{key}={value}" for key, value in self._tags.items())
        options = RunOptions(name=self._name, tags=tags, per=self._per)
        lenient = is_batch(os.environ)
        header, remarks = make_header(options, config, check_intensity=check_intensity, lenient=lenient)
        for remark in remarks:
            _warn(remark)
        self._begin(header, ledger_of(config), config.get("sensors"))
        return self

    def _begin(self, header: RunHeader, ledger: Ledger, sensors: Setting | None) -> None:
        """Start the recorder; from here on nothing is raised."""
        from lowtide.runtime.closing import open_journal_dir
        from lowtide.runtime.spawn import READY_WITHIN_S, spawn_recorder

        try:
            self._lock = open_journal_dir(header, ledger)
            self._journal_dir = header.journal_dir
            segments_dir = ledger.segments_dir(header.run_id)
            try:
                ledger.create(header)
            except LowtideError as error:
                _warn(
                    f"{error}; the run is kept in {header.journal_dir} until a command can reach the ledger"
                )
                segments_dir = ""
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
            if not self._recorder.wait_for("ready", timeout_s=READY_WITHIN_S):
                _warn("the recorder is not ready; the block goes on and its beginning may be missing")
            self.run_id = header.run_id
        except (LowtideError, OSError) as error:
            _warn(f"cannot record: {error}")
        self._started_ns = time.time_ns()

    def count(self, name: str, n: float = 1.0) -> None:
        """Count `n` things done (tokens, images), the denominator of the SCI."""
        if self._journal_dir:
            _append_count(os.path.join(self._journal_dir, "counts"), name, n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ended_ns = max(time.time_ns(), self._started_ns + 1)
        recorder, lock = self._recorder, self._lock
        if recorder is None or lock is None:
            return
        try:
            self._finish(recorder, lock, ended_ns, failed=kind is not None)
        except Exception as problem:  # the block's own outcome must stand, whatever happens to its bill
            _warn(
                f"the run {self.run_id} is not billed yet ({problem}); `lowtide show {self.run_id}` tries again"
            )

    def _finish(self, recorder: RecorderHandle, lock: RunLock, ended_ns: int, *, failed: bool) -> None:
        from lowtide.model.ledger import Entry
        from lowtide.model.record import RunEnd
        from lowtide.runtime.closing import close_run
        from lowtide.runtime.spawn import SEALED_WITHIN_S
        from lowtide.runtime.supervise import read_counts
        from lowtide.stores.codec import from_plain, to_plain, write_json

        end = RunEnd(
            started_ns=self._started_ns,
            ended_ns=ended_ns,
            exit_code=1 if failed else 0,
            counts=read_counts(os.path.join(self._journal_dir, "counts")),
        )
        write_json(os.path.join(self._journal_dir, "end.json"), to_plain(end))
        recorder.tell("end")
        recorder.wait_for("sealed", timeout_s=SEALED_WITHIN_S)
        recorder.close()
        lock.close()
        closed = close_run(self._journal_dir, wait_s=2.0)
        if closed is not None:
            ledger, run_id = closed
            plain = ledger.last_entry(run_id)
            self.result = from_plain(Entry, plain, path=ledger.run_dir(run_id)) if plain else None


def measure(
    *,
    name: str | None = None,
    zone: str | None = None,
    tags: dict[str, str] | None = None,
    pue: float | None = None,
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
    pue : float, optional
        Power usage effectiveness of the site.
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
    *, name: str | None = None, zone: str | None = None, pue: float | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def measured(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    zone: str | None = None,
    pue: float | None = None,
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


def count(name: str, n: float = 1.0) -> None:
    """Count `n` things done by the command that ``lowtide run`` is running; nothing outside of one."""
    path = os.environ.get("LOWTIDE_COUNTS")
    if path:
        _append_count(path, name, n)


def _append_count(path: str, name: str, n: float) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, f"{name}\t{n!r}\n".encode())
        finally:
            os.close(fd)
    except OSError as error:
        _warn(f"cannot count {name}: {error.strerror}")


def _warn(message: str) -> None:
    warnings.warn(f"lowtide: {message}", RuntimeWarning, stacklevel=3)
