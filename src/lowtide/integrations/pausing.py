"""What pausing in all frameworks shares: checkpoints that are whole or not there, and random generators."""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
from typing import Any

from lowtide.runtime.gate import Gate, gate

__all__ = ["discard", "finish", "gate_or", "newest", "restore_rng", "rng_states", "unfinished"]


def gate_or(given: Gate | None) -> Gate:
    """Return a gate, made now if none is given."""
    return gate() if given is None else given


def newest(folder: str, kind: str, suffix: str = "") -> str | None:
    """Return the checkpoint of the highest step in a folder, None where there is none.

    Parameters
    ----------
    folder : str
    kind : str
        What is counted: ``step`` for ``step-420``.
    suffix : str, optional

    Examples
    --------
    >>> newest("no-such-folder", "step") is None
    True
    """
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [m for m in (re.fullmatch(rf"{kind}-(\d+){re.escape(suffix)}", name) for name in names) if m]
    return os.path.join(folder, max(found, key=lambda m: int(m[1]))[0]) if found else None


def unfinished(path: str) -> str:
    """Return where a checkpoint is written before it is whole; what an earlier attempt left there is removed."""
    _remove(f"{path}.tmp")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return f"{path}.tmp"


def finish(path: str, kind: str, suffix: str = "") -> None:
    """Give a checkpoint its name now that it is whole and on the disk, and remove older ones.

    Parameters
    ----------
    path : str
        Its name; it lies at ``path + ".tmp"``.
    kind, suffix : str
        As for :func:`newest`.
    """
    _sync(f"{path}.tmp")
    _remove(path)  # of the same step, by somebody who was killed after it
    os.replace(f"{path}.tmp", path)
    folder = os.path.dirname(path)
    _sync_one(folder)
    for name in os.listdir(folder):
        other = os.path.join(folder, name)
        if other != path and re.fullmatch(rf"{kind}-\d+{re.escape(suffix)}", name):
            _remove(other)


def discard(folder: str, kind: str, suffix: str = "") -> None:
    """Remove the checkpoint of a training that is done, at once: half of one is never taken for one."""
    kept = newest(folder, kind, suffix)
    if kept is not None:
        _remove(f"{kept}.tmp")
        os.replace(kept, f"{kept}.tmp")
        _remove(f"{kept}.tmp")


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _sync(path: str) -> None:
    """Wait until a file, or all files of a folder, are on the disk."""
    for folder, _, names in os.walk(path):
        for name in names:
            _sync_one(os.path.join(folder, name))
    _sync_one(path)


def _sync_one(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def rng_states() -> dict[str, Any]:
    """Return the global random generators of Python, numpy and torch, in types that ``torch.load`` takes as safe.

    Those of numpy and torch are there where this process uses them.

    >>> import random
    >>> before = rng_states()
    >>> drawn = random.random()
    >>> restore_rng(before)
    >>> random.random() == drawn
    True
    """
    states: dict[str, Any] = {"python": random.getstate()}
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        kind, keys, *rest = numpy.random.get_state()
        states["numpy"] = (kind, keys.tolist(), *rest)
    if torch is not None:
        states["torch"] = torch.get_rng_state()
        states["cuda"] = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return states


def restore_rng(states: dict[str, Any]) -> None:
    """Set the global random generators to what :func:`rng_states` has returned."""
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))
    if "numpy" in states:
        import numpy as np

        kind, words, *rest = states["numpy"]
        np.random.set_state((kind, np.array(words, dtype=np.uint32), *rest))
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in states:
        torch.set_rng_state(states["torch"].cpu())
        if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
