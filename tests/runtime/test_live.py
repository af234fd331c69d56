"""The energy of a run while it goes on: the same whether or not its segments were merged under the reader."""

from __future__ import annotations

import os
import struct

import pytest

from lowtide.accounting.booking import node_energy
from lowtide.model.hardware import Channel
from lowtide.runtime.live import LiveEnergy
from lowtide.stores.codec import to_plain, write_bytes
from lowtide.stores.journal import Row
from lowtide.stores.ledger import Ledger
from lowtide.stores.merging import merge_files
from lowtide.stores.records import read_record
from lowtide.stores.segments import encode_segment
from lowtide.testing.builders import START_NS, make_header

MINUTES = 6


def channels():
    """Return the CPU time of machine and run."""
    made = [Channel(name=name, sensor="cpu_time", component="cpu", quantity="cpu_time", kind="counter", scale=1e-9,
                    consumer=who, device="all CPUs")
            for name, who in (("cpu.busy", "machine"), ("run.cpu", "run"))]  # fmt: skip
    return [to_plain(channel) for channel in made]


def seal(folder, minute, step_ns=0):
    """Write the segment of one minute: the run's CPUs are busy for i % 7 tenths of each second."""
    rows = []
    for i in range(60 * minute, 60 * minute + 60):
        used_ns = sum(k % 7 for k in range(i)) * 10**8
        rows.append(Row(i + 1, i * 10**9, 0, START_NS + step_ns, struct.pack("<2q", 2 * used_ns, used_ns)))
    name = f"w1-{minute + 1:06d}.seg"
    write_bytes(os.path.join(folder, name), encode_segment(writer="w1", channels=channels(), rows=rows))
    return name


@pytest.mark.parametrize("merged_after", [None, 2, 3, 5])
def test_energy_so_far_is_that_of_the_whole_however_its_segments_were_merged(tmp_path, merged_after):
    ledger, header = Ledger(str(tmp_path)), make_header(journal_dir="")
    ledger.create(header)
    folder, live = ledger.segments_dir(header.run_id), LiveEnergy(ledger, header)
    names, found = [], None
    for minute in range(MINUTES):
        names.append(seal(folder, minute))
        if minute == merged_after:  # the last one has not been read yet
            merge_files(folder, names)
        found = live.update() or found
        assert live.update() is None
    whole = node_energy(read_record(ledger, header.run_id)).power
    assert found.energy_kwh == pytest.approx(whole.energy_kwh(), rel=1e-12)
    assert found.t_ns == whole.end_ns


def test_reader_that_comes_late_reads_what_was_merged(tmp_path):
    ledger, header = Ledger(str(tmp_path)), make_header(journal_dir="")
    ledger.create(header)
    folder = ledger.segments_dir(header.run_id)
    merge_files(folder, [seal(folder, minute) for minute in range(3)])
    seal(folder, 3)
    found = LiveEnergy(ledger, header).update()
    whole = node_energy(read_record(ledger, header.run_id)).power
    assert found.energy_kwh == pytest.approx(whole.energy_kwh(), rel=1e-12)


@pytest.mark.parametrize("step_s", [120, 5, -5, -120])
def test_step_of_the_wall_clock_changes_neither_energy_nor_duration(tmp_path, step_s):
    ledger, header = Ledger(str(tmp_path)), make_header(journal_dir="")
    ledger.create(header)
    folder, live = ledger.segments_dir(header.run_id), LiveEnergy(ledger, header)
    for minute in range(4):
        seal(folder, minute, step_ns=step_s * 10**9 if minute >= 2 else 0)
        found = live.update()
        assert found.duration_s == 60 * minute + 59
    whole = node_energy(read_record(ledger, header.run_id)).power
    assert found.energy_kwh == pytest.approx(whole.energy_kwh(), rel=1e-12)
    assert found.t_ns == whole.end_ns == START_NS + (239 + step_s) * 10**9
