"""Which runs share this node: so that idle power is split once and the parts never exceed the whole.

Each recorder keeps a small file, locked for as long as it lives, in a folder all users share. A file
whose lock is free belongs to nobody alive and is ignored (and removed). Runs inside another run are part
of that one and are not counted again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from lowtide.doors import Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component

__all__ = ["DEFAULT_FOLDER", "PresenceSensor"]

DEFAULT_FOLDER = "/var/tmp/lowtide-node"
_RECHECK = 10  # reads between two looks for files whose owner has died


class PresenceSensor:
    """Announces a run on this node and reads the sum of all runs' shares.

    Channels: ``node.cpu_shares`` and ``node.memory_shares`` (sum over runs, this one included), and
    ``claims.PART`` (number of runs that have the GPU in scope, those inside another as one with it) for each GPU of
    this run.

    Parameters
    ----------
    folder : str
        Shared by all users of the node; made when missing.
    run_id, parent_run_id : str
        Who this is, and the run it is part of.
    cpu_share, memory_share : float
        Shares of the machine this run may use.
    gpus : sequence of str
        GPUs in its scope, by the part that their channels are of.
    claims_for : str, optional
        The run that the claims are of, where each of its processes announces its own.

    Raises
    ------
    SensorError
        If the folder or the file cannot be made.
    """

    name = "presence"

    def __init__(
        self,
        folder: str,
        *,
        run_id: str,
        parent_run_id: str | None,
        cpu_share: float,
        memory_share: float,
        gpus: Sequence[str] = (),
        claims_for: str | None = None,
    ) -> None:
        self._folder, self._run_id, self._gpus = folder, run_id, tuple(gpus)
        self._own = {
            "cpu": cpu_share,
            "memory": memory_share,
            "gpus": list(gpus),
            "parent": parent_run_id,
            "run": claims_for,
        }
        self._fd = self._announce()
        self._folder_fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        self._seen_mtime_ns, self._countdown = -1, 0
        self._values: tuple[float, ...] = ()
        self.channels = (
            _channel("node.cpu_shares", "shares", "cpu"),
            _channel("node.memory_shares", "shares", "memory"),
            *(_channel(f"claims.{gpu}", "claims", "gpu", gpu) for gpu in gpus),
        )

    def _announce(self) -> int:
        import fcntl

        try:
            if not os.path.isdir(self._folder):
                os.mkdir(self._folder)
                os.chmod(self._folder, 0o1777)
            path = os.path.join(self._folder, self._run_id)
            unfinished = os.path.join(self._folder, f".{self._run_id}-{os.getpid()}")
            fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(fd, 0o644)  # whatever the umask: other users' runs are to see it
            os.pwrite(fd, json.dumps(self._own).encode(), 0)
            os.rename(unfinished, path)  # locked before it can be seen
        except OSError as error:
            raise SensorError(
                f"cannot announce the run in {self._folder} ({error.strerror}); idle power is not "
                "split with other runs on this node"
            ) from error
        return fd

    def read(self) -> Sequence[Outcome]:
        """Return the sums; the folder is read again only when it changed, or now and then."""
        mtime_ns = os.fstat(self._folder_fd).st_mtime_ns
        self._countdown -= 1
        if mtime_ns != self._seen_mtime_ns or self._countdown < 0:
            self._seen_mtime_ns, self._countdown = mtime_ns, _RECHECK
            self._values = self._sums()
        return self._values

    def _sums(self) -> tuple[float, ...]:
        runs = self._living()
        roots = [run for run in runs.values() if run.get("parent") not in runs]
        cpu = sum(float(run["cpu"]) for run in roots)
        memory = sum(float(run["memory"]) for run in roots)
        claims = [
            float(len({_root(name, runs) for name, run in runs.items() if gpu in run["gpus"]}))
            for gpu in self._gpus
        ]
        return cpu, memory, *claims

    def _living(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {self._run_id: self._own}
        try:
            names = os.listdir(self._folder)
        except OSError:
            return found
        for name in names:
            if name != self._run_id and not name.startswith("."):
                run = _read_living(os.path.join(self._folder, name))
                if run is not None:
                    found[name] = run
        return found

    def close(self) -> None:
        """Withdraw the announcement."""
        try:
            os.unlink(os.path.join(self._folder, self._run_id))
        except OSError:
            pass  # removed by somebody tidying up: withdrawn all the same
        os.close(self._folder_fd)
        os.close(self._fd)


def _root(name: str, runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the outermost living run that an announcement is of."""
    seen: set[str] = set()  # what others write may be a circle
    while name not in seen and (parent := runs[name].get("parent")) in runs:
        seen.add(name)
        name = str(parent)
    return str(runs[name].get("run") or name)


def _read_living(path: str) -> dict[str, Any] | None:
    """Return another run's announcement, or None if its owner is dead; the file of a dead one is removed."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _decode(os.pread(fd, 65536, 0))
    except OSError:
        return None
    else:
        _remove(path)
        return None
    finally:
        os.close(fd)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # another user's: ignored, as its lock is free


def _decode(data: bytes) -> dict[str, Any] | None:
    try:
        run = json.loads(data)
        shares_ok = all(0.0 <= float(run[key]) <= 1.0 for key in ("cpu", "memory"))
        names_ok = all(isinstance(run.get(key), str | None) for key in ("parent", "run"))
        return run if shares_ok and names_ok and isinstance(run["gpus"], list) else None
    except (ValueError, KeyError, TypeError):
        return None


def _channel(name: str, quantity: str, component: Component, part: str = "") -> Channel:
    return Channel(
        name=name,
        sensor=PresenceSensor.name,
        component=component,
        quantity="shares" if quantity == "shares" else "claims",
        kind="gauge",
        device="node",
        method="runs announced on this node",
        part=part,
    )
