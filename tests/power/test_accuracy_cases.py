"""Closed-form powers recovered by the real sensors: the cases on which other trackers were compared, as one table.

A case is within 0.5 % of the truth where there is a counter, and inside its stated range elsewhere. Run with ``-s``
to see the table.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sampled import Trace, constant, energy_of, sample, square_wave, window

from lowtide.accounting.attribution import attribute
from lowtide.accounting.bills import node_energy
from lowtide.errors import SensorError
from lowtide.power.sensors.nvml import NvmlSensor
from lowtide.power.sensors.presence import PresenceSensor
from lowtide.power.sensors.rapl import RaplSensor
from lowtide.testing.fake_nvml import A100, H100, P100, V100
from lowtide.testing.fakes import make_powercap_tree, set_energy_uj

COUNTER_ERROR = 0.005
TABLE: list[tuple[str, float, float, float, float]] = []


@pytest.fixture(scope="module", autouse=True)
def table():
    """Print all cases once they have run."""
    TABLE.clear()
    yield
    print(f"\n{'case':58}{'truth J':>11}{'error':>9}{'low':>8}{'high':>8}")
    for name, truth, energy, low, high in sorted(TABLE):
        shown = [f"{x / truth - 1:+.2%}" if truth else f"{x:g}" for x in (energy, low, high)]
        print(f"{name:58}{truth:11.1f}{shown[0]:>9}{shown[1]:>8}{shown[2]:>8}")


def check(name: str, truth: float, measured: tuple[float, float, float], *, counter: bool) -> None:
    """Put a case into the table and hold it to its bar."""
    energy, low, high = measured
    TABLE.append((name, truth, energy, low, high))
    assert low <= truth <= high, name
    if counter:
        assert abs(energy - truth) <= COUNTER_ERROR * truth, name


def ticks(seconds: float, *, begin_s: float = 2.0, interval_s: float = 1.0):
    """Return the instants of readings from `begin_s` on, the last at the end."""
    return begin_s + np.append(np.arange(0.0, seconds, interval_s), seconds)


def run_gpus(driver, boards, trace, t_s, *, environ=None, **options):
    fake = driver([replace(b, t_s=trace.t_s, power_w=trace.power_w) for b in boards])
    sensor = NvmlSensor(environ=environ or {}, **options)
    return sample([sensor], t_s, set_time=fake.at)


WAVES = {
    "8 GPUs, 7.3 s period, 30 % duty": (8, square_wave(7.3, 0.3)),
    "1 GPU, 10 s period, 20 % duty": (1, square_wave(10.0, 0.2)),
}


@pytest.mark.parametrize("board", [V100, A100, H100], ids=lambda b: b.name)
@pytest.mark.parametrize("wave", WAVES)
def test_square_wave_by_counter(driver, wave, board):
    n, trace = WAVES[wave]
    for begin_s in (2.0, 2.037, 4.611):
        t_s = ticks(60.0, begin_s=begin_s)
        truth = n * trace.joules(t_s[0], t_s[-1])
        measured = energy_of(run_gpus(driver, [board] * n, trace, t_s), "gpu")
        check(f"{wave}: {board.name}, counter, from {begin_s}", truth, measured, counter=True)


NO_COUNTER = {
    "pre-Volta": P100,
    "A100 without counter": replace(A100, counter_s=0.0),
    "H100 averaged field": replace(H100, counter_s=0.0),
    "H100 instantaneous field": replace(H100, counter_s=0.0, fields=2),
}


@pytest.mark.parametrize("gain", [0.96, 1.0, 1.04])
@pytest.mark.parametrize("board", NO_COUNTER)
@pytest.mark.parametrize("wave", WAVES)
def test_square_wave_without_a_counter_is_inside_its_range(driver, wave, board, gain):
    n, trace = WAVES[wave]
    t_s = ticks(60.0, begin_s=2.037)
    truth = n * trace.joules(t_s[0], t_s[-1])
    measured = energy_of(run_gpus(driver, [replace(NO_COUNTER[board], gain=gain)] * n, trace, t_s), "gpu")
    check(f"{wave}: {board}, gain {gain}", truth, measured, counter=False)


@pytest.mark.parametrize("n", [1, 2, 4, 8])
@pytest.mark.parametrize(
    "board", [P100, replace(A100, counter_s=0.0), A100], ids=["P100", "A100-power", "A100"]
)
def test_constant_load_is_exact_on_any_number_of_gpus(driver, board, n):
    t_s = ticks(60.0)
    measured = energy_of(run_gpus(driver, [board] * n, constant(300.0), t_s), "gpu")
    check(f"constant 300 W x {n}: {board.name}, {'counter' if board.counter_s else 'power'}", n * 300.0 * 60,
          measured, counter=True)  # fmt: skip


UUIDS = [f"GPU-{i:08x}-0000-0000-0000-000000000000" for i in range(8)]
SELECTIONS = {
    "CUDA_VISIBLE_DEVICES=2,3": ({"CUDA_VISIBLE_DEVICES": "2,3"}, 2),
    "CUDA_VISIBLE_DEVICES= (empty)": ({"CUDA_VISIBLE_DEVICES": ""}, 0),
    "CUDA_VISIBLE_DEVICES=-1": ({"CUDA_VISIBLE_DEVICES": "-1"}, 0),
    "CUDA_VISIBLE_DEVICES=GPU-uuid": ({"CUDA_VISIBLE_DEVICES": UUIDS[5]}, 1),
    "CUDA_VISIBLE_DEVICES=GPU-prefix": ({"CUDA_VISIBLE_DEVICES": "GPU-00000005"}, 1),
    "CUDA_VISIBLE_DEVICES=MIG-uuid": ({"CUDA_VISIBLE_DEVICES": "MIG-4"}, 1),
    "CUDA_VISIBLE_DEVICES=MIG-GPU-uuid/1/0": ({"CUDA_VISIBLE_DEVICES": f"MIG-{UUIDS[6]}/1/0"}, 1),
    "NVIDIA_VISIBLE_DEVICES=0,1,2": ({"NVIDIA_VISIBLE_DEVICES": "0,1,2"}, 3),
    "NVIDIA_VISIBLE_DEVICES=all": ({"NVIDIA_VISIBLE_DEVICES": "all"}, 8),
    "NVIDIA_VISIBLE_DEVICES=none": ({"NVIDIA_VISIBLE_DEVICES": "none"}, 0),
    "SLURM_STEP_GPUS=4-7": ({"SLURM_STEP_GPUS": "4-7", "SLURM_JOB_GPUS": "0-7"}, 4),
    "SLURM_JOB_GPUS=1": ({"SLURM_JOB_GPUS": "1"}, 1),
    "nothing said": ({}, 8),
}


@pytest.mark.parametrize("selection", SELECTIONS)
def test_gpu_selection(driver, selection):
    environ, n = SELECTIONS[selection]
    boards = [replace(A100, t_s=[0.0], power_w=[300.0], mig=f"MIG-{i}") for i in range(8)]
    fake = driver(boards)
    if n == 0:
        with pytest.raises(SensorError, match="no NVIDIA GPU in the run's scope"):
            NvmlSensor(environ=environ)
        check(f"selection: {selection}", 0.0, (0.0, 0.0, 0.0), counter=True)
        return
    record = sample([NvmlSensor(environ=environ)], ticks(5.0), set_time=fake.at)
    check(f"selection: {selection}", n * 300.0 * 5, energy_of(record, "gpu"), counter=True)


def run_rapl(root, folders_w, t_s, *, modulus_uj):
    """Return the record of RAPL whose domains draw constant powers {folder: W}."""
    sensor = RaplSensor(root)

    def set_time(t):
        for folder, watts in folders_w.items():
            set_energy_uj(folder, round(watts * t * 1e6) % modulus_uj)

    set_time(0.0)
    sensor.close()
    sensor = RaplSensor(root)
    return sample([sensor], t_s, set_time=set_time)


def rapl_joules(record):
    """Return (energy, low, high) of all RAPL channels [J], machine-wide."""
    from lowtide.accounting.rates import rates_of
    from lowtide.accounting.sources import choose_sources

    sources = choose_sources(record.readings.values())
    chosen = (*sources.cpu, *sources.memory)
    energy = sum(
        float(
            np.sum(
                rates_of(r, record.header.interval_s).values
                * np.diff(rates_of(r, record.header.interval_s).edges_ns)
            )
        )
        / 1e9
        for r in chosen
    )
    return energy, 0.95 * energy, 1.05 * energy


MODULUS = 262_143_328_850
RAPL = {  # options of the tree, watts of its domains, truth [W]
    "two sockets with DRAM": ({"packages": 2}, [100, 20, 10, 130, 20, 10], 250.0),
    "identical sockets": ({"packages": 2, "dram": False, "core": False}, [100, 100], 200.0),
    "one socket mirrored on two dies": ({"dies": 2, "dram": False, "core": False}, [100, 100], 100.0),
    "mirrored as mmio": ({"mirrored": True, "dram": False, "core": False}, [100, 100], 100.0),
    "psys beside": ({"psys": True, "dram": False, "core": False}, [100, 150], 100.0),
}


@pytest.mark.parametrize("case", RAPL)
def test_rapl(case, tmp_path):
    options, watts, truth_w = RAPL[case]
    folders = make_powercap_tree(str(tmp_path), **options)
    record = run_rapl(str(tmp_path), dict(zip(folders, watts, strict=True)), ticks(30.0), modulus_uj=MODULUS)
    check(f"RAPL: {case}", truth_w * 30, rapl_joules(record), counter=True)


def test_rapl_that_wraps_every_20_s(tmp_path):
    modulus_uj = 2_000_000_000  # 100 W for 20 s
    folders = make_powercap_tree(str(tmp_path), dram=False, core=False, max_energy_range_uj=modulus_uj)
    record = run_rapl(str(tmp_path), {folders[0]: 100.0}, ticks(30.0), modulus_uj=modulus_uj)
    check("RAPL: wraps every 20 s", 3000.0, rapl_joules(record), counter=True)


def test_two_dies_that_count_apart_are_summed(tmp_path):
    folders = make_powercap_tree(str(tmp_path), dies=2, dram=False, core=False)
    set_energy_uj(folders[1], 77_000_000)
    sensor = RaplSensor(str(tmp_path))
    assert [c.part for c in sensor.channels] == ["cpu/0-die-0", "cpu/0-die-1"]
    sensor.close()


@pytest.mark.parametrize("seconds", [15.0, 30.0, 60.0])
def test_run_that_ends_exactly_on_a_tick_counts_no_interval_twice(driver, seconds):
    trace = square_wave(7.3, 0.3)
    t_s = np.arange(2.0, 2.0 + seconds + 1.0)  # the last reading is on the tick: no other comes after it
    record = run_gpus(driver, [V100], trace, t_s)
    check(
        f"ends on a tick after {seconds:g} s",
        trace.joules(2.0, 2.0 + seconds),
        energy_of(record, "gpu"),
        counter=True,
    )
    doubled = window(record, 0, len(t_s) - 1)
    assert energy_of(doubled, "gpu") == energy_of(record, "gpu")


def test_two_ranks_bill_the_gpu_and_the_node_once(driver, tmp_path):
    """Two ranks on one GPU, each with a recorder of its own that reads it and announces its claim."""
    fake = driver([replace(A100, t_s=[0.0], power_w=[300.0])])
    options = {
        "parent_run_id": None,
        "cpu_share": 1.0,
        "memory_share": 1.0,
        "gpus": (f"gpu/nvidia/{UUIDS[0]}",),
    }
    t_s = ticks(30.0)
    ranks = [
        [NvmlSensor(environ={}), PresenceSensor(str(tmp_path / "node"), run_id=f"rank-{i}", **options)]
        for i in range(2)
    ]
    for sensors in ranks:
        assert [c.name for c in sensors[1].channels][-1] == f"claims.gpu/nvidia/{UUIDS[0]}"
    records = [sample(sensors, t_s, set_time=fake.at) for sensors in ranks[:1]]
    records.append(sample(ranks[1], t_s, set_time=fake.at))
    # the second is read after the first has ended: its claims are taken from the time when both were there
    shared = {n: r for n, r in records[0].readings.items() if n.startswith("claims")}
    records[1] = replace(records[1], readings={**records[1].readings, **shared})
    total = tuple(sum(x) for x in zip(*(energy_of(r, "gpu") for r in records), strict=True))
    check("two ranks on one GPU", 300.0 * 30, total, counter=True)
    assert all(part.power.energy_j() <= part.whole.energy_j() for r in records for part in attribute(r))
    assert all(node_energy(r).bill.total_kwh > 0 for r in records)


def test_trace_knows_its_energy():
    assert Trace([0.0, 10.0], [100.0, 700.0]).joules(5.0, 11.0) == 5 * 100 + 700  # by hand
