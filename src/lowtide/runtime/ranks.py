"""Many processes of one launch as one run: which of them this is, and how they find one another.

There is no server. A launch is known by what its launcher puts in the environment; the first process to come
writes a claim with the run's id into the ledger (a link, which only one can make), the others read it. Then
each makes the folder of its rank, which only one can. A rank that is taken means that the launch is another
one with the same environment, or a second block of the same processes: then the next claim is looked at.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from lowtide.errors import LowtideError, StoreError
from lowtide.model.record import RankPlace, RunHeader
from lowtide.stores.codec import read_json, write_json
from lowtide.stores.ledger import Ledger, journal_root

__all__ = ["is_first", "join_launch", "node_folder", "rank_name", "read_place", "register", "run_of"]

_READ_WITHIN_S: Final = 5.0
_ENVIRONMENTS: Final = (
    ("torchrun", "RANK", "WORLD_SIZE"),
    ("mpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("mpi", "PMI_RANK", "PMI_SIZE"),
    ("slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
_LOCAL_SIZES: Final = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
_ALWAYS: Final = ("SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_STEP_ID", "PBS_JOBID", "LSB_JOBID")
_UNIQUE: Final = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "PMI_JOBID")


def read_place(env: Mapping[str, str]) -> RankPlace | None:
    """Return which rank of which launch this process is, None for a process of its own.

    Known are torchrun (and launchers that set ``RANK`` and ``WORLD_SIZE``), Open MPI, MPI with PMI, and steps of Slurm.
    ``LOWTIDE_LAUNCH`` names the launch where its environment does not tell it from others.

    >>> read_place({"RANK": "3", "WORLD_SIZE": "8", "TORCHELASTIC_RUN_ID": "a1"}).rank
    3
    """
    for launcher, rank_key, size_key in _ENVIRONMENTS:
        try:
            rank, size = int(env[rank_key]), int(env[size_key])
        except (KeyError, ValueError):
            continue
        if size > 1 and 0 <= rank < size and (launcher != "slurm" or "SLURM_STEP_ID" in env):
            key = "|".join((launcher, str(size), *_key(launcher, size, env)))
            cpus = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
            return RankPlace(
                key=key, launcher=launcher, rank=rank, n_ranks=size, attempt=_attempt(env), cpus=cpus
            )
    return None


def _key(launcher: str, size: int, env: Mapping[str, str]) -> list[str]:
    if env.get("LOWTIDE_LAUNCH"):
        return [env["LOWTIDE_LAUNCH"]]
    parts = [f"{name}={env[name]}" for name in (*_ALWAYS, *_UNIQUE) if name in env]
    run_id = env.get("TORCHELASTIC_RUN_ID", "none")
    if launcher == "torchrun":
        where = run_id if run_id != "none" else f"{env.get('MASTER_ADDR')}:{env.get('MASTER_PORT')}"
        parts.append(where)
    unique = run_id != "none" or any(name in env for name in (*_UNIQUE, "SLURM_STEP_ID"))
    if not unique and str(size) in (env.get(name) for name in _LOCAL_SIZES):
        parts.append(_parent())  # all ranks are children of one launcher on this node
    return parts


def _parent() -> str:
    """Return the parent process in a form that no other process ever has."""
    from lowtide.runtime.clock import boot_id

    pid = os.getppid()
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
        start = stat[stat.rindex(b")") + 2 :].split()[19].decode()
    except (OSError, ValueError, IndexError):
        start = ""
    return f"{socket.gethostname()}/{boot_id()}/{pid}/{start}"


def _attempt(env: Mapping[str, str]) -> int:
    for name in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"):
        if env.get(name, "").isdigit():
            return int(env[name])
    return 0


def rank_name(place: RankPlace) -> str:
    """Return the name of a rank's folder."""
    return f"r{place.rank:04d}-{place.attempt}"


def run_of(run_id: str) -> str:
    """Return the run that a rank belongs to; a run that is no rank is its own.

    >>> run_of("20260301T000000.000Z-abcdef/ranks/r0003-0")
    '20260301T000000.000Z-abcdef'
    """
    return run_id.partition("/")[0]


def is_first(header: RunHeader) -> bool:
    """Return whether this process speaks for the run: rank zero, or a process of its own."""
    return header.rank is None or header.rank.rank == 0


def join_launch(ledger: Ledger, header: RunHeader, place: RankPlace) -> RunHeader:
    """Return the header of this rank, its folder made in the ledger.

    Raises
    ------
    StoreError
        If the ledger cannot be written.
    """
    folder = os.path.join(ledger.path, "launches")
    try:
        os.makedirs(folder, exist_ok=True)
        for number in range(1, 100_000):
            claim = os.path.join(folder, f"{_digest(place.key)}-{number}.json")
            run_id = _claimed(ledger, claim, header, place)
            if os.path.exists(os.path.join(ledger.run_dir(run_id), "end.json")):
                continue
            rank_id = f"{run_id}/ranks/{rank_name(place)}"
            os.makedirs(os.path.dirname(ledger.run_dir(rank_id)), exist_ok=True)
            try:
                os.mkdir(ledger.run_dir(rank_id))
            except FileExistsError:
                continue
            return replace(header, run_id=rank_id, rank=place, n_ranks=place.n_ranks)
    except OSError as error:
        raise StoreError(f"cannot join the launch in {folder}: {error.strerror or error}") from error
    raise StoreError(f"{folder} holds 100 000 launches of one environment; set LOWTIDE_LAUNCH to a new name")


def register(ledger: Ledger, header: RunHeader, env: Mapping[str, str]) -> RunHeader:
    """Make the folder of a run, or of this process's rank of one, in the ledger; return its header.

    Raises
    ------
    StoreError
        If the ledger cannot be written.
    """
    place = read_place(env)
    if place is not None:
        header = join_launch(ledger, header, place)
    ledger.create(header)
    return header


def _digest(key: str) -> str:
    import hashlib

    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _claimed(ledger: Ledger, claim: str, header: RunHeader, place: RankPlace) -> str:
    """Return the run id in a claim, making it when this process is the first to come."""
    if not os.path.exists(claim):
        run_id = run_of(header.run_id)
        ledger.create(replace(header, run_id=run_id, rank=None, n_ranks=place.n_ranks, journal_dir=""))
        unfinished = f"{claim}.{run_id}"
        waits = os.path.join(os.path.dirname(claim), f"{run_id}.open")  # until the ranks have been joined
        write_json(waits, {})
        write_json(unfinished, {"run_id": run_id, "key": place.key})
        try:
            os.link(unfinished, claim)
        except FileExistsError:
            _withdraw(ledger, run_id, waits)  # another rank was first
        except OSError:  # a file system without links
            if not _made(claim, unfinished):
                _withdraw(ledger, run_id, waits)
        finally:
            os.unlink(unfinished)
    return _read_claim(claim)


def _withdraw(ledger: Ledger, run_id: str, waits: str) -> None:
    ledger.discard(run_id)
    os.unlink(waits)


def _made(claim: str, unfinished: str) -> bool:
    """Return whether this process could make the claim as a file of its own."""
    try:
        fd = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return False
    with open(unfinished, "rb") as file, os.fdopen(fd, "wb") as out:
        out.write(file.read())
    return True


def _read_claim(claim: str) -> str:
    """Return the run id of a claim that may still be on its way over a network disk."""
    deadline = time.monotonic() + _READ_WITHIN_S
    while True:
        try:
            return str(read_json(claim)["run_id"])
        except (LowtideError, KeyError, TypeError) as error:
            if time.monotonic() >= deadline:
                raise StoreError(f"cannot read {claim}: {error}") from error
            time.sleep(0.05)


def node_folder(place: RankPlace) -> str:
    """Return a folder on the node's own disk for the locks of a launch, made when missing.

    Raises
    ------
    StoreError
    """
    path = os.path.join(journal_root(), f"launch-{_digest(place.key)}-{socket.gethostname()}")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {path}: {error.strerror}") from error
    return path
