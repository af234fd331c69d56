"""The script around a job script, run by the shells that run it: statuses, signals, what is asked of lowtide."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowtide.executors.batch_wrapper import GONE, wrapped
from lowtide.runtime.submitting_goes import Goes
from lowtide.stores.ledger import Ledger

SHELLS = [name for name in ("/bin/sh", "/bin/bash") if os.path.exists(name)]
FAKE = """\
#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in *--look*) {look} ;; *--leave*) exit {said} ;; esac
"""


class Case:
    """A wrapped script, a lowtide and a scontrol that note what they are asked, and a shell to run it."""

    def __init__(
        self, folder: Path, body: str, *, said: int = 0, look: str = "exit 0", head: str = "#!/bin/sh\n"
    ) -> None:
        self.folder = folder
        for name, text in (
            ("python", FAKE),
            ("scontrol", '#!/bin/sh\necho "scontrol $*" >> {folder}/calls\n'),
        ):
            path = folder / name
            path.write_text(text.format(folder=folder, said=said, look=look))
            path.chmod(0o755)
        text = wrapped(
            f"{head}#SBATCH --time=5\n{body}", path="job.sh", folder=str(folder / "submissions"), ledger="/l",
            python=str(folder / "python"),
        )  # fmt: skip
        (folder / "wrapped").write_text(text)

    def begin(self, shell: str = "/bin/sh", *arguments: str, **env: str) -> subprocess.Popen[str]:
        own = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "7",
            "TMPDIR": str(self.folder),
            **env,
        }
        return subprocess.Popen(
            [shell, str(self.folder / "wrapped"), *arguments], env=own, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, shell: str = "/bin/sh", *arguments: str, **env: str) -> tuple[int, str, str]:
        found = self.begin(shell, *arguments, **env)
        out, err = found.communicate(timeout=30)
        return found.returncode, out, err

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def left(self) -> list[str]:
        return [line.partition("--job ")[2] for line in self.calls() if "--leave" in line]

    def goes(self, label: str = "7") -> list[dict[str, object]]:
        lines = (self.folder / "submissions" / label / "goes.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if line]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("status", [0, 4, 127])
def test_job_runs_as_it_would_have_with_its_arguments_and_its_status(
    tmp_path: Path, shell: str, status: int
) -> None:
    case = Case(tmp_path, f'echo "$#:$1:$2:$LOWTIDE_RESUME:$LOWTIDE_PAUSE_FILE"\nexit {status}\n')
    code, out, err = case.run(shell, "a b", "c")
    assert (code, out) == (status, f"2:a b:c::{tmp_path}/submissions/7/pause\n"), err
    assert case.left() == []
    began, left = case.goes()
    assert (began["act"], began["go"], began["job"]) == ("began", 0, 7)
    assert (left["act"], left["status"], left["asked"], left["watched"]) == ("left", status, 0, 0)
    assert not list(tmp_path.glob("lowtide-job-*"))


def test_slurm_s_own_lines_are_kept_for_sbatch_and_the_script_is_unchanged(tmp_path: Path) -> None:
    script = "#!/bin/bash\n# note\n#SBATCH --time=5 --job-name='a b'\n#LOWTIDE --slack 4h\ncat <<'EOF'\n@RUN@ $x\nEOF\n"
    text = wrapped(script, path="x", folder="/s", ledger="/l", python="/p")
    assert text.splitlines()[:2] == ["#!/bin/sh", "#SBATCH --time=5 --job-name='a b'"]
    (tmp_path / "w").write_text(text)
    done = subprocess.run(
        ["/bin/sh", "-c", f"sed -n '/<<.LOWTIDE_END/,/^LOWTIDE_END/p' {tmp_path}/w | sed '1d;$d'"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == script


def test_script_that_holds_our_last_line_is_not_cut_there(tmp_path: Path) -> None:
    case = Case(tmp_path, "cat > /dev/null <<'X'\nLOWTIDE_END_OF_THE_SCRIPT\nX\necho whole\n")
    assert case.run()[:2] == (0, "whole\n")


def test_script_of_another_language_is_run_by_it(tmp_path: Path) -> None:
    case = Case(tmp_path, "import sys; print(sys.argv[1:], 'python')\n", head=f"#!{sys.executable} -S\n")
    assert case.run("/bin/sh", "x")[:2] == (0, "['x'] python\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_job_that_leaves_with_75_is_put_back_by_lowtide(tmp_path: Path, shell: str) -> None:
    case = Case(tmp_path, "exit 75\n")
    assert case.run(shell)[0] == 75
    assert case.left() == ["7 --leave 75"]
    assert not any(line.startswith("scontrol") for line in case.calls())


def test_node_without_lowtide_runs_the_job_and_puts_it_back_all_the_same(tmp_path: Path) -> None:
    case = Case(tmp_path, "echo runs; exit 75\n")
    (tmp_path / "python").unlink()
    code, out, err = case.run()
    assert (code, out) == (75, "runs\n")
    assert case.calls() == ["scontrol requeue 7"]
    assert "no plan could be made; the job goes back into the queue as it is" in err


@pytest.mark.parametrize(("said", "requeues"), [(GONE, []), (1, ["scontrol requeue 7"])])
def test_what_lowtide_says_of_a_job_that_left_is_followed(
    tmp_path: Path, said: int, requeues: list[str]
) -> None:
    case = Case(tmp_path, "exit 75\n", said=said)
    assert case.run()[0] == 75
    assert [line for line in case.calls() if line.startswith("scontrol")] == requeues


@pytest.mark.parametrize(
    ("body", "env", "left"),
    [
        ('touch "$LOWTIDE_PAUSE_FILE"; exit 0\n', {}, ["7 --leave 0"]),  # asked, and it left: it has saved
        ('touch "$LOWTIDE_PAUSE_FILE"; exit 1\n', {}, ["7 --leave 1"]),
        ("exit 1\n", {}, []),
        ("exit 1\n", {"SLURM_RESTART_COUNT": "2"}, ["7 --leave 1"]),  # a resume that failed
        ("exit 0\n", {"SLURM_RESTART_COUNT": "2"}, []),
    ],
)
def test_other_ends_are_told_where_they_may_mean_to_come_back(
    tmp_path: Path, body: str, env: dict[str, str], left: list[str]
) -> None:
    case = Case(tmp_path, body, said=GONE)
    case.run("/bin/sh", **env)
    assert case.left() == left
    assert not (tmp_path / "submissions" / "7" / "pause").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_job_that_looks_at_its_file_is_noted_as_such_in_each_start(tmp_path: Path, shell: str) -> None:
    case = Case(tmp_path, '[ -n "$LOWTIDE_RESUME" ] || touch "$LOWTIDE_PAUSE_FILE.watched"\n')
    case.run(shell)
    case.run(shell, SLURM_RESTART_COUNT="1")
    assert [line["watched"] for line in case.goes() if line["act"] == "left"] == [1, 0]


@pytest.mark.parametrize("shell", SHELLS)
def test_line_that_a_full_disk_has_cut_short_takes_none_of_the_shell_s_with_it(
    tmp_path: Path, shell: str
) -> None:
    cut = 'printf \'{"at_ns": 5, "act": "asked"\' >> "$(dirname "$LOWTIDE_PAUSE_FILE")/goes.jsonl"\nexit 75\n'
    case = Case(tmp_path, cut)
    case.run(shell)
    lines = (tmp_path / "submissions" / "7" / "goes.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["act"] == "left"
    (go,) = Goes(Ledger(str(tmp_path)), "7").list
    assert (go.status, go.saved) == (75, True)


def test_second_start_goes_on_and_finds_no_request_of_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "submissions" / "7"
    folder.mkdir(parents=True)
    for name in ("pause", "pause.watched", "progress"):
        (folder / name).write_text("0.5")
    case = Case(tmp_path, 'echo "$LOWTIDE_RESUME"; ls "$(dirname "$LOWTIDE_PAUSE_FILE")"\n')
    assert case.run("/bin/sh", SLURM_RESTART_COUNT="1")[1].split() == ["1", "goes.jsonl", "progress"]
    assert case.run("/bin/sh", LOWTIDE_RESUME="1")[1].split() == [
        "goes.jsonl"
    ]  # a first start has nothing to go on from


def test_task_of_an_array_has_a_folder_of_its_own(tmp_path: Path) -> None:
    case = Case(tmp_path, "exit 75\n")
    case.run("/bin/sh", SLURM_ARRAY_JOB_ID="5", SLURM_ARRAY_TASK_ID="3")
    assert case.left() == ["5_3 --leave 75"]
    assert case.goes("5_3")[0]["job"] == 7


@pytest.mark.parametrize("shell", SHELLS)
def test_signal_for_the_script_alone_reaches_it(tmp_path: Path, shell: str) -> None:
    body = f"trap 'echo heard; exit 75' USR1\ntouch {tmp_path}/ready\nwhile true; do sleep 0.05; done\n"
    case = Case(tmp_path, body)
    running = case.begin(shell)
    deadline = time.monotonic() + 20.0
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(signal.SIGUSR1)
    out, _ = running.communicate(timeout=20)
    assert (running.returncode, out) == (75, "heard\n")
    assert case.goes()[-1]["status"] == 75
    assert case.left() == ["7 --leave 75"]


def test_it_looks_again_after_what_the_last_look_said_and_ends_with_the_job(tmp_path: Path) -> None:
    look = f'n=$(grep -c look {tmp_path}/calls); [ "$n" -gt 3 ] || echo 0.05'
    case = Case(tmp_path, "sleep 1.5\n", look=look)
    assert case.run()[0] == 0
    looks = [line for line in case.calls() if "--look" in line]
    assert looks == ["-m lowtide agent --slurm --ledger /l --job 7 --look"] * 4
