"""Scopes other than a process tree: control groups, and psutil where there is no /proc."""

import os

import pytest

from lowtide.errors import SensorError
from lowtide.power.scope import CgroupScope, PsutilScope, own_cgroup


def make(root, files):
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(root)


def test_version_2_group_is_found_and_read(tmp_path):
    root = make(tmp_path, {"proc/self/cgroup": "0::/job.scope\n",
                           "sys/fs/cgroup/job.scope/cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
                           "sys/fs/cgroup/job.scope/memory.current": "4096\n"})  # fmt: skip
    scope = CgroupScope(str(own_cgroup(root)))
    assert scope.use()[:2] == (1_500_000_000, 4096)
    scope.close()


def test_version_1_group_is_found_by_its_controllers(tmp_path):
    root = make(tmp_path, {"proc/self/cgroup": "4:memory:/x\n2:cpu,cpuacct:/job\n",
                           "sys/fs/cgroup/cpu,cpuacct/job/cpuacct.usage": "7000000000\n"})  # fmt: skip
    scope = CgroupScope(str(own_cgroup(root)))
    assert scope.use()[:2] == (7_000_000_000, 0)
    scope.close()


def test_no_group_is_none_and_one_without_cpu_time_is_an_error(tmp_path):
    assert own_cgroup(make(tmp_path, {"proc/self/cgroup": "0::/gone\n"})) is None
    with pytest.raises(SensorError, match="shows no CPU time"):
        CgroupScope(str(tmp_path))


@pytest.mark.skipif(own_cgroup() is None, reason="no control group with CPU time here")
def test_this_process_s_own_group_counts_up():
    scope = CgroupScope(str(own_cgroup()))
    before = scope.use().cpu_ns
    sum(range(3_000_000))
    assert scope.use().cpu_ns >= before
    scope.close()


def test_psutil_sees_this_process_s_time_and_memory():
    scope = PsutilScope(os.getpid())
    before = scope.use()
    sum(range(5_000_000))
    after = scope.use()
    assert after.cpu_ns >= before.cpu_ns
    assert after.rss_bytes > 0
    scope.close()


def test_group_names_its_processes(tmp_path):
    make(tmp_path, {"cpu.stat": "usage_usec 1\n", "cgroup.procs": "12\n7\n"})
    scope = CgroupScope(str(tmp_path))
    assert scope.pids() == {7, 12}
    (tmp_path / "cgroup.procs").unlink()
    assert scope.pids() == frozenset()
    scope.close()


def test_psutil_names_this_process():
    assert os.getpid() in PsutilScope(os.getpid()).pids()
