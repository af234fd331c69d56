"""Keeping the bill of a power log in the ledger, as a run with the log as its readings.

It can then be shown, reported, repriced and verified like any other.
"""

from __future__ import annotations

import os
import struct
import time

import numpy as np

from lowtide.errors import LowtideError
from lowtide.estimation.power_models import cpu_power_model, memory_power_model, rest_model
from lowtide.model.grid_choice import GridChoice
from lowtide.model.hardware import Channel
from lowtide.model.machine import Machine
from lowtide.model.record import RunEnd, RunHeader
from lowtide.runtime.account import AccountResult
from lowtide.runtime.billing import bill
from lowtide.runtime.prepare import checked_name, new_run_id
from lowtide.stores.codec import to_plain, write_bytes
from lowtide.stores.journal import Row
from lowtide.stores.ledger import Ledger
from lowtide.stores.segments import encode_segment

__all__ = ["save_account"]


def save_account(ledger: Ledger, result: AccountResult, *, name: str, path: str, choice: GridChoice) -> str:
    """Keep a bill under a name; return the id of the run made of it.

    Parameters
    ----------
    ledger : Ledger
    result : AccountResult
    name : str
        What the run is called.
    path : str
        The log it came from, for the record.
    choice : GridChoice
        The intensity it was billed with.

    Raises
    ------
    InputError
        If the name cannot name a run.
    StoreError
        If the ledger cannot be written.
    """
    header = _header(result, name=checked_name(name), path=path, choice=choice)
    ledger.create(header)
    try:
        write_bytes(os.path.join(ledger.segments_dir(header.run_id), "log-000001.seg"), _segment(result))
        power = result.power
        ledger.write_end(header.run_id, RunEnd(started_ns=power.start_ns, ended_ns=power.end_ns, exit_code=0))
        bill(ledger, header.run_id)
    except LowtideError:
        ledger.discard(header.run_id)
        raise
    return header.run_id


def _header(result: AccountResult, *, name: str, path: str, choice: GridChoice) -> RunHeader:
    from lowtide import __version__

    machine = Machine()
    created_ns = time.time_ns()
    longest_s = float(np.diff(result.power.edges_ns).max()) / 1e9
    return RunHeader(
        run_id=new_run_id(created_ns),
        name=name,
        command=("lowtide", "account", path),
        host="",
        boot_id="",
        created_ns=created_ns,
        interval_s=longest_s,
        attribution="machine",
        cpu_share=1.0,
        memory_share=1.0,
        machine=machine,
        cpu_model=cpu_power_model(machine),
        memory_model=memory_power_model(machine),
        rest_model=rest_model(),
        grid=choice,
        pue=result.pue if result.pue_steps is None else result.pue_steps,
        version=__version__,
    )


def _segment(result: AccountResult) -> bytes:
    """Return the power series as a segment: one row an edge, with the mean power until the next."""
    component = next(iter(result.energy.method))
    channel = Channel(
        name="log",
        sensor="log",
        component="gpu" if component == "gpu" else "node",
        quantity="power",
        kind="step",
        boundary=result.power.boundary,
        consumer="run",
        device="power log",
        method=result.energy.method_notes[component],
        known_fraction=result.energy.known_time_fraction,
    )
    values = [*result.power.power_w.tolist(), float("nan")]
    edges = result.power.edges_ns.tolist()
    rows = [
        Row(i + 1, t, 0, 0, struct.pack("<d", v)) for i, (t, v) in enumerate(zip(edges, values, strict=True))
    ]
    return encode_segment(writer="log", channels=[to_plain(channel)], rows=rows)
