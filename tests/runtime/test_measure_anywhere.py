"""Blocks in programs with handlers, children, many files and no standard output: measured, billed, and left alone."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowtide.stores.ledger import Ledger

AFTER = """\
import lowtide, os, signal, sys, time
path = sys.argv[1]
def note(word):
    with open(path, "a") as file: file.write(f"{word}\\n")
"""


def run(code: str, *arguments: str | Path, **how: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        text=True,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
        **how,  # type: ignore[call-overload]
    )
    return done


def billed(run_id: str = "last") -> dict[str, object]:
    """Return the bill of a run."""
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    entry = ledger.last_entry(ledger.find(run_id))
    assert entry is not None
    return entry


def begin_and_wait_for_the_bill(code: str, path: Path) -> subprocess.Popen[str]:
    """Start a program in a session of its own and wait until a child of it makes the bill."""
    program = subprocess.Popen([sys.executable, "-c", code, str(path)], start_new_session=True, text=True)
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    deadline = time.monotonic() + 20.0
    while not (path.exists() and children.read_text().split()):
        assert time.monotonic() < deadline, "no child made the bill"
        time.sleep(0.001)
    return program


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bills are made in a child on Linux alone")
def test_program_that_is_killed_while_it_is_billed_does_not_go_on_in_the_child(tmp_path: Path) -> None:
    code = AFTER + "with lowtide.measure(zone='DE'): note('left')\nnote('after')\n"
    program = begin_and_wait_for_the_bill(code, tmp_path / "said")
    program.kill()
    program.wait(timeout=10)
    time.sleep(1.5)  # longer than a bill takes
    assert (tmp_path / "said").read_text() == "left\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bills are made in a child on Linux alone")
@pytest.mark.parametrize("way", ["raises", "saves"])
def test_handlers_run_once_when_everybody_is_asked_to_end(tmp_path: Path, way: str) -> None:
    act = "sys.exit(3)" if way == "raises" else "note('saved')"
    code = AFTER + (
        f"def handler(*_):\n    {act}\n"
        "signal.signal(signal.SIGTERM, handler)\n"
        "try:\n    with lowtide.measure(zone='DE'): note('left')\n"
        "finally: note('cleaned up')\n"
    )
    program = begin_and_wait_for_the_bill(code, tmp_path / "said")
    os.killpg(program.pid, signal.SIGTERM)
    assert program.wait(timeout=20) == (3 if way == "raises" else 0)
    time.sleep(1.0)
    said = (tmp_path / "said").read_text().split("\n")
    assert said.count("cleaned up") == 1
    assert said.count("saved") == (way == "saves")


def test_block_in_a_program_with_thousands_of_open_files_is_billed() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1200:
        pytest.skip("this system lets a process open too few files")
    code = (
        "import lowtide, resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (1200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "files = [open('/dev/null') for _ in range(1100)]\n"
        "with lowtide.measure() as m: pass\n"
        "assert m.result is not None\n"
        "for file in files: file.close()\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "before",
    [
        "sys.stdout = None",
        "sys.stdout = type('Tee', (), {'write': lambda self, text: len(text)})()",
        "os.close(1)",
    ],
    ids=["none", "no flush", "closed"],
)
def test_block_of_a_program_without_a_whole_standard_output_is_billed(before: str) -> None:
    code = (
        f"import lowtide, os, sys\n{before}\nwith lowtide.measure() as m: pass\n"
        "sys.stderr.write(str(m.result is not None)); os._exit(0)\n"
    )
    assert run(code).stderr == "True"


def test_block_is_billed_in_the_program_where_no_child_can_be_made() -> None:
    code = (
        "import lowtide, os, errno\n"
        "def fork(): raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))\n"
        "with lowtide.measure() as m: os.fork = fork\n"
        "assert m.result is not None\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_child_of_the_program_that_leaves_the_block_does_not_end_it() -> None:
    code = (
        "import lowtide, os, sys, time\n"
        "with lowtide.measure(interval=0.1) as m:\n"
        "    child = os.fork()\n"
        "    if not child: sys.exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "    time.sleep(1.0)\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    end = ledger.end(ledger.find("last"))
    assert end is not None
    assert (end.ended_ns - end.started_ns) / 1e9 > 1.0
    assert billed()["gaps"] == []


def test_block_whose_end_cannot_be_noted_ends_all_the_same(tmp_path: Path) -> None:
    code = (
        "import lowtide, os, sys, time\n"
        "with lowtide.measure(interval=0.1) as m:\n"
        "    time.sleep(0.3)\n"
        "    os.mkdir(os.environ['LOWTIDE_JOURNAL'] + f'/{m.run_id}/end.json')\n"
        "assert m.result is not None\n"
        "time.sleep(1.5)\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    end = ledger.end(ledger.find("last"))
    assert end is not None
    assert (end.ended_ns - end.started_ns) / 1e9 < 1.3


def test_handler_that_speaks_of_progress_waits_for_nobody() -> None:
    code = (
        "import faulthandler, lowtide, signal, time\n"
        "faulthandler.dump_traceback_later(20, exit=True)\n"
        "def handler(*_):\n"
        "    with lowtide.phase('checkpoint'): lowtide.step(0.0)\n"
        "signal.signal(signal.SIGALRM, handler)\n"
        "with lowtide.measure() as m:\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)\n"
        "    until = time.monotonic() + 1.0\n"
        "    n = 0\n"
        "    while time.monotonic() < until:\n"
        "        lowtide.step(); n += 1\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.0)\n"
        "assert m.result.steps.n == n, (m.result.steps, n)\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_thread_speaks_to_the_block_it_has_entered() -> None:
    code = (
        "import lowtide, threading\n"
        "both, found = threading.Barrier(2), {}\n"
        "def work(name, n):\n"
        "    with lowtide.measure(name=name) as m:\n"
        "        both.wait()\n"
        "        for _ in range(n): lowtide.count('image')\n"
        "        both.wait()\n"
        "    found[name] = m.result\n"
        "threads = [threading.Thread(target=work, args=a) for a in (('a', 20), ('b', 5))]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")
    ledger = Ledger(os.environ["LOWTIDE_LEDGER"])
    ends = [ledger.end(ledger.find(name)) for name in ("a", "b")]
    assert [end and end.counts for end in ends] == [(("image", 20.0),), (("image", 5.0),)]
