"""How ranks without torch agree at which step all of them pause: through files beside the pause file.

Rank zero proposes a step that lies ahead, each rank promises to stop there and wait, and what becomes of the proposal
is written once, by whoever is first.
"""

from __future__ import annotations

import os
import shutil
import time
import warnings
from typing import Final

from lowtide.runtime.gate_ranks import AGREE_EVERY_S

__all__ = ["FolderRanks"]

LOOK_EVERY_S: Final = 0.05
PATIENCE_S: Final = 5.0
"""A rank waits this long at the step of a proposal; then training goes on."""
REST_S: Final = 15.0
"""Least time between two proposals that came to nothing."""
SAVED_WITHIN_S: Final = 600.0


class FolderRanks:
    """Agreement through files beside the pause file, for ranks without torch.

    All are symbolic links, made in one go and only once, with their word as target::

        PAUSE_FILE.ranks/REQUEST.1            rank zero: all leave at this step
        PAUSE_FILE.ranks/REQUEST.1.ack-3      rank 3: I stop there and wait for the word
        PAUSE_FILE.ranks/REQUEST.1.word       "leave", by rank zero once all have promised, or "go on", by a rank that
                                              is past that step or has waited too long
        PAUSE_FILE.ranks/REQUEST.1.saved-3    rank 3 has saved

    ``REQUEST`` is the pause file's own identity, so what an earlier request left behind means nothing.

    Parameters
    ----------
    pause_file : str
        In a folder that all ranks see.
    rank, n_ranks : int
    patience_s : float, optional
    """

    def __init__(self, pause_file: str, *, rank: int, n_ranks: int, patience_s: float = PATIENCE_S) -> None:
        self._pause_file, self._rank, self._n_ranks = pause_file, rank, n_ranks
        self._patience_s = patience_s
        self._folder = f"{pause_file}.ranks"
        self._n, self._begun, self._next_look = 0, time.monotonic(), 0.0
        self._request, self._number = "", 0
        self._at: int | None = None  # the step of the proposal that waits for its word
        self._furthest, self._warned = 0, False
        if rank == 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            try:
                os.makedirs(self._folder, exist_ok=True)
            except OSError as error:
                self._cannot(str(error.strerror))

    @property
    def _name(self) -> str:
        return f"{self._request}.{self._number}"

    def should_pause(self) -> bool:
        """Return whether all ranks leave now."""
        self._n += 1
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY_S
            self._look()
        return self._at == self._n and self._settle()

    def _look(self) -> None:
        request = _identity(self._pause_file)
        if self._at is not None:
            if self._rank == 0 and request is None:
                self._write("word", "go on")  # withdrawn
            return
        if request is None:
            return
        if request != self._request and self._rank == 0:
            time.sleep(0.005)  # whoever makes the file may still be writing it, which changes its time
            request = _identity(self._pause_file) or request
        if request != self._request:
            self._request, self._number = request, 0
        self._number += 1
        if not (self._propose() if self._rank == 0 else self._promise()):
            self._number -= 1

    def _propose(self) -> bool:
        """Name a step that lies ahead of all ranks, as far as one can tell."""
        step_s = max((time.monotonic() - self._begun) / self._n, 1e-9)
        ahead = max(1, int(AGREE_EVERY_S / step_s)) << min(self._number - 1, 6)  # twice as far each time
        step = max(self._n, self._furthest) + ahead
        if not self._write("", str(step)):
            return False
        self._at = step
        return True

    def _promise(self) -> bool:
        """Promise to stop at the step of the next proposal, or say that it is too late for that."""
        target = self._read("")
        if target is None:
            return False
        if int(target) < self._n:
            self._write("word", f"go on {self._n}")
        elif self._write(f"ack-{self._rank}", str(self._n)):
            self._at = int(target)
        return True

    def _settle(self) -> bool:
        """Wait for the word on the proposal whose step this is."""
        gives_up = time.monotonic() + self._patience_s
        while (word := self._read("word")) is None:
            if self._rank == 0 and self._count("ack-") == self._n_ranks - 1:
                self._write("word", "leave")
            elif time.monotonic() >= gives_up:
                self._write("word", f"go on {self._n}")
                self._next_look = time.monotonic() + REST_S
            else:
                time.sleep(0.002)
        self._at = None
        if word != "leave" and self._rank == 0:
            self._not_now(word)
        return word == "leave"

    def _not_now(self, word: str) -> None:
        self._furthest = int(word.rpartition(" ")[2]) if word != "go on" else 0
        if self._number >= 3:
            self._cannot("they must do the same steps and all see that folder")

    def _cannot(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"lowtide: {self._n_ranks} ranks cannot agree on a step to pause at through {self._folder}: {why}",
                RuntimeWarning,
                stacklevel=5,
            )

    def wait_for_all(self) -> None:
        """Wait until every rank has saved."""
        self._write(f"saved-{self._rank}", "")
        gives_up = time.monotonic() + SAVED_WITHIN_S
        while self._count("saved-") < self._n_ranks and time.monotonic() < gives_up:
            time.sleep(0.01)

    def _path(self, part: str) -> str:
        return os.path.join(self._folder, f"{self._name}.{part}" if part else self._name)

    def _write(self, part: str, word: str) -> bool:
        """Return whether this rank's word is the one that stands now."""
        try:
            os.symlink(word or "yes", self._path(part))
        except OSError:
            return False  # somebody was first, or the folder is not there: nothing has been promised then
        return True

    def _read(self, part: str) -> str | None:
        try:
            return os.readlink(self._path(part))
        except OSError:
            return None

    def _count(self, kind: str) -> int:
        start = f"{self._name}.{kind}"
        try:
            return sum(name.startswith(start) for name in os.listdir(self._folder))
        except OSError:
            return 0


def _identity(pause_file: str) -> str | None:
    """Return what tells a request from every other one, None while there is none."""
    try:
        stat = os.stat(pause_file)
    except OSError:
        return None
    return f"{stat.st_mtime_ns:x}-{stat.st_ino:x}"
