"""A run's power as CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from lowtide.errors import NothingRecordedError
from lowtide.model.record import Record
from lowtide.reporting.power_csv import power_csv
from lowtide.testing.builders import START_NS, make_header, make_record
from lowtide.units import NS_PER_S

T_NS = START_NS + np.array([0, 10, 20], dtype=np.int64) * NS_PER_S + 1_500


def rows(record: Record) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(power_csv(record))))


def test_every_step_is_a_row_with_its_components() -> None:
    record = make_record(t_ns=T_NS, machine_cpu_s=[0.0, 10.0, 30.0], run_cpu_s=[0.0, 10.0, 30.0])
    first, second = rows(record)
    # CPU: 40 W idle + 25 W for each busy CPU: 65 W, 90 W; memory 16 GB x 0.5 W = 8 W; rest a quarter on top
    assert first == {
        "start": "2026-03-01T00:00:00.000001Z", "end": "2026-03-01T00:00:10.000001Z", "power_w": "91.25",
        "boundary": "node", "cpu_w": "65.0", "memory_w": "8.0",
    }  # fmt: skip
    assert (second["start"], second["power_w"], second["cpu_w"]) == (first["end"], "122.5", "90.0")


def test_gpus_are_one_column_and_unknown_cells_are_empty() -> None:
    record = make_record(
        t_ns=T_NS,
        machine_cpu_s=[0.0, 0.0, 0.0],
        run_cpu_s=[0.0, 0.0, 0.0],
        gpu_j={"GPU-1": [0.0, 1000.0, 2000.0], "GPU-2": [0.0, np.nan, 4000.0]},
    )
    found = rows(record)
    assert [float(row["gpu_w"]) for row in found] == [
        300.0,
        300.0,
    ]  # 100 W and 200 W: the gap keeps its energy
    blank = make_record(
        make_header(), t_ns=T_NS, machine_cpu_s=[0.0, 1.0, 2.0], run_cpu_s=[0.0, np.nan, np.nan]
    )
    assert rows(blank)[0]["memory_w"] == "8.0"


def test_the_rows_hold_the_energy_of_the_bill() -> None:
    from lowtide.accounting.booking import node_energy
    from lowtide.quantities import parse_instant_ns

    record = make_record(t_ns=T_NS, machine_cpu_s=[0.0, 10.0, 30.0], run_cpu_s=[0.0, 5.0, 30.0])
    energy_j = sum(
        float(row["power_w"]) * (parse_instant_ns(row["end"]) - parse_instant_ns(row["start"])) / 1e9
        for row in rows(record)
    )
    assert energy_j == pytest.approx(node_energy(record).power.energy_j(), rel=1e-9)


def test_one_reading_is_no_power() -> None:
    header = make_header()
    unknown = make_header(memory_model=header.memory_model.__class__(
        w_per_gb=0.5, installed_gb=float("nan"), low_fraction=0.5, high_fraction=1.5, source="builder"))  # fmt: skip
    record = make_record(unknown, t_ns=T_NS[:1], machine_cpu_s=[0.0], run_cpu_s=[0.0])
    with pytest.raises(NothingRecordedError, match="fewer than two readings"):
        power_csv(record)
