"""Freezing real processes: all of them, again, after a kill, and nobody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lowtide.errors import ExecutorError
from lowtide.executors.freezing import CgroupFreezer, TreeFreezer, is_frozen, make_group, remove_group, thaw

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="freezing reads /proc")

COUNT = (
    "import time,sys\nn=0\nwhile True:\n  n+=1\n  open(sys.argv[1],'w').write(str(n))\n  time.sleep(.002)\n"
)
FAMILY = f"""
import subprocess, sys, os
count = {COUNT!r}
folder = sys.argv[1]
for i in range(3):  # in sessions of their own, as torchrun starts its workers
    subprocess.Popen([sys.executable, "-c", count, folder + "/w" + str(i)], start_new_session=True)
sys.argv[1] = folder + "/root"
exec(count)
"""
"""A job of four processes, each writing a number that grows."""


class Job:
    """A job whose processes count into files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen([sys.executable, "-c", FAMILY, str(folder)], start_new_session=True)
        wait_until(lambda: all(self.counted()[name] > 0 for name in ("root", "w0", "w1", "w2")))

    @property
    def pid(self) -> int:
        return self.process.pid

    def counted(self) -> dict[str, int]:
        return {n: int(self._text(n) or 0) for n in ("root", "w0", "w1", "w2")}

    def _text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def stands_still(self) -> bool:
        before = self._stable()
        time.sleep(0.08)
        return before == self._stable()

    def _stable(self) -> list[tuple[str, float]]:
        return [(n, (self.folder / n).stat().st_mtime_ns) for n in ("root", "w0", "w1", "w2")]

    def all_move(self) -> bool:
        before = self._stable()
        wait_until(lambda: all(a != b for a, b in zip(before, self._stable(), strict=True)))
        return True

    def kill(self) -> None:
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in [*map(int, children), self.pid]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def wait_until(true: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    folder = tmp_path / "counts"
    folder.mkdir()
    one = Job(folder)
    yield one
    one.kill()


def test_tree_stops_and_goes_on_sessions_of_their_own_included(job: Job, tmp_path: Path) -> None:
    freezer = TreeFreezer(job.pid, str(tmp_path / "frozen"))
    for _ in range(3):
        assert freezer.freeze() == 4
        assert job.stands_still()
        assert is_frozen(str(tmp_path / "frozen"))
        assert freezer.thaw() == 4
        assert not is_frozen(str(tmp_path / "frozen"))
        assert job.all_move()


def test_anybody_with_the_file_thaws_once(job: Job, tmp_path: Path) -> None:
    journal = str(tmp_path / "frozen")
    TreeFreezer(job.pid, journal).freeze()
    assert thaw(journal) == 4
    assert thaw(journal) == 0
    assert job.all_move()


def test_freezing_twice_is_thawed_once(job: Job, tmp_path: Path) -> None:
    freezer = TreeFreezer(job.pid, str(tmp_path / "frozen"))
    assert (freezer.freeze(), freezer.freeze()) == (4, 0)
    assert job.stands_still()
    assert freezer.thaw() == 4
    assert job.all_move()


def test_process_its_user_stopped_stays_stopped(job: Job, tmp_path: Path) -> None:
    child = int(
        subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(job.pid)], capture_output=True, text=True, check=True
        ).stdout.split()[0]
    )
    os.kill(child, signal.SIGSTOP)
    wait_until(lambda: b") T " in Path(f"/proc/{child}/stat").read_bytes())
    freezer = TreeFreezer(job.pid, str(tmp_path / "frozen"))
    assert freezer.freeze() == 3
    freezer.thaw()
    time.sleep(0.05)
    assert b") T " in Path(f"/proc/{child}/stat").read_bytes()
    os.kill(child, signal.SIGCONT)


def test_freezer_killed_between_any_two_stops_leaves_a_file_that_thaws_all(job: Job, tmp_path: Path) -> None:
    journal = tmp_path / "frozen"
    program = (
        "import os,signal,sys\nfrom lowtide.executors import freezing\n"
        "left=[int(sys.argv[3])]\nsend=os.kill\n"
        "def kill(pid, n):\n"
        "    if not left[0]: send(os.getpid(), signal.SIGKILL)\n"
        "    left[0]-=1; send(pid, n)\n"
        "freezing.os.kill=kill\n"
        "freezing.TreeFreezer(int(sys.argv[1]), sys.argv[2]).freeze()\n"
    )
    for n in range(4):
        done = subprocess.run(
            [sys.executable, "-c", program, str(job.pid), str(journal), str(n)], check=False, timeout=60
        )
        assert done.returncode == -signal.SIGKILL
        assert journal.exists()
        thaw(str(journal))
        assert job.all_move()


def test_half_a_line_and_another_boot_continue_nobody(job: Job, tmp_path: Path) -> None:
    journal = tmp_path / "frozen"
    freezer = TreeFreezer(job.pid, str(journal))
    freezer.freeze()
    listed = journal.read_text()
    journal.write_text("tree another-boot\n" + listed.split("\n", 1)[1])
    assert thaw(str(journal)) == 0  # pids of a former boot are not ours
    journal.write_text(
        listed.rstrip("\n")
    )  # the last line torn: its process had not been stopped when written
    assert thaw(str(journal)) == 3
    journal.write_text(listed)
    assert thaw(str(journal)) == 4


def test_taken_over_number_is_left_alone(job: Job, tmp_path: Path) -> None:
    journal = tmp_path / "frozen"
    freezer = TreeFreezer(job.pid, str(journal))
    freezer.freeze()
    first, *rest = journal.read_text().splitlines()
    older = [f"{line.split()[0]} {int(line.split()[1]) - 1}" for line in rest]
    text = journal.read_text()
    journal.write_text("\n".join([first, *older]) + "\n")
    assert thaw(str(journal)) == 0
    journal.write_text(text)
    assert thaw(str(journal)) == 4


def test_file_that_cannot_be_written_leaves_the_job_running(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"cannot be written .*; the job runs on"):
        TreeFreezer(job.pid, str(tmp_path / "none" / "frozen")).freeze()
    assert job.all_move()


def test_job_that_has_ended_is_nobody(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    freezer = TreeFreezer(ended.pid, str(tmp_path / "frozen"))
    assert (freezer.freeze(), freezer.thaw()) == (0, 0)


def test_adopter_s_other_children_belong_to_the_job_but_the_spared(tmp_path: Path) -> None:
    naps = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    try:
        freezer = TreeFreezer(naps[0].pid, str(tmp_path / "frozen"), adopter=os.getpid(), spare=[naps[1].pid])
        assert freezer.freeze() == 2
        assert [b") T " in Path(f"/proc/{p.pid}/stat").read_bytes() for p in naps] == [True, False, True]
        assert freezer.thaw() == 2
    finally:
        for nap in naps:
            nap.kill()
            nap.wait()


@pytest.fixture(params=["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer"])
def group(request: pytest.FixtureRequest) -> Iterator[str]:
    folder = f"{request.param}/lowtide-test-{os.getpid()}"
    try:
        os.mkdir(folder)
    except OSError as error:
        pytest.skip(f"no control group may be made under {request.param} ({error.strerror})")
    if not any(os.access(f"{folder}/{name}", os.W_OK) for name in ("cgroup.freeze", "freezer.state")):
        os.rmdir(folder)
        pytest.skip(f"{request.param} has no freezer")
    yield folder
    for _ in range(100):
        try:
            os.rmdir(folder)
        except OSError:
            time.sleep(0.02)  # its last process is not gone yet
        else:
            return


def test_group_stops_and_goes_on(group: str, job: Job, tmp_path: Path) -> None:
    pids = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(job.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    for pid in [str(job.pid), *pids]:
        Path(f"{group}/cgroup.procs").write_text(pid)
    freezer = CgroupFreezer(group, str(tmp_path / "frozen"))
    started = time.monotonic()
    assert freezer.freeze() == 4
    assert time.monotonic() - started < 2.0
    assert job.stands_still()
    assert thaw(str(tmp_path / "frozen")) == 4  # by anybody with the file
    assert job.all_move()
    assert freezer.thaw() == 0


def test_group_without_a_freezer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="has no freezer that may be written; ask for delegation"):
        CgroupFreezer(str(tmp_path), str(tmp_path / "frozen"))


def test_group_of_its_own_is_made_below_ours_used_and_removed(tmp_path: Path) -> None:
    name = f"lowtide-test-own-{os.getpid()}"
    folder = make_group(name)
    if folder is None:
        pytest.skip("no control group may be made here")
    assert folder.endswith(f"/{name}")
    assert make_group(name) == folder  # left by one that was killed
    nap = subprocess.Popen(["sleep", "60"])
    try:
        Path(f"{folder}/cgroup.procs").write_text(str(nap.pid))
        freezer = CgroupFreezer(folder, str(tmp_path / "frozen"))
        assert (freezer.freeze(), freezer.thaw()) == (1, 1)
        remove_group(folder)
        assert Path(folder).exists()  # somebody is in it
    finally:
        nap.kill()
        nap.wait()
    wait_until(lambda: remove_group(folder) is None and not Path(folder).exists())


def test_where_no_group_may_be_made_there_is_none(tmp_path: Path) -> None:
    assert make_group("mine", root=str(tmp_path)) is None  # no proc
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job\n")
    assert make_group("mine", root=str(tmp_path)) is None  # no such hierarchy
    (tmp_path / "sys/fs/cgroup/job").mkdir(parents=True)
    assert make_group("mine", root=str(tmp_path)) is None  # a folder without a freezer, taken away again
    assert not (tmp_path / "sys/fs/cgroup/job/mine").exists()
