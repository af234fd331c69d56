"""Who computes on a GPU: asked now and then, the run's own processes told from others."""

from __future__ import annotations

from lowtide.doors import Retry
from lowtide.power.sensors.gpu_users import GpuUsers, pids_are_the_hosts
from lowtide.testing.fakes import FakeNvml, FakeNvmlError


def users(sm_by_pid, members=(10, 11), **options):
    nvml = FakeNvml(["GPU-1"], sm_by_pid=sm_by_pid)
    return nvml, GpuUsers(nvml, nvml.nvmlDeviceGetHandleByIndex(0), lambda: members, **options)


def test_utilisation_is_split_into_the_run_s_and_the_others():
    _, looking = users({10: 30, 11: 20, 99: 40})
    assert looking.read() == (50.0, 40.0, 1.0)


def test_alone_on_the_gpu_nobody_s_utilisation_is_asked_for():
    nvml, looking = users({10: 30})
    nvml.nvmlDeviceGetProcessUtilization = None  # would fail
    assert looking.read() == (0.0, 0.0, 0.0)


def test_driver_is_asked_only_now_and_then():
    nvml, looking = users({10: 30, 99: 40}, look_every=3)
    seen = [looking.read()]
    nvml.sm_by_pid = {10: 30}
    seen += [looking.read() for _ in range(3)]
    assert [outcome[2] for outcome in seen] == [1.0, 1.0, 1.0, 0.0]


def test_no_samples_means_nobody_computed():
    nvml, looking = users({10: 30, 99: 40})

    def none(*_):
        raise FakeNvmlError(6)

    nvml.nvmlDeviceGetProcessUtilization = none
    assert looking.read() == (0.0, 0.0, 1.0)


def test_driver_that_fails_leaves_a_gap():
    nvml, looking = users({99: 40})

    def fail(*_):
        raise FakeNvmlError(999)

    nvml.nvmlDeviceGetComputeRunningProcesses = fail
    assert all(isinstance(outcome, Retry) for outcome in looking.read())


def test_pid_namespace_is_looked_up(tmp_path):
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[4026531836]")
    assert pids_are_the_hosts(str(tmp_path))
    (tmp_path / "self/ns/pid").unlink()
    (tmp_path / "self/ns/pid").symlink_to("pid:[4026532001]")
    assert not pids_are_the_hosts(str(tmp_path))
