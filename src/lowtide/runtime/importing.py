"""Past jobs of Slurm's accounting made runs of the ledger: billed, shown and repriced like those recorded."""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lowtide.accounting.pue import touching
from lowtide.errors import LowtideError
from lowtide.estimation.power_models import cpu_power_model, memory_power_model, rest_model
from lowtide.executors.sacct import PastJob
from lowtide.model.energy import Boundary
from lowtide.model.hardware import Channel
from lowtide.model.machine import Machine
from lowtide.model.pue import PueSteps
from lowtide.model.record import RunEnd, RunHeader
from lowtide.runtime.billing import bill
from lowtide.runtime.importing_power import JobPower, job_powers
from lowtide.runtime.prepare import grid_choice
from lowtide.stores.codec import to_plain, write_bytes
from lowtide.stores.journal import Row
from lowtide.stores.segments import encode_segment

if TYPE_CHECKING:
    from lowtide.model.grid_choice import GridChoice
    from lowtide.runtime.config import Config
    from lowtide.stores.ledger import Ledger

__all__ = ["Imported", "import_jobs", "run_id_of"]

_OPEN: Final = frozenset(
    ("PENDING", "RUNNING", "SUSPENDED", "REQUEUE_HOLD", "REQUEUE_FED", "COMPLETING", "CONFIGURING", "RESIZING",
     "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SIGNALING")
)  # fmt: skip
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import.

    Attributes
    ----------
    run_ids : tuple of str
        Of the jobs that are new.
    n_known : int
        Jobs that were there already.
    n_metered, n_modelled : int
        Of the new ones.
    skipped : mapping of str to int
        Jobs left out, by reason.
    notes : tuple of str
    """

    run_ids: tuple[str, ...]
    n_known: int
    n_metered: int
    n_modelled: int
    skipped: dict[str, int]
    notes: tuple[str, ...]


def import_jobs(
    ledger: Ledger,
    jobs: Sequence[PastJob],
    config: Config,
    *,
    boundary: Boundary = "node",
    gpu: str | None = None,
    user: str | None = None,
    now_ns: int,
) -> Imported:
    """Make runs of past jobs that have ended; those made before are left as they are.

    Parameters
    ----------
    ledger : Ledger
    jobs : sequence of PastJob
        All users' jobs: who else was on a node decides a job's part of it.
    config : Config
        With zone, intensity and PUE of the place.
    boundary : Boundary
        What the cluster's meters contain.
    gpu : str, optional
        The model of accelerators whose type Slurm does not say.
    user : str, optional
        Whose jobs become runs; by default everybody's.
    now_ns : int

    Raises
    ------
    InputError
        If the zone, the intensity or the PUE cannot be.
    StoreError
        If the ledger cannot be written.
    """
    from lowtide.runtime.pue import pue_of

    choice = grid_choice(config)
    pue = pue_of(config.get("pue"), zone=choice.zone)
    powers = job_powers(jobs, boundary=boundary, gpu=gpu, now_ns=now_ns)
    skipped: Counter[str] = Counter()
    made: list[str] = []
    kinds: Counter[str] = Counter()
    known = 0
    for job in jobs:
        if user is not None and job.user != user:
            continue
        why = _why_not(job)
        power = powers.get(job.key)
        if why is None and isinstance(power, str):
            why = power
        if why is not None or not isinstance(power, JobPower):
            skipped[why or "nothing is known of its time"] += 1
            continue
        if _is_kept(ledger, run_id_of(job)):
            known += 1
            continue
        made.append(_keep(ledger, job, power, choice, pue if power.power.boundary == "node" else None))
        kinds[power.kind] += 1
    return Imported(
        run_ids=tuple(made),
        n_known=known,
        n_metered=kinds["counter"],
        n_modelled=kinds["modelled"],
        skipped=dict(skipped),
        notes=_notes(jobs, boundary, pue, kinds),
    )


def _notes(
    jobs: Sequence[PastJob], boundary: Boundary, pue: float | PueSteps | None, kinds: Counter[str]
) -> tuple[str, ...]:
    said = []
    if kinds["counter"] and len({job.user for job in jobs if job.user}) == 1:
        said.append(
            "only one user's jobs are in it: where others shared a node, their part is billed to these (ask as one who "
            "may see all jobs)"
        )
    if kinds["counter"] and boundary != "node" and pue is not None:
        said.append(
            f"the meters are at {boundary!r}, and PUE is of nodes: metered jobs are billed without it"
        )
    return tuple(said)


def _why_not(job: PastJob) -> str | None:
    """Return why a job makes no run, None where it does."""
    if job.state in _OPEN or job.end_ns is None:
        return f"not ended ({job.state.lower()})"
    if job.start_ns is None or not job.nodes:
        return "never started"
    if job.end_ns <= job.start_ns:
        return "ran for less than a second"
    return None


def run_id_of(job: PastJob) -> str:
    """Return the run's id: its start, and letters from cluster, number and start, the same at every import."""
    assert job.start_ns is not None
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(job.start_ns // 10**9))
    digest = hashlib.sha256(f"sacct/{job.key}".encode()).digest()
    return f"{stamp}.000Z-{''.join(_ALPHABET[byte % 32] for byte in digest[:6])}"


def _is_kept(ledger: Ledger, run_id: str) -> bool:
    """Return whether a job was imported to its end; one that was cut short is made again."""
    if not os.path.exists(os.path.join(ledger.run_dir(run_id), "run.json")):
        return False
    if ledger.end(run_id) is not None and ledger.last_entry(run_id) is not None:
        return True
    ledger.discard(run_id)
    return False


def _keep(
    ledger: Ledger, job: PastJob, found: JobPower, choice: GridChoice, pue: float | PueSteps | None
) -> str:
    header = _header(job, found, choice, pue)
    ledger.create(header)
    try:
        write_bytes(os.path.join(ledger.segments_dir(header.run_id), "log-000001.seg"), _segment(job, found))
        ledger.write_end(header.run_id, _end(job))
        bill(ledger, header.run_id)
    except LowtideError:
        ledger.discard(header.run_id)
        raise
    return header.run_id


def _end(job: PastJob) -> RunEnd:
    assert job.start_ns is not None
    assert job.end_ns is not None
    observed = job.state in ("COMPLETED", "FAILED") or job.exit_signal != 0
    # what Slurm ended (cancelled, timed out, requeued) has no status of its own
    killed = job.exit_signal or (None if observed else 15)
    return RunEnd(
        started_ns=job.start_ns,
        ended_ns=job.end_ns,
        exit_code=job.exit_code if observed and not killed else None,
        signal=killed,
        note=f"Slurm: {job.state}",
    )


def _name(job: PastJob) -> str:
    text = job.name.replace("/", "_").strip()
    return f"job {job.job_id}" if text in ("", "last") else text


def _header(job: PastJob, found: JobPower, choice: GridChoice, pue: float | PueSteps | None) -> RunHeader:
    from lowtide import __version__

    assert job.start_ns is not None
    machine = Machine(n_logical_cpus=max(1, job.cpus), memory_bytes=job.memory_bytes or None)
    tags = {
        "slurm_job": job.job_id,
        "slurm_cluster": job.cluster,
        "slurm_state": job.state,
        "user": job.user,
        "account": job.account,
        "partition": job.partition,
        "comment": job.comment,
    }
    return RunHeader(
        run_id=run_id_of(job),
        name=_name(job),
        command=("lowtide", "import", "sacct", job.key),
        tags=tuple((key, value) for key, value in tags.items() if value),
        host=",".join(job.nodes),
        boot_id="",
        created_ns=job.start_ns,
        interval_s=float(np.diff(found.power.edges_ns).max()) / 1e9,
        attribution="share",
        cpu_share=1.0,
        memory_share=1.0,
        machine=machine,
        cpu_model=cpu_power_model(machine),
        memory_model=memory_power_model(machine),
        rest_model=rest_model(),
        grid=choice,
        pue=touching(pue, found.power) if isinstance(pue, PueSteps) else pue,
        version=__version__,
    )


def _segment(job: PastJob, found: JobPower) -> bytes:
    """Return the job's power as a segment: one row an edge, with the mean power until the next."""
    channel = Channel(
        name="sacct",
        sensor="model" if found.kind == "modelled" else "sacct",
        component="node",
        quantity="power",
        kind="step",
        boundary=found.power.boundary,
        consumer="run",
        device=f"job {job.job_id} on {','.join(job.nodes)}",
        low_fraction=found.low_fraction,
        high_fraction=found.high_fraction,
        method=found.note,
    )
    values = [*found.power.power_w.tolist(), float("nan")]
    edges = found.power.edges_ns.tolist()
    rows = [
        Row(i + 1, t, 0, 0, struct.pack("<d", v)) for i, (t, v) in enumerate(zip(edges, values, strict=True))
    ]
    return encode_segment(writer="log", channels=[to_plain(channel)], rows=rows)
