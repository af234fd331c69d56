"""Two real clusters side by side as two sites: the greener one is chosen, and a job moves between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import slurm_cluster
from submit_trials import cancel_all, lowtide, now_s_ns, ticks_of, wait_until, write_day

from lowtide.executors.slurm import Slurm
from lowtide.runtime.submitting_sites_kept import job_folder, site_jobs
from lowtide.stores.ledger import Ledger

pytestmark = pytest.mark.slow

N_STEPS = 60
SAVING = """\
#!/bin/sh
#SBATCH --time=5 --output=/dev/null
cd {folder}
n=0
[ "$LOWTIDE_RESUME" = 1 ] && n=$(cat saved)
: > "$LOWTIDE_PAUSE_FILE.watched"
while [ $n -lt {n} ]; do
  n=$((n+1))
  echo "$n $SLURM_CONF" >> steps
  echo $n > saved.new; mv saved.new saved
  echo "$n/{n}" > "$LOWTIDE_PROGRESS_FILE.new"; mv "$LOWTIDE_PROGRESS_FILE.new" "$LOWTIDE_PROGRESS_FILE"
  [ -e "$LOWTIDE_PAUSE_FILE" ] && exit 75
  [ "$LOWTIDE_RESUME" = 1 ] || sleep 0.5
done
"""
TICK = "#!/bin/sh\n#SBATCH --time=5 --output=/dev/null\ndate +%s.%N >> {out}\n{more}"


@pytest.fixture(scope="module")
def two(
    cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, str]]]:
    with slurm_cluster(tmp_path_factory.mktemp("west")) as other:
        yield {"home": cluster, "west": other}


@pytest.fixture
def env(two: dict[str, dict[str, str]], tmp_path: Path) -> Iterator[dict[str, str]]:
    lines = []
    for name, zone in (("home", "DE"), ("west", "FR")):
        submit = f"env SLURM_CONF={two[name]['SLURM_CONF']} sbatch {{args}} {{script}}"
        lines += [f"[site.{name}]", f'zone = "{zone}"', f'submit = "{submit}"']
    (tmp_path / "lowtide.toml").write_text("\n".join(lines))
    yield {
        **two["home"],
        "LOWTIDE_LEDGER": str(tmp_path / "ledger"),
        "LOWTIDE_CONFIG": str(tmp_path / "lowtide.toml"),
    }
    for cluster in two.values():
        cancel_all(cluster)


def write_two(path: Path, home: list[float], west: list[float], *, start_ns: int, step_s: float) -> None:
    """Write the intensity of both sites."""
    write_day(path, home, start_ns=start_ns, step_s=step_s)
    lines = path.read_text().splitlines()
    rows = [f"{line},{value:g}" for line, value in zip(lines[1:], west, strict=True)]
    path.write_text("\n".join(["ts_utc,DE,FR", *rows]) + "\n")


def waiting(cluster: dict[str, str]) -> list[int]:
    """Return the numbers of the jobs of a cluster that have not ended."""
    return [job.submitted_id for job in Slurm(env=cluster).jobs()]


def test_job_goes_to_the_greener_site_and_begins_there_in_its_green_hour(
    two: dict[str, dict[str, str]], env: dict[str, str], tmp_path: Path
) -> None:
    start_ns = now_s_ns()
    write_two(tmp_path / "day.csv", [500] * 6, [400, 400, 50, 50, 50, 50], start_ns=start_ns, step_s=6)
    job = tmp_path / "job.sbatch"
    job.write_text(TICK.format(out=tmp_path / "ticks", more=""))
    done = lowtide(
        "submit", "--site", "best", "--within", "30s", "--margin", "0%", "--duration", "3s", "--power", "1kW",
        "--intensity", tmp_path / "day.csv", job, "--job-name=green", "--comment=of the user", env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "lowtide: west, starts " in done.stderr
    assert ", -90 % (allocated) against running at once at home, done by " in done.stderr  # 1 - 50 / 500
    assert done.stdout.startswith("Submitted batch job ")
    assert done.stdout.rstrip().endswith(" at west")
    (kept,) = site_jobs(Ledger(env["LOWTIDE_LEDGER"]))
    assert (kept.site, kept.state, kept.promise.zone) == ("west", "submitted", "FR")
    assert kept.promise.first.emissions_g == pytest.approx(50 * 3 / 3600)  # 1 kW, 3 s at 50 g/kWh
    (there,) = Slurm(env=two["west"]).jobs()
    assert f"tag={kept.tag}" in there.comment
    assert there.comment.endswith(" | of the user")
    assert waiting(two["home"]) == []
    (listed,) = json.loads(lowtide("submit", "--list", "--json", env=env).stdout)
    assert (listed["site"], listed["state"], listed["job_id"]) == ("west", "PENDING", there.submitted_id)
    wait_until(lambda: len(ticks_of(tmp_path / "ticks")) == 1, "the job")
    assert ticks_of(tmp_path / "ticks")[0] >= start_ns / 1e9 + 12.0


def test_newer_forecast_moves_the_start_within_the_site(
    two: dict[str, dict[str, str]], env: dict[str, str], tmp_path: Path
) -> None:
    start_ns, day = now_s_ns(), tmp_path / "day.csv"
    flat = [500.0] * 6
    write_two(day, flat, [400, 400, 50, 400, 400, 400], start_ns=start_ns, step_s=600)
    job = tmp_path / "job.sbatch"
    job.write_text(TICK.format(out=tmp_path / "ticks", more=""))
    bounds = ("--within", "1h", "--duration", "5m", "--power", "1kW", "--intensity", day)
    assert lowtide("submit", "--site", "home", "--site", "west", *bounds, job, env=env).returncode == 0
    assert Slurm(env=two["west"]).jobs()[0].start_ns == pytest.approx(start_ns + 1200 * 10**9, abs=5e9)
    assert "\nwest/" in lowtide("submit", "--list", env=env).stdout
    write_two(day, flat, [400, 400, 300, 400, 50, 400], start_ns=start_ns, step_s=600)
    moved = lowtide("submit", "--replan", env=env)
    assert moved.returncode == 0, moved.stderr
    assert "lowtide: job west/" in moved.stderr
    assert Slurm(env=two["west"]).jobs()[0].start_ns == pytest.approx(start_ns + 2400 * 10**9, abs=5e9)
    (kept,) = site_jobs(Ledger(env["LOWTIDE_LEDGER"]))
    assert kept.promise.n_moves == 1


@pytest.mark.parametrize("cut_short", [False, True])
def test_job_moves_to_another_site_with_its_checkpoint_and_does_each_step_once(
    two: dict[str, dict[str, str]], env: dict[str, str], tmp_path: Path, cut_short: bool
) -> None:
    steps = tmp_path / "steps"
    job = tmp_path / "job.sbatch"
    job.write_text(SAVING.format(folder=tmp_path, n=N_STEPS))
    bounds = ("--start-within", "0s", "--duration", "1m", "--intensity", "300")
    first = lowtide("submit", "--site", "home", *bounds, job, env=env)
    assert first.returncode == 0, first.stderr
    number = first.stdout.split()[3]
    wait_until(lambda: steps.exists() and len(steps.read_text().splitlines()) >= 5, "five steps")
    words = ("submit", "--move", f"home/{number}", "--site", "west", "--grace", "20s")
    if cut_short:
        (kept,) = site_jobs(Ledger(env["LOWTIDE_LEDGER"]))
        kill_when_asked(words, Path(job_folder(Ledger(env["LOWTIDE_LEDGER"]), kept.tag)) / "pause", env)
    moved = lowtide(*words, env=env)
    assert moved.returncode == 0, moved.stderr
    assert moved.stdout.rstrip().endswith(" at west")
    wait_until(lambda: (tmp_path / "saved").read_text().strip() == str(N_STEPS), "the end at the other site")
    rows = [line.split() for line in steps.read_text().splitlines()]
    assert [int(row[0]) for row in rows] == list(range(1, N_STEPS + 1))  # none lost, none repeated
    at = [row[1] for row in rows]
    n_home = at.count(two["home"]["SLURM_CONF"])
    assert 5 <= n_home < N_STEPS
    assert at == [two["home"]["SLURM_CONF"]] * n_home + [two["west"]["SLURM_CONF"]] * (N_STEPS - n_home)
    before, after = site_jobs(Ledger(env["LOWTIDE_LEDGER"]))
    assert (before.state, before.note, before.to_tag) == ("moved", "left with status 75", after.tag)
    assert (after.site, after.resume, after.from_tag) == ("west", True, before.tag)
    again = lowtide("submit", "--move", f"home/{number}", "--site", "west", env=env)
    assert again.returncode == 1
    assert "went on at west; it cannot be moved" in again.stderr


def test_waiting_job_is_cancelled_and_submitted_at_the_other_site_without_resuming(
    two: dict[str, dict[str, str]], env: dict[str, str], tmp_path: Path
) -> None:
    write_two(tmp_path / "day.csv", [500, 100], [900, 900], start_ns=now_s_ns(), step_s=1800)
    job = tmp_path / "job.sbatch"
    job.write_text(
        TICK.format(out=tmp_path / "ticks", more='echo "$LOWTIDE_RESUME." > ' + str(tmp_path / "r"))
    )
    bounds = ("--start-within", "50m", "--duration", "1m", "--intensity", tmp_path / "day.csv")
    number = lowtide("submit", "--site", "home", *bounds, job, "--parsable", env=env).stdout.strip()
    assert waiting(two["home"]) == [int(number)]
    moved = lowtide("submit", "--move", number, "--site", "west", env=env)
    assert moved.returncode == 0, moved.stderr
    assert waiting(two["home"]) == []
    wait_until(lambda: (tmp_path / "r").exists() and (tmp_path / "r").read_text() == ".\n", "the job")


def test_job_that_does_not_look_at_its_pause_file_is_left_running(
    two: dict[str, dict[str, str]], env: dict[str, str], tmp_path: Path
) -> None:
    job = tmp_path / "job.sbatch"
    job.write_text(TICK.format(out=tmp_path / "ticks", more="sleep 60\n"))
    bounds = ("--start-within", "0s", "--duration", "1m", "--intensity", "300")
    number = lowtide("submit", "--site", "home", *bounds, job, "--parsable", env=env).stdout.strip()
    wait_until(lambda: len(ticks_of(tmp_path / "ticks")) == 1, "the job's start")
    moved = lowtide("submit", "--move", number, "--site", "west", env=env)
    assert moved.returncode == 1
    assert "does not look at $LOWTIDE_PAUSE_FILE" in moved.stderr
    assert waiting(two["home"]) == [int(number)]
    assert waiting(two["west"]) == []


def test_submission_killed_at_any_moment_and_made_again_leaves_one_job(
    two: dict[str, dict[str, str]], env: dict[str, str], tmp_path: Path
) -> None:
    """The delays are spread over the life of the command; whatever it had done by then, there is one job."""
    job = tmp_path / "job.sbatch"
    job.write_text(TICK.format(out=tmp_path / "ticks", more=""))
    words = (
        "submit", "--site", "west", "--start-within", "2h", "--duration", "1m", "--intensity",
        str(tmp_path / "day.csv"), str(job),
    )  # fmt: skip
    write_two(tmp_path / "day.csv", [500, 500, 100], [500, 500, 100], start_ns=now_s_ns(), step_s=3600)
    began = time.monotonic()
    assert lowtide(*words, env=env).returncode == 0
    life_s = time.monotonic() - began
    made, ledger = set(waiting(two["west"])), Ledger(env["LOWTIDE_LEDGER"])
    assert len(made) == 1
    for i in range(8 if os.environ.get("LOWTIDE_TEST_FULL") else 2):
        process = subprocess.Popen(
            [sys.executable, "-m", "lowtide", *words],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(life_s * (0.95 - 0.1 * i))
        process.kill()
        process.wait()
        if len(submitted(ledger)) == len(made):  # cut short: the same command takes it up
            done = lowtide(*words, env=env)
            assert done.returncode == 0, done.stderr
        now = set(waiting(two["west"]))
        assert len(now - made) == 1
        assert submitted(ledger) == {str(number) for number in now}
        made = now


def kill_when_asked(words: tuple[str, ...], pause: Path, env: dict[str, str]) -> None:
    """Run a move and kill it as soon as the job has been asked to leave."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lowtide", *words],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(pause.exists, "the pause file")
    finally:
        process.kill()
        process.wait()


def submitted(ledger: Ledger) -> set[str | None]:
    """Return the numbers of the jobs that are known to be at a site."""
    return {job.job for job in site_jobs(ledger) if job.state == "submitted"}
