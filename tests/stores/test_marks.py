"""Marks: appended cheaply, read back whole, and never in the way."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from lowtide.errors import StoreError
from lowtide.stores import marks as module
from lowtide.stores.marks import MarkWriter, counts_of, keep_marks, parse_marks, read_marks


def test_marks_come_back_as_they_were_made(tmp_path):
    writer = MarkWriter(str(tmp_path / "marks"))
    writer.begin("train")
    writer.step()
    writer.step(2)
    writer.count("token", 512)
    writer.end("train")
    marks = read_marks(str(tmp_path / "marks"))
    assert [(m.name, m.begins) for m in marks.phases] == [("train", True), ("train", False)]
    assert marks.step_n.sum() == 3.0  # 1 + 2
    assert [(name, n) for name, _, n in marks.counts] == [("token", 512.0)]
    assert marks.phases[0].process == str(os.getpid())


def test_steps_in_quick_succession_share_a_line_and_none_is_lost(tmp_path):
    writer = MarkWriter(str(tmp_path / "marks"))
    for _ in range(1000):
        writer.step()
    writer.flush()
    marks = read_marks(str(tmp_path / "marks"))
    assert marks.step_n.sum() == 1000.0
    assert len(marks.step_n) <= 20  # 1000 steps take some milliseconds, a line comes every 50


def test_end_of_a_phase_writes_the_steps_done_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STEP_EVERY_NS", 10**15)
    writer = MarkWriter(str(tmp_path / "marks"))
    writer.step()  # the first line comes at once
    writer.begin("train")
    writer.step()
    writer.end("train")
    lines = (tmp_path / "marks").read_text().splitlines()
    assert [line[0] for line in lines] == ["s", "b", "s", "e"] or [line[0] for line in lines] == [
        "b",
        "s",
        "e",
    ]
    assert sum(float(line.split("\t")[2]) for line in lines if line[0] == "s") == 2.0


def test_names_with_tabs_and_line_ends_are_one_word_a_field(tmp_path):
    writer = MarkWriter(str(tmp_path / "marks"))
    writer.begin("a\tb\nc")
    assert read_marks(str(tmp_path / "marks")).phases[0].name == "a b c"


def test_kill_9_loses_no_phase_and_steps_of_the_last_moment_only(tmp_path):
    code = (
        "import os, signal, time\nfrom lowtide.stores.marks import MarkWriter\n"
        f"w = MarkWriter({str(tmp_path / 'marks')!r})\nw.begin('train')\n"
        "for _ in range(5):\n    time.sleep(0.06)\n    w.step()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    marks = read_marks(str(tmp_path / "marks"))
    assert marks.step_n.sum() == 5.0
    assert len(marks.phases) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_writes_its_own_marks_and_not_its_parent_s_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STEP_EVERY_NS", 10**15)
    writer = MarkWriter(str(tmp_path / "marks"))
    writer.begin("parent")
    writer.step()
    writer.step()  # one of the two waits in memory
    code = (
        "import os\nfrom lowtide.stores import marks\nmarks.STEP_EVERY_NS = 10**15\n"
        f"w = marks.MarkWriter({str(tmp_path / 'forked')!r})\nw.step(); w.step()\n"
        "pid = os.fork()\nw.begin('x')\nw.flush()\n"
        "os.waitpid(pid, 0) if pid else os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    forked = read_marks(str(tmp_path / "forked"))
    assert forked.step_n.sum() == 2.0
    assert len({m.process for m in forked.phases}) == 2


def test_threads_nest_their_phases_by_themselves(tmp_path):
    writer = MarkWriter(str(tmp_path / "marks"))
    writer.begin("main")
    thread = threading.Thread(target=lambda: (writer.begin("worker"), writer.end("worker")))
    thread.start()
    thread.join()
    writer.end("main")
    marks = read_marks(str(tmp_path / "marks"))
    assert len({mark.process for mark in marks.phases}) == 2


def test_file_that_cannot_be_written_is_a_problem_said_and_nothing_raised(tmp_path):
    writer = MarkWriter(str(tmp_path / "no" / "marks"))
    writer.step()
    writer.begin("train")
    assert "No such file" in writer.problem or "cannot write" in writer.problem


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_keeps_steps_for_later(tmp_path):
    path = tmp_path / "marks"
    path.symlink_to("/dev/full")
    writer = MarkWriter(str(path))
    writer.step(3)
    assert "No space left" in writer.problem
    path.unlink()
    other = MarkWriter(str(path))
    other._pending, writer._pending = writer._pending, 0.0
    assert other._pending == 3.0


def test_any_cut_of_the_file_gives_the_whole_lines_before_it():
    data = b"b\t1\t10\ttrain\ns\t20\t1\nc\t25\ttoken\t5\ne\t1\t30\ttrain\n"
    for cut in range(len(data) + 1):
        marks = parse_marks(data[:cut])
        whole = data[:cut].count(b"\n")
        assert len(marks.phases) + len(marks.step_n) + len(marks.counts) == whole


def test_counts_are_summed_from_marks_and_from_the_shell_s_file(tmp_path):
    (tmp_path / "counts").write_text("token\t5\nimage\t1.5\ntok")
    (tmp_path / "marks").write_text("c\t1\ttoken\t2\ns\t1\t9\n")
    assert counts_of(str(tmp_path)) == (("image", 1.5), ("token", 7.0))


def test_marks_are_kept_packed_and_damage_is_noticed(tmp_path):
    (tmp_path / "marks").write_bytes(b"s\t20\t1\n")
    keep_marks(str(tmp_path), str(tmp_path))
    kept = tmp_path / "marks.gz"
    assert read_marks(str(kept), offset_ns=5).step_t_ns.tolist() == [25]
    kept.write_bytes(kept.read_bytes()[:-3])
    with pytest.raises(StoreError, match="damaged"):
        read_marks(str(kept))
    assert read_marks(str(tmp_path / "none")) is None
