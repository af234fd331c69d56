"""CPU time of process trees: nothing missed, nothing counted twice."""

import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from lowtide.power.tree import ProcessTree, _numbers_between, _parse_stat

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")

BURN = "import time\nend = time.process_time() + {s}\nwhile time.process_time() < end: pass\n"


def burner(seconds: float, then: str = "") -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-S", "-c", BURN.format(s=seconds) + then])


def test_command_names_with_spaces_and_parentheses_are_parsed():
    data = b"7 (a) b (c) R 1 2 " + b" ".join(str(i).encode() for i in range(6, 60))
    stat = _parse_stat(data)
    assert (stat.ppid, stat.pgrp) == (1, 2)


def test_cpu_time_of_a_child_is_seen_while_it_runs_and_after_it_was_waited_for():
    root = subprocess.Popen(
        [sys.executable, "-S", "-c",
         f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {BURN.format(s=0.3)!r}])\n"
         "sys.stdin.read()"],
        stdin=subprocess.PIPE,
    )  # fmt: skip
    tree = ProcessTree(root.pid)
    try:
        deadline = time.monotonic() + 20
        while (use := tree.use()).cpu_ns < 300_000_000 or use.n_processes > 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # 0.3 s burnt by the child, plus two interpreters' start of some 10 ms each
        assert 0.3e9 <= use.cpu_ns <= 0.6e9
        assert use.n_processes == 1
    finally:
        root.communicate()
        tree.close()


def test_short_lived_children_between_two_looks_are_counted():
    root = subprocess.Popen(
        [sys.executable, "-S", "-c",
         "import subprocess, sys\nsys.stdin.readline()\n"
         f"for _ in range(5): subprocess.run([sys.executable, '-S', '-c', {BURN.format(s=0.05)!r}])\n"
         "print('done', flush=True)\nsys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    tree = ProcessTree(root.pid)
    try:
        before = tree.use().cpu_ns
        root.stdin.write(b"go\n")
        root.stdin.flush()
        root.stdout.readline()  # all five have come and gone without being looked at
        assert tree.use().cpu_ns - before >= 0.25e9 - 20_000_000
    finally:
        root.communicate()
        tree.close()


def test_total_equals_what_the_kernel_reports_to_the_waiting_parent():
    tree = ProcessTree(os.getpid(), reaper=True)
    before = tree.use().cpu_ns
    child = burner(0.4, "import os\nif os.fork() == 0:\n    end = time.process_time() + 0.1\n"
                        "    while time.process_time() < end: pass\n    os._exit(0)\nos.wait()")  # fmt: skip
    usage_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    while child.poll() is None:
        tree.use()
        time.sleep(0.02)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    truth = usage.ru_utime + usage.ru_stime - usage_before.ru_utime - usage_before.ru_stime
    assert (tree.use().cpu_ns - before) / 1e9 == pytest.approx(truth, abs=0.03)
    tree.close()


def test_cpu_time_never_falls_when_members_die():
    tree = ProcessTree(os.getpid(), reaper=True)
    children = [burner(0.1) for _ in range(3)]
    seen = []
    while any(child.poll() is None for child in children):
        seen.append(tree.use().cpu_ns)
        time.sleep(0.01)
    seen.append(tree.use().cpu_ns)
    assert seen == sorted(seen)
    assert seen[-1] - seen[0] >= 0.25e9
    tree.close()


def test_orphan_outside_a_reaper_keeps_what_was_last_seen_of_it():
    child = burner(0.2, "time.sleep(60)")
    tree = ProcessTree(child.pid)
    while tree.use().cpu_ns < 0.2e9:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert tree.use().cpu_ns >= 0.2e9
    assert tree.use().n_processes == 0
    tree.close()


def test_a_child_in_a_session_of_its_own_belongs_to_the_tree():
    root = subprocess.Popen(
        [sys.executable, "-S", "-c",
         f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-S', '-c', {BURN.format(s=0.2)!r} "
         "+ 'time.sleep(60)'], start_new_session=True)\nsys.stdin.read()\np.kill()\np.wait()"],
        stdin=subprocess.PIPE,
    )  # fmt: skip
    tree = ProcessTree(root.pid)
    deadline = time.monotonic() + 20
    while tree.use().cpu_ns < 0.2e9 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert tree.use().n_processes == 2
    root.communicate()
    tree.close()


def test_excluded_children_do_not_count():
    child = burner(0.2, "time.sleep(60)")
    tree = ProcessTree(os.getpid(), reaper=True, exclude=(child.pid,))
    before = tree.use().cpu_ns
    time.sleep(0.4)
    assert tree.use().cpu_ns - before < 50_000_000
    assert tree.use().n_processes == 0
    child.kill()
    child.wait()
    tree.close()


def test_child_spared_later_counts_as_little_as_before_and_after_it_was_waited_for():
    child = burner(0.3, "time.sleep(60)")
    tree = ProcessTree(os.getpid(), reaper=True)
    try:
        before = tree.use().cpu_ns  # it is a member by now
        tree.spare(child.pid)
        assert tree.use().n_processes == 0
        time.sleep(0.5)
        assert tree.use().cpu_ns - before < 50_000_000
        child.kill()
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = -9
        tree.exclude_ns(round((usage.ru_utime + usage.ru_stime) * 1e9))
        other = burner(0.2)
        other.wait()
        assert tree.use().cpu_ns - before == pytest.approx(0.2e9, abs=0.08e9)  # only what came after
    finally:
        tree.close()


@pytest.mark.parametrize(
    ("before", "after", "numbers"),
    [
        (b"100", b"103", [101, 102, 103]),
        (b"103", b"100", None),  # the numbers have begun again
        (b"100", b"100000", None),  # too many to try
        (b"", b"100", None),  # the first look
    ],
)
def test_numbers_of_new_processes_are_those_in_between(before, after, numbers):
    found = _numbers_between(before, after)
    assert (None if found is None else list(found)) == numbers


def test_thread_of_a_member_is_no_member(tmp_path):
    code = (
        "import threading, sys\n"
        "sys.stdin.readline()\n"
        "threading.Thread(target=sys.stdin.readline).start()\n"
        "print('there', flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    tree = ProcessTree(child.pid)
    assert tree.use().n_processes == 1
    child.stdin.write("\n")
    child.stdin.flush()
    child.stdout.readline()
    assert tree.use().n_processes == 1
    assert tree.pids() == {child.pid}
    child.communicate("\n")
    tree.close()
