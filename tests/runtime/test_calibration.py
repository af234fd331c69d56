"""Calibration: a known machine is recovered through its counters and through its node meter."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest

from lowtide.doors import Outcome
from lowtide.errors import SensorError, StoreError
from lowtide.model.hardware import Channel
from lowtide.power.sensors.rapl import RaplSensor
from lowtide.runtime.calibrated import Calibration, calibrated, calibration_path, keep, read_kept
from lowtide.runtime.calibration import Stage, burn, calibrate, fit
from lowtide.runtime.diagnosis import calibrate_here
from lowtide.testing.builders import make_header
from lowtide.testing.fakes import FakeClock, make_powercap_tree, set_energy_uj

HEADER = make_header()  # 4 CPUs, 16 GB at 0.5 W/GB, rest a quarter
IDLE_W, FULL_W = 30.0, 110.0


class FakeMachine:
    """Draws 30 W idle and 110 W full, and 20 W of memory; shows it in RAPL's files."""

    def __init__(self, root):
        self.clock, self.busy = FakeClock(), 0
        self.package, self.dram = make_powercap_tree(root, core=False)
        self.cpu_s = self.package_j = self.dram_j = 0.0
        self.name, self.channels = "cpu_time", (
            Channel(name="cpu.busy", sensor="cpu_time", component="cpu", quantity="cpu_time", kind="counter",
                    scale=0.01, method="fake"),
        )  # fmt: skip

    @property
    def cpu_w(self):
        return IDLE_W + (FULL_W - IDLE_W) * self.busy / 4

    def wait(self, seconds):
        self.clock.advance(seconds)
        self.cpu_s += self.busy * seconds
        self.package_j += self.cpu_w * seconds
        self.dram_j += 20.0 * seconds
        set_energy_uj(self.package, round(self.package_j * 1e6))
        set_energy_uj(self.dram, round(self.dram_j * 1e6))

    @contextmanager
    def load(self, n_cpus):
        self.busy = n_cpus
        yield
        self.busy = 0

    def read(self) -> list[Outcome]:
        return [round(self.cpu_s * 100)]

    def close(self):
        pass


class FakeMeter:
    """The node: (processor + 8 W of memory) x 1.25."""

    name = "meter"
    channels = (Channel(name="meter.node", sensor="meter", component="node", quantity="power", kind="gauge",
                        part="node", low_fraction=0.95, high_fraction=1.05, method="fake node meter"),)  # fmt: skip

    def __init__(self, machine):
        self.machine = machine

    def read(self) -> list[Outcome]:
        return [(self.machine.cpu_w + 8.0) * 1.25]

    def close(self):
        pass


def run(machine, sensors):
    return calibrate(
        sensors, machine=HEADER.machine, memory=HEADER.memory_model, rest=HEADER.rest_model,
        clock=machine.clock, wait=machine.wait, load=machine.load,
    )  # fmt: skip


def test_counters_give_back_the_machine(tmp_path):
    machine = FakeMachine(str(tmp_path))
    rapl = RaplSensor(str(tmp_path))
    found = run(machine, [machine, rapl])
    rapl.close()
    assert (found.idle_w, found.full_w) == pytest.approx((IDLE_W, FULL_W), rel=1e-3)
    assert found.w_per_gb == pytest.approx(20.0 / 16.0, rel=1e-3)
    assert found.against == "RAPL energy counter of package-0"
    assert found.low_fraction <= 0.95
    assert found.made == "2026-01-01"


def test_node_meter_gives_back_the_machine_with_a_wider_range(tmp_path):
    machine = FakeMachine(str(tmp_path))
    found = run(machine, [machine, FakeMeter(machine)])
    assert (found.idle_w, found.full_w) == pytest.approx((IDLE_W, FULL_W), rel=1e-3)
    assert found.w_per_gb is None
    # meter 5 %, rest 0.25 that may be twice: 0.25 / 1.25 = 20 %, line 5 %: 21 %
    assert found.high_fraction == pytest.approx(1.2121, abs=1e-3)


def test_machine_without_a_meter_is_refused_before_any_load(tmp_path):
    machine = FakeMachine(str(tmp_path))
    with pytest.raises(SensorError, match="nothing to calibrate against"):
        run(machine, [machine])


def test_power_that_does_not_rise_is_refused():
    stages = [Stage(u, 50.0, 5.0, float("nan"), float("nan")) for u in (0.0, 0.5, 1.0)]
    with pytest.raises(SensorError, match="does not rise with the load"):
        fit(stages, machine=HEADER.machine, memory=HEADER.memory_model, rest=HEADER.rest_model, against="x",
            error=0.05, made="2026-01-01")  # fmt: skip


def test_line_that_does_not_fit_widens_the_range():
    powers = (30.0, 100.0, 110.0)  # bent: the line is 45 + 80 u... off by 20 W in the middle
    stages = [
        Stage(u, w, float("nan"), float("nan"), float("nan"))
        for u, w in zip((0.0, 0.5, 1.0), powers, strict=True)
    ]
    found = fit(stages, machine=HEADER.machine, memory=HEADER.memory_model, rest=HEADER.rest_model, against="x",
                error=0.0, made="2026-01-01")  # fmt: skip
    assert found.low_fraction == pytest.approx(
        1 - (0.25**2 + 0.05**2) ** 0.5, abs=0.02
    )  # 10 W of 40 W at idle


KEPT = Calibration(made="2026-01-02", against="RAPL", cpu_brand="Example CPU", n_logical_cpus=4, idle_w=1.0,
                   full_w=2.0, low_fraction=0.9, high_fraction=1.1, w_per_gb=0.3)  # fmt: skip


def test_what_was_kept_is_read_and_said_in_the_models(tmp_path, monkeypatch):
    monkeypatch.setenv("LOWTIDE_CALIBRATION", str(tmp_path / "deep" / "calibration.json"))
    assert read_kept() is None
    assert keep(KEPT) == calibration_path()
    assert read_kept() == KEPT
    cpu, memory = calibrated(HEADER.machine, HEADER.cpu_model, HEADER.memory_model)
    assert (cpu.idle_w, cpu.full_w, memory.w_per_gb) == (1.0, 2.0, 0.3)
    assert "calibrated on 2026-01-02 against RAPL" in cpu.method
    assert memory.source == "calibrated on 2026-01-02 against RAPL"


@pytest.mark.parametrize("place", ["file/calibration.json", "folder"])
def test_file_that_cannot_be_written_is_said_before_any_load(tmp_path, monkeypatch, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("LOWTIDE_CALIBRATION", str(tmp_path / place))
    monkeypatch.setattr("lowtide.runtime.calibration.calibrate", lambda *_, **__: pytest.fail("load"))
    with pytest.raises(StoreError, match=f"cannot keep a calibration in .*{place}.*LOWTIDE_CALIBRATION"):
        calibrate_here(seconds=3.0)
    with pytest.raises(StoreError, match=f"cannot keep a calibration in .*{place}"):
        keep(KEPT)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_another_machine_is_not_calibrated_by_it():
    other = replace(HEADER.machine, cpu_brand="Another CPU")
    assert calibrated(other, HEADER.cpu_model, HEADER.memory_model, found=KEPT) == (
        HEADER.cpu_model,
        HEADER.memory_model,
    )


def test_file_that_is_damaged_calibrates_nothing(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text("{}")
    assert read_kept(str(path)) is None


def test_load_ends_with_its_block():
    import psutil

    before = {p.pid for p in psutil.Process().children()}
    with burn(1):
        assert len({p.pid for p in psutil.Process().children()} - before) == 1
    assert {p.pid for p in psutil.Process().children()} <= before
