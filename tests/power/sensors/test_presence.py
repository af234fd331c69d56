"""Runs on one node see each other, and only the living ones."""

import os
import subprocess
import sys
import time

from lowtide.power.sensors.presence import PresenceSensor
from lowtide.testing.checks import check_sensor


def announce(folder, run_id, *, cpu=1.0, parent=None, gpus=(), claims_for=None):
    return PresenceSensor(
        str(folder), run_id=run_id, parent_run_id=parent, cpu_share=cpu, memory_share=cpu, gpus=gpus,
        claims_for=claims_for,
    )  # fmt: skip


def test_shares_of_all_living_runs_are_summed(tmp_path):
    first = announce(tmp_path, "a", cpu=0.5)
    assert list(first.read()) == [0.5, 0.5]
    second = announce(tmp_path, "b", cpu=1.0)
    assert list(first.read()) == [1.5, 1.5]
    second.close()
    assert list(first.read()) == [0.5, 0.5]
    first.close()


def test_a_run_inside_a_run_is_part_of_it(tmp_path):
    outer = announce(tmp_path, "outer", cpu=0.5)
    inner = announce(tmp_path, "inner", cpu=0.5, parent="outer")
    assert outer.read()[0] == 0.5
    assert inner.read()[0] == 0.5
    inner.close()
    outer.close()


def test_gpu_claims_are_counted(tmp_path):
    first = announce(tmp_path, "a", gpus=("GPU-1", "GPU-2"))
    second = announce(tmp_path, "b", gpus=("GPU-2",))
    assert list(first.read())[2:] == [1.0, 2.0]
    first.close()
    second.close()


def test_claims_of_the_ranks_of_a_run_and_of_runs_inside_it_count_once(tmp_path):
    of_run = {"cpu": 0.0, "claims_for": "run"}
    sensors = [
        announce(tmp_path, "run", cpu=0.5),
        announce(tmp_path, "run_ranks_0", gpus=("GPU-1",), **of_run),
        announce(tmp_path, "run_ranks_1", gpus=("GPU-1", "GPU-2"), **of_run),
        announce(tmp_path, "inner", gpus=("GPU-2",), parent="run"),
    ]
    other = announce(tmp_path, "other", cpu=0.25, gpus=("GPU-2",))
    assert list(sensors[1].read()) == [0.75, 0.75, 1.0]
    assert list(sensors[2].read()) == [0.75, 0.75, 1.0, 2.0]
    assert list(other.read()) == [0.75, 0.75, 2.0]
    assert [c.name for c in sensors[2].channels[2:]] == ["claims.GPU-1", "claims.GPU-2"]
    assert [c.part for c in sensors[2].channels[2:]] == ["GPU-1", "GPU-2"]
    for sensor in (*sensors, other):
        sensor.close()


def test_announcements_inside_one_another_in_a_circle_end(tmp_path):
    sensors = [announce(tmp_path, "a", parent="b", gpus=("G",)), announce(tmp_path, "b", parent="a")]
    assert list(sensors[0].read()) == [0.0, 0.0, 1.0]
    for sensor in sensors:
        sensor.close()


def test_a_dead_run_is_ignored_and_its_file_removed(tmp_path):
    code = (
        "from lowtide.power.sensors.presence import PresenceSensor\n"
        f"s = PresenceSensor({str(tmp_path)!r}, run_id='dead', parent_run_id=None, cpu_share=1.0, memory_share=1.0)\n"
        "print('up', flush=True)\nimport time\ntime.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    other.stdout.readline()
    mine = announce(tmp_path, "mine", cpu=0.25)
    assert mine.read()[0] == 1.25
    other.kill()
    other.communicate()
    for _ in range(12):  # it is looked for again within ten readings
        value = mine.read()[0]
    assert value == 0.25
    assert not os.path.exists(tmp_path / "dead")
    mine.close()


def test_files_that_are_no_announcements_are_ignored(tmp_path):
    (tmp_path / "junk").write_text("{not json")
    sensor = announce(tmp_path, "a", cpu=0.5)
    time.sleep(0.01)
    assert sensor.read()[0] == 0.5
    sensor.close()


def test_it_keeps_the_door_s_promises(tmp_path):
    check_sensor(lambda: announce(tmp_path, "a"))


def test_announcement_can_be_read_by_other_users_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        sensor = announce(tmp_path / "node", "a")
    finally:
        os.umask(before)
    assert os.stat(tmp_path / "node" / "a").st_mode & 0o777 == 0o644
    assert os.stat(tmp_path / "node").st_mode & 0o7777 == 0o1777
    sensor.close()
