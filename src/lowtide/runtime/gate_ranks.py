"""How the ranks of a training agree at which step all of them pause.

A rank that leaves a step before the others leaves them in a collective that never ends, and checkpoints of two steps.
:class:`TorchRanks` agrees by an all-reduce at steps that all of them count alike;
:class:`~lowtide.runtime.gate_folder.FolderRanks` is for ranks without torch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

__all__ = ["AGREE_EVERY_S", "Ranks", "TorchRanks", "find_ranks", "rank_of"]

AGREE_EVERY_S: Final = 0.5
"""Ranks agree about this often: at most this long after the request, plus a step."""
MOST_STEPS: Final = 256
"""Most steps between two all-reduces, so that steps that grow long are noticed soon."""


class Ranks(Protocol):
    """Several processes that pause at the same step."""

    def should_pause(self) -> bool:
        """Return whether all ranks leave now; called once a step on each of them."""
        ...

    def wait_for_all(self) -> None:
        """Wait until every rank has saved: launchers kill the others when the first one leaves."""
        ...


def _torch_distributed() -> Any:
    """Return torch.distributed where this process has set it up for several ranks."""
    dist = sys.modules.get("torch.distributed")
    if dist is None or not dist.is_available() or not dist.is_initialized() or dist.get_world_size() < 2:
        return None
    return dist


def find_ranks(
    env: Mapping[str, str],
    asked: Callable[[], bool],
    *,
    watches: bool,
    pause_file: str | None,
    every: int | None,
) -> Ranks | None:
    """Return the ranks this process has to agree with, None where it is alone or none of them watches.

    Parameters
    ----------
    env : mapping
    asked : callable
        Whether this rank has been asked.
    watches : bool
        Whether it can be asked at all. With torch.distributed all ranks tell each other, as one that does not take
        part would stop the others for ever.
    pause_file : str or None
    every : int or None
        Steps between two all-reduces.
    """
    dist = _torch_distributed()
    if dist is not None:
        ranks = TorchRanks(dist, asked, every=every)
        return ranks if ranks.any_rank(watches) else None
    if pause_file is None:
        return None
    from lowtide.runtime.gate_folder import FolderRanks
    from lowtide.runtime.ranks import read_place

    place = read_place(env)
    return None if place is None else FolderRanks(pause_file, rank=place.rank, n_ranks=place.n_ranks)


def rank_of(env: Mapping[str, str]) -> int:
    """Return the rank of this process, 0 where it is alone."""
    dist = _torch_distributed()
    if dist is not None:
        return int(dist.get_rank())
    from lowtide.runtime.ranks import read_place

    place = read_place(env)
    return 0 if place is None else place.rank


class TorchRanks:
    """Agreement by an all-reduce, at steps that all ranks count alike.

    The all-reduce carries two numbers: whether a rank was asked, and in how many steps it wants to meet again, which is
    its own half second at the pace so far, and at most twice as many as before. The largest request and the smallest
    number are what all of them go by.

    Parameters
    ----------
    dist : module
        ``torch.distributed``.
    asked : callable
    every : int, optional
    """

    def __init__(self, dist: Any, asked: Callable[[], bool], *, every: int | None = None) -> None:
        self._dist, self._asked, self._every = dist, asked, every
        self._n, self._next, self._stride = 0, 1, 1
        self._met = time.monotonic()

    def any_rank(self, says: bool) -> bool:
        """Return whether any rank says so."""
        return bool(self._most([int(says)])[0])

    def should_pause(self) -> bool:
        """Return whether all ranks leave now."""
        self._n += 1
        if self._n < self._next:
            return False
        asked, fewest = self._most([int(self._asked()), -self._wanted()])
        self._stride = -fewest
        self._next = self._n + self._stride
        self._met = time.monotonic()
        return bool(asked)

    def _wanted(self) -> int:
        """Return how many steps this rank would do before the next meeting."""
        if self._every is not None:
            return self._every
        step_s = max((time.monotonic() - self._met) / self._stride, 1e-9)
        return max(1, min(int(AGREE_EVERY_S / step_s), 2 * self._stride, MOST_STEPS))

    def _most(self, numbers: list[int]) -> list[int]:
        """Return the largest of each number over all ranks."""
        torch = sys.modules["torch"]
        tensor = torch.tensor(numbers, dtype=torch.int32, device=self._device())
        self._dist.all_reduce(tensor, op=self._dist.ReduceOp.MAX)
        return [int(value) for value in tensor.tolist()]

    def _device(self) -> str:
        """Return where the backend takes tensors from."""
        backend = str(self._dist.get_backend()).lower()
        if "gloo" in backend or "mpi" in backend:
            return "cpu"
        return {"xccl": "xpu", "ccl": "xpu", "hccl": "npu"}.get(backend, "cuda")

    def wait_for_all(self) -> None:
        """Wait until every rank has come here."""
        self._dist.barrier()
