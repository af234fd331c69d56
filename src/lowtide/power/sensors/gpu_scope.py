"""Which NVIDIA GPUs a run may use, from what CUDA, the container runtime, Slurm and the kernel say.

The first that says anything decides: ``CUDA_VISIBLE_DEVICES``, ``NVIDIA_VISIBLE_DEVICES``, ``SLURM_STEP_GPUS``,
``SLURM_JOB_GPUS``. Devices the control group keeps from the process are out of scope in any case.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Final, NamedTuple

__all__ = ["GpuScope", "gpus_in_scope", "gpus_of_host", "may_open_gpu", "visible_gpus"]

_CONTAINER: Final = "NVIDIA_VISIBLE_DEVICES"

MigParent = Callable[[str], int | None]
"""Returns the index of the board that holds the MIG device with this UUID."""


class GpuScope(NamedTuple):
    """Indices of the GPUs in scope, and who said so (empty: nobody, so all are)."""

    indices: tuple[int, ...]
    reason: str


def _no_mig(_: str) -> int | None:
    return None


def gpus_in_scope(
    environ: Mapping[str, str],
    uuids: Sequence[str],
    *,
    mig_parent: MigParent = _no_mig,
    may_open: Callable[[int], bool] = lambda _: True,
) -> GpuScope:
    """Return the GPUs a process with this environment may use.

    Parameters
    ----------
    environ : mapping of str to str
    uuids : sequence of str
        Of every GPU the driver shows, in its order.
    mig_parent : callable
        Looks up ``MIG-...`` UUIDs.
    may_open : callable
        Whether the control group lets the process open the GPU of an index.

    Examples
    --------
    >>> gpus_in_scope({"SLURM_STEP_GPUS": "1,3"}, ["GPU-a", "GPU-b", "GPU-c", "GPU-d"])
    GpuScope(indices=(1, 3), reason='SLURM_STEP_GPUS=1,3')
    """
    cuda = environ.get("CUDA_VISIBLE_DEVICES")
    if cuda is not None:
        chosen, reason = visible_gpus(cuda, uuids, mig_parent=mig_parent), f"CUDA_VISIBLE_DEVICES={cuda}"
    else:
        chosen, reason = _by_others(environ, uuids, mig_parent)
    allowed = tuple(i for i in chosen if may_open(i))
    if len(allowed) < len(chosen):
        reason = f"{reason}; the control group" if reason else "the control group"
    return GpuScope(allowed, reason)


def gpus_of_host(environ: Mapping[str, str], uuids: Sequence[str], *, with_mig: Container[int]) -> GpuScope:
    """Return the GPUs a process with this environment may use, among all of its host, as an exporter lists them.

    What ``CUDA_VISIBLE_DEVICES`` numbers is what the container or the batch system left; only where one of its numbers
    is beyond these are they the host's, as in a batch system that does not constrain devices. Where nothing tells
    which GPUs of the host those are, there are none, and the reason says so.

    Parameters
    ----------
    environ : mapping of str to str
    uuids : sequence of str
        Of every GPU of the host, in its order.
    with_mig : container of int
        Indices of the GPUs that are cut into MIG devices.

    Examples
    --------
    >>> gpus_of_host({"CUDA_VISIBLE_DEVICES": "0", "SLURM_STEP_GPUS": "1"}, ["GPU-a", "GPU-b"], with_mig=())
    GpuScope(indices=(1,), reason='SLURM_STEP_GPUS=1; CUDA_VISIBLE_DEVICES=0')
    """
    everything = range(len(uuids))
    own, said = _by_others(environ, uuids, lambda _: _only_mig(everything, with_mig))
    cuda = environ.get("CUDA_VISIBLE_DEVICES")
    numbers = [entry.strip() for entry in (cuda or "").split(",")]
    are_numbers = all(entry.isascii() and entry.isdigit() for entry in numbers)
    container = environ.get(_CONTAINER, "").strip()
    if not said and _entries(container) not in ([], ["void"], ["all"]) and (cuda is None or are_numbers):
        return GpuScope((), f"{_CONTAINER}={container} does not say which of the host's they are")
    if cuda is None:
        return GpuScope(tuple(own), said)
    if are_numbers and all(int(entry) < len(own) for entry in numbers):
        chosen = [own[int(entry)] for entry in numbers]
    else:
        named = visible_gpus(cuda, uuids, mig_parent=lambda _: _only_mig(own, with_mig))
        chosen = [i for i in named if i in own]
    return GpuScope(
        tuple(dict.fromkeys(chosen)), "; ".join(filter(None, (said, f"CUDA_VISIBLE_DEVICES={cuda}")))
    )


def _only_mig(candidates: Sequence[int], with_mig: Container[int]) -> int | None:
    """Return the board of a MIG device whose UUID nobody knows: where it can be one only."""
    boards = [i for i in candidates if i in with_mig] or candidates
    return boards[0] if len(boards) == 1 else None


def _by_others(
    environ: Mapping[str, str], uuids: Sequence[str], mig_parent: MigParent
) -> tuple[list[int], str]:
    """Return the GPUs that the container runtime or the batch system names; one that names none here is passed over.

    ``all`` and ``void`` name none, nor does the folder of mounted volumes by which Kubernetes may tell. The container
    then shows the process its own GPUs only.
    """
    if environ.get(_CONTAINER, "").strip() == "none":
        return [], f"{_CONTAINER}=none"
    for variable in (_CONTAINER, "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"):
        text = environ.get(variable, "").strip()
        chosen = _named(text, uuids, mig_parent)
        if chosen:
            return chosen, f"{variable}={text}"
    return list(range(len(uuids))), ""


def _named(text: str, uuids: Sequence[str], mig_parent: MigParent) -> list[int]:
    """Return the GPUs of a list whose numbers are the host's.

    A container runtime and a batch system that constrains devices show the process only its own GPUs, numbered
    from 0. Then there are as many as were named, and the host's numbers mean nothing here.
    """
    entries = _entries(text)
    if entries and all(entry.isdigit() for entry in entries) and len(set(entries)) >= len(uuids):
        return list(range(len(uuids)))
    found = [_gpu_index(entry, uuids, mig_parent) for entry in entries]
    return list(dict.fromkeys(i for i in found if i is not None))


def _entries(text: str) -> list[str]:
    """Return the items of ``0,2-3,GPU-..,0:1,nvidia.com/gpu=0``: ranges written out, boards for their MIG devices."""
    entries: list[str] = []
    for part in (part.strip().rpartition("=")[2] for part in text.split(",")):
        first, dash, last = part.partition("-")
        board, colon, _ = part.partition(":")
        if dash and first.isdigit() and last.isdigit() and int(last) - int(first) < 1024:
            entries.extend(str(i) for i in range(int(first), int(last) + 1))
        elif part:
            entries.append(board if colon and board.isdigit() else part)
    return entries


def visible_gpus(visible: str | None, uuids: Sequence[str], *, mig_parent: MigParent = _no_mig) -> list[int]:
    """Return the indices of the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves in scope.

    As CUDA reads it: unset means all; the list ends at the first entry that names nothing (``-1`` or
    an unknown device), so an empty value means none. A MIG device stands for its whole board.

    >>> visible_gpus("1,GPU-aa", ["GPU-aa11", "GPU-bb22"])
    [1, 0]
    """
    if visible is None:
        return list(range(len(uuids)))
    chosen: list[int] = []
    for entry in (part.strip() for part in visible.split(",")):
        index = _gpu_index(entry, uuids, mig_parent)
        if index is None:
            break
        if index not in chosen:
            chosen.append(index)
    return chosen


def _gpu_index(entry: str, uuids: Sequence[str], mig_parent: MigParent) -> int | None:
    if entry.isascii() and entry.isdigit():
        return int(entry) if int(entry) < len(uuids) else None
    if entry.startswith("MIG-GPU-"):  # as drivers before 470 name them: MIG-GPU-<board>/<instance>/<instance>
        entry = entry[len("MIG-") :].split("/")[0]
    elif entry.startswith("MIG-"):
        return mig_parent(entry)
    matches = [i for i, uuid in enumerate(uuids) if entry.startswith("GPU-") and uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def may_open_gpu(minor: int, *, dev: str = "/dev") -> bool:
    """Return whether the process may open a GPU's device file; where there is none, nothing forbids it.

    The kernel's answer holds for both versions of control groups, also where their rules cannot be read. The file has
    the driver's minor number, which is not the GPU's index: a job that was given GPU 3 alone sees it at index 0.
    """
    path = os.path.join(dev, f"nvidia{minor}")
    return not os.path.exists(path) or os.access(path, os.R_OK | os.W_OK)
