"""Submitting to sites planned by hand, and submitted through stand-ins for their commands, killed at bad moments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.errors import ConfigError, ExecutorError, InputError
from lowtide.model.site import Site
from lowtide.quantities import parse_instant_ns
from lowtide.runtime.config import Config, load_config
from lowtide.runtime.submitting import SubmitRequest
from lowtide.runtime.submitting_sites import submit_to_site
from lowtide.runtime.submitting_sites_kept import (
    find_site_job,
    job_folder,
    keep_site_job,
    locked,
    site_jobs,
)
from lowtide.runtime.submitting_sites_plan import SitesPlan, SitesRequest, plan_sites
from lowtide.runtime.submitting_sites_text import site_line, sites_plain
from lowtide.stores.ledger import Ledger
from lowtide.units import NS_PER_H

START_NS = parse_instant_ns("2026-03-01T00:00Z")
HOME = (500, 500, 500, 500, 500, 500, 500, 500)
WEST = (400, 400, 100, 100, 400, 400, 400, 400)
NORTH = (300, 300, 300, 300, 300, 300, 300, 300)
SBATCH = "sbatch --partition={name} {{args}} {{script}}"

FAKE = """\
#!{python}
# Stands for a site's submit command: notes its words, puts the job into a queue, and can kill its caller.
import os, sys, time
folder, mode, tag = sys.argv[1], os.environ.get("FAKE_MODE", ""), sys.argv[2]
with open(os.path.join(folder, "asked"), "a") as file:
    file.write(tag + "\\n")
def kill():
    shell = open(f"/proc/{{os.getppid()}}/stat").read().rpartition(")")[2].split()
    os.kill(int(shell[1]), 9)  # the shell between us stays
if mode == "kill first":
    kill(); sys.exit(1)
if mode == "kill, then submit late":
    kill(); time.sleep(0.6)
if mode == "fail":
    print("no such partition", file=sys.stderr); sys.exit(3)
with open(os.path.join(folder, "queue"), "a") as file:
    file.write(f"{{len(open(os.path.join(folder, 'asked')).readlines())}} {{tag}}\\n")
if mode == "submit, then kill":
    kill()
if mode == "submit, then fail":
    print("connection closed", file=sys.stderr); sys.exit(255)
print("Submitted batch job", len(open(os.path.join(folder, "asked")).readlines()))
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "job.sbatch"
    path.write_text("#!/bin/sh\n#SBATCH --time=1:00:00 --job-name=train\ntrue\n")
    return str(path)


@pytest.fixture
def day(tmp_path: Path) -> str:
    rows = [
        f"2026-03-01T{h:02d}:00Z,{a},{b},{c}"
        for h, (a, b, c) in enumerate(zip(HOME, WEST, NORTH, strict=True))
    ]
    path = tmp_path / "day.csv"
    path.write_text("\n".join(["ts_utc,DE,FR,NO", *rows]) + "\n")
    return str(path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def config(day: str, **changes: Site) -> Config:
    zones = {"home": "DE", "west": "FR", "north": "NO"}
    sites = {n: Site(name=n, zone=z, submit=SBATCH.format(name=n)) for n, z in zones.items()} | changes
    return Config(settings={}, sites=sites).with_flags({"intensity": day})


def planned(
    script: str, day: str, ledger: Ledger, *, sites: SitesRequest | None = None, cfg: Config | None = None, **given: Any
) -> SitesPlan:  # fmt: skip
    request = SubmitRequest(**{"script": script, "power": "1kW", "within": "6h", "margin": "0%", **given})
    return plan_sites(
        request, sites or SitesRequest(names=("best",)), cfg or config(day), ledger=ledger, env={}, now_ns=START_NS
    )  # fmt: skip


def test_greenest_site_and_hour_are_chosen_against_running_at_once_at_home(
    script: str, day: str, ledger: Ledger
) -> None:
    found = planned(script, day, ledger)
    assert (found.site, found.begin_ns) == ("west", START_NS + 2 * NS_PER_H)
    assert found.promise.first.emissions_g == pytest.approx(100.0)
    assert found.promise.first.at_once_g == pytest.approx(500.0)
    assert site_line(found) == (
        "not submitted: west, starts 2026-03-01T02:00Z, -80 % (allocated) against running at once at home, done by "
        "03:00Z; deadline 06:00Z"
    )
    offers = {one["site"]: one for one in sites_plain(found)["candidates"]}
    assert {name: one["emissions_g"] for name, one in offers.items()} == {
        "home": pytest.approx(500.0), "west": pytest.approx(100.0), "north": pytest.approx(300.0),
    }  # fmt: skip
    assert offers["west"]["saving_same_zone_fraction"] == pytest.approx(0.75)  # 1 - 100 / 400
    assert all(one["executable"] for one in offers.values())


def test_difference_below_the_least_saving_is_worth_neither_waiting_nor_going(
    script: str, day: str, ledger: Ledger
) -> None:
    # the best is 100 g; with 41 % of 500 g, 305 g is as good: north, at once
    assert planned(script, day, ledger, min_saving="41%").site == "north"
    assert planned(script, day, ledger, min_saving="41%").begin_ns is None
    assert planned(script, day, ledger, min_saving="80%").site == "home"  # 100 + 400


def test_pue_counts(script: str, day: str, ledger: Ledger) -> None:
    west = Site(name="west", zone="FR", pue=3.5, submit=SBATCH.format(name="west"))
    found = planned(script, day, ledger, cfg=config(day, west=west))
    assert found.site == "north"  # 300 against 100 x 3.5


def test_residency_leaves_sites_out_and_says_so(script: str, day: str, ledger: Ledger) -> None:
    found = planned(script, day, ledger, sites=SitesRequest(names=("best",), allow=("NO", "DE")))
    assert found.site == "north"
    (west,) = [one for one in found.candidates if one.site == "west"]
    assert west.plan is None
    assert west.reason == "it is in FR, and only NO, DE is allowed"
    with pytest.raises(InputError, match="no site can be used: "):
        planned(script, day, ledger, sites=SitesRequest(names=("home",), allow=("NO",)))


def test_data_that_travel_cost_energy_and_time(script: str, day: str, ledger: Ledger) -> None:
    # 450 GB at 1 Gbit/s take an hour; 0.5 kWh of network at 500 g are 250 g, at home
    sites = SitesRequest(
        names=("home", "north"), move_data_gb=450.0, transfer_kwh_per_gb=0.5 / 450, transfer_gbit_per_s=1.0
    )
    found = planned(script, day, ledger, sites=sites, min_saving="0%")
    assert found.site == "home"  # 300 + 250 are more than 500
    cheap = replace(sites, transfer_kwh_per_gb=0.1 / 450)
    found = planned(script, day, ledger, sites=cheap, min_saving="0%")
    assert (found.site, found.begin_ns, found.ready_ns) == ("north", START_NS + NS_PER_H, START_NS + NS_PER_H)
    assert found.promise.first.emissions_g == pytest.approx(300 + 50)
    with pytest.raises(InputError, match="give --power"):
        planned(script, day, ledger, sites=cheap, power=None)


def test_money_is_minimised_where_prices_are_asked_for(script: str, day: str, ledger: Ledger) -> None:
    west = Site(name="west", zone="FR", price_usd_per_kwh=0.5, submit=SBATCH.format(name="west"))
    home = Site(name="home", zone="DE", price_usd_per_kwh=0.1, submit=SBATCH.format(name="home"))
    cfg = config(day, west=west, home=home)
    sites = SitesRequest(names=("home", "west"), carbon_price=100.0)
    # home: 0.10 USD + 500 g x 0.0001 = 0.15; west: 0.50 + 0.01
    assert planned(script, day, ledger, cfg=cfg, sites=sites).site == "home"
    # at 1500 USD/t: home 0.10 + 0.75, west 0.50 + 0.15
    dear = replace(sites, carbon_price=1500.0)
    assert planned(script, day, ledger, cfg=cfg, sites=dear).site == "west"


def test_faster_hardware_is_done_sooner_and_draws_what_it_draws(
    script: str, day: str, ledger: Ledger
) -> None:
    north = Site(name="north", zone="NO", throughput=2.0, power=0.6, submit=SBATCH.format(name="north"))
    found = planned(
        script, day, ledger, cfg=config(day, north=north), sites=SitesRequest(names=("home", "north"))
    )
    assert found.promise.first.emissions_g == pytest.approx(90.0)  # 0.5 h x 0.6 kW x 300
    assert found.promise.job.work_s == 1800.0
    assert found.promise.first.end_ns == START_NS + NS_PER_H // 2


def test_site_that_cannot_be_told_to_wait_is_used_only_at_once(script: str, day: str, ledger: Ledger) -> None:
    west = Site(name="west", zone="FR", submit="kubectl create -f {script}")
    found = planned(
        script, day, ledger, cfg=config(day, west=west), sites=SitesRequest(names=("home", "west"))
    )
    assert (found.site, found.begin_ns) == ("west", None)
    assert found.promise.first.emissions_g == pytest.approx(400.0)


def test_site_without_a_command_is_named_and_left_out(script: str, day: str, ledger: Ledger) -> None:
    found = planned(script, day, ledger, cfg=config(day, west=Site(name="west", zone="FR")))
    assert found.site == "north"
    assert any(
        "jobs cannot be handed to west: no submit = ... in [site.west]" in note for note in found.notes
    )
    bare = Config(settings={}, sites={"a": Site(name="a", zone="DE")})
    with pytest.raises(
        ConfigError, match=r"no \[site\.NAME\] table of lowtide\.toml says how a job is submitted"
    ):
        planned(script, day, ledger, cfg=bare)


def test_deadline_nobody_can_meet_starts_at_once_and_is_said(script: str, day: str, ledger: Ledger) -> None:
    found = planned(script, day, ledger, within="30m")
    assert found.begin_ns is None
    assert any("cannot be met" in note for note in found.notes)


def test_pausing_is_not_for_sites(script: str, day: str, ledger: Ledger) -> None:
    with pytest.raises(InputError, match="--pause freeze is for the cluster of this machine"):
        planned(script, day, ledger, pause="freeze")


@pytest.fixture
def fake(tmp_path: Path) -> Site:
    """A site whose command is a stand-in, and whose queue is a file."""
    path = tmp_path / "fake"
    path.write_text(FAKE.format(python=sys.executable))
    path.chmod(0o755)
    (tmp_path / "queue").touch()
    return Site(
        name="home", zone="DE", submit=f"{path} {tmp_path} {{tag}} {{args}} {{script}}", queue=f"cat {tmp_path}/queue"
    )  # fmt: skip


def submit_once(
    script: str, day: str, ledger: Ledger, site: Site, mode: str = "", **given: Any
) -> tuple[Any, list[str]]:
    cfg = config(day, home=site)
    request = SubmitRequest(script=script, power="1kW", within="6h", **given)
    plan = plan_sites(
        request, SitesRequest(names=("home",)), cfg, ledger=ledger, env={}, now_ns=time.time_ns()
    )
    said: list[str] = []
    env = {**os.environ, "FAKE_MODE": mode}
    return submit_to_site(request, plan, ledger=ledger, env=env, say=said.append, now_ns=time.time_ns()), said


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_job_is_kept_with_its_number(
    script: str, day: str, ledger: Ledger, fake: Site, tmp_path: Path
) -> None:
    kept, _ = submit_once(script, "300", ledger, fake)
    assert (kept.job, kept.label, kept.state) == ("1", "home/1", "submitted")
    assert site_jobs(ledger) == [kept]
    assert lines(tmp_path / "queue") == [f"1 {kept.tag}"]
    for query in ("1", "home/1", kept.tag):
        assert find_site_job(ledger, query) == kept
    with pytest.raises(InputError, match=r"no job '2' was handed to a site .* there are: home/1"):
        find_site_job(ledger, "2")


def test_refusal_is_told_and_nothing_is_kept(script: str, ledger: Ledger, fake: Site, tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match=r"site home: exit status 3 .* it wrote: no such partition"):
        submit_once(script, "300", ledger, fake, "fail")
    assert site_jobs(ledger) == []
    gone = replace(fake, submit="no-such-sbatch {args} {script}")
    with pytest.raises(ExecutorError, match="no-such-sbatch is not found on this machine"):
        submit_once(script, "300", ledger, gone)
    assert site_jobs(ledger) == []


def test_connection_that_breaks_after_the_job_was_made_loses_nothing(
    script: str, ledger: Ledger, fake: Site, tmp_path: Path
) -> None:
    kept, said = submit_once(script, "300", ledger, fake, "submit, then fail")
    assert (kept.job, kept.state) == ("1", "submitted")
    assert any("connection closed; but the job is in the queue" in line for line in said)


def killed(script: str, ledger: Ledger, fake: Site, tmp_path: Path, mode: str) -> None:
    """Submit in a process of its own, which the site's command kills."""
    toml = tmp_path / "lowtide.toml"
    toml.write_text(f"[site.home]\nzone = 'DE'\nsubmit = '{fake.submit}'\nqueue = '{fake.queue}'\n")
    env = {**os.environ, "LOWTIDE_CONFIG": str(toml), "LOWTIDE_LEDGER": ledger.path, "FAKE_MODE": mode}
    words = ["submit", "--site", "home", "--within", "6h", "--intensity", "300", "--power", "1kW", script]
    done = subprocess.run(
        [sys.executable, "-m", "lowtide", *words], env=env, cwd=tmp_path, capture_output=True, check=False, timeout=60
    )  # fmt: skip
    assert done.returncode == -9


@pytest.mark.parametrize("mode", ["kill first", "submit, then kill", "kill, then submit late"])
def test_killed_at_a_bad_moment_and_submitted_again_there_is_one_job(
    script: str, ledger: Ledger, fake: Site, tmp_path: Path, mode: str
) -> None:
    killed(script, ledger, fake, tmp_path, mode)
    assert [job.state for job in site_jobs(ledger)] == ["asked"]
    kept, said = submit_once(script, "300", ledger, fake)
    assert len(lines(tmp_path / "queue")) == 1
    assert lines(tmp_path / "queue") == [f"{kept.job} {kept.tag}"]
    assert [job.state for job in site_jobs(ledger)] == ["submitted"]
    taken_up = any("nothing is submitted again" in line for line in said)
    assert taken_up is (mode != "kill first")


def test_other_job_is_submitted_beside_one_that_was_cut_short(
    script: str, ledger: Ledger, fake: Site, tmp_path: Path
) -> None:
    killed(script, ledger, fake, tmp_path, "submit, then kill")
    _, said = submit_once(script, "300", ledger, fake, words=("-N2",))
    assert len(lines(tmp_path / "queue")) == 2
    assert any("was submitted by a command that was cut short" in line for line in said)


def test_attempt_that_the_queue_may_have_forgotten_is_not_guessed(
    script: str, ledger: Ledger, fake: Site, tmp_path: Path
) -> None:
    killed(script, ledger, fake, tmp_path, "kill first")
    (job,) = site_jobs(ledger)
    long_ago = replace(job.promise, submitted_ns=job.promise.submitted_ns - NS_PER_H)
    keep_site_job(ledger, replace(job, promise=long_ago))
    with pytest.raises(ExecutorError, match="the queue there may have forgotten it") as caught:
        submit_once(script, "300", ledger, fake)
    path = f"{job_folder(ledger, job.tag)}.json"
    assert f"remove {path}" in str(caught.value)
    os.remove(path)
    assert submit_once(script, "300", ledger, fake)[0].state == "submitted"


def test_site_whose_queue_cannot_be_asked_is_not_asked_twice(
    script: str, ledger: Ledger, fake: Site, tmp_path: Path
) -> None:
    mute = replace(fake, queue=None)
    killed(script, ledger, fake, tmp_path, "submit, then kill")
    (job,) = site_jobs(ledger)
    keep_site_job(ledger, replace(job, queue=None))
    with pytest.raises(ExecutorError, match=r"the queue of home cannot be asked: write queue = \.\.\. into"):
        submit_once(script, "300", ledger, mute)
    assert len(lines(tmp_path / "queue")) == 1


def test_lock_is_waited_for_and_then_refused(ledger: Ledger) -> None:
    done = threading.Event()

    def hold() -> None:
        with locked(ledger, "t"):
            done.wait(5.0)

    holder = threading.Thread(target=hold)
    holder.start()
    while not os.path.exists(f"{job_folder(ledger, 't')}.lock"):
        time.sleep(0.01)
    time.sleep(0.05)
    with pytest.raises(ExecutorError, match="just being submitted or moved"), locked(ledger, "t", wait_s=0.1):
        pass
    done.set()
    holder.join()
    with locked(ledger, "t", wait_s=0.0):
        pass


def test_flags_a_command_cannot_take_are_refused(script: str, ledger: Ledger) -> None:
    site = Site(name="home", zone="DE", submit="true {script}")
    with pytest.raises(InputError, match=r"has no \{args\}: leave out -N2"):
        submit_once(script, "300", ledger, site, words=("-N2",))


def test_words_of_the_command_say_start_comment_and_pause_file(
    script: str, day: str, ledger: Ledger, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    tool = tmp_path / "sbatch"
    tool.write_text(f'#!/bin/sh\nfor word; do echo "$word"; done > {said}\necho "12;west"\n')
    tool.chmod(0o755)
    site = Site(name="home", zone="DE", submit=f"{tool} {{args}} {{script}}")
    kept, _ = submit_once(
        script, "300", ledger, site, words=("--export=PATH", "--quiet", "--comment=mine"), arguments=("3",)
    )
    assert kept.job == "12"
    words = lines(said)
    folder = job_folder(ledger, kept.tag)
    assert words[:3] == ["--export=PATH", "--comment=mine", "--parsable"]
    assert words[3].startswith("--comment=lowtide:start=")
    assert words[3].endswith(f";site=home;tag={kept.tag} | mine")
    assert (
        words[4] == f"--export=PATH,LOWTIDE_PAUSE_FILE={folder}/pause,LOWTIDE_PROGRESS_FILE={folder}/progress"
    )
    assert words[5:] == [script, "3"]
    assert os.path.isdir(folder)


def test_script_goes_to_standard_input_where_the_command_does_not_name_it(
    script: str, ledger: Ledger, tmp_path: Path
) -> None:
    site = Site(name="home", zone="DE", submit=f"tee {tmp_path}/got")
    kept, _ = submit_once(script, "300", ledger, site)
    assert (tmp_path / "got").read_text() == Path(script).read_text()
    assert kept.state == "submitted"


def run(*words: str, env: dict[str, str]) -> Any:
    return CliRunner(env=env).invoke(cli, list(words))


@pytest.fixture
def env(tmp_path: Path, fake: Site, ledger: Ledger) -> dict[str, str]:
    toml = tmp_path / "lowtide.toml"
    toml.write_text(
        f"[site.home]\nzone = 'DE'\nsubmit = '{fake.submit}'\nqueue = '{fake.queue}'\n[site.plain]\nzone = 'FR'\n"
    )
    return {"LOWTIDE_CONFIG": str(toml), "LOWTIDE_LEDGER": ledger.path, "LOWTIDE_INTENSITY": "300"}


def test_one_line_is_said_before_the_job_is_submitted(script: str, env: dict[str, str]) -> None:
    told = run("submit", "--site", "home", "--within", "6h", "--power", "1kW", script, env=env)
    assert told.exit_code == 0, told.output
    assert told.stdout == "Submitted batch job 1 at home\n"
    assert (
        "lowtide: home, starts now (no site and no hour saves 3%), +0 % (allocated) against running at once at home"
        in told.stderr
    )
    bare = run("submit", "--site", "home", "--within", "6h", script, "--parsable", env=env)
    assert bare.stdout == "2\n"


def test_dry_run_tells_the_candidates_and_submits_nothing(
    script: str, env: dict[str, str], ledger: Ledger
) -> None:
    words = ("submit", "--site", "best", "--within", "6h", "--dry-run", "--json", script)
    plain = json.loads(run(*words, env=env).stdout)
    assert (plain["site"], plain["home"]) == ("home", "home")
    assert [(one["site"], one["executable"]) for one in plain["candidates"]] == [
        ("home", True),
        ("plain", False),
    ]
    assert plain["candidates"][1]["reason"] == "no submit command in its table"
    assert plain["candidates"][0]["emissions_g"] is None  # no power is known
    assert site_jobs(ledger) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("submit", "--allow", "EU", "--within", "6h", "{script}"), "--allow is for a choice of sites: give --site"),
        (("submit", "--move", "1"), "where to? lowtide submit --move 1 --site NAME"),
        (("submit", "--move", "1", "--site", "plain"), "jobs cannot be handed to plain: write submit = ..."),
        (("submit", "--move", "1", "--site", "home"), "no job '1' was handed to a site"),
        (("submit", "--move", "1", "--site", "home", "{script}"), "--move JOB --site NAME stands alone"),
        (("submit", "--site", "hme", "--within", "6h", "{script}"), "no site 'hme'; did you mean home?"),
    ],
)  # fmt: skip
def test_mistakes_of_the_command_line_are_refused(
    script: str, env: dict[str, str], words: tuple[str, ...], message: str
) -> None:
    told = run(*(word.format(script=script) for word in words), env=env)
    assert told.exit_code == 1
    assert message in str(told.exception)


def test_tables_of_the_configuration_say_all_that_a_file_of_sites_can(tmp_path: Path) -> None:
    toml = tmp_path / "lowtide.toml"
    toml.write_text(
        '[site.north]\nzone = "NO"\nthroughput = 1.2\npower = 0.9\ntransfer_gb = 450\nprice = "0.2"\n'
        'submit = "sbatch {args} {script}"\nqueue = "cat q"\n'
    )
    site = load_config(env={"LOWTIDE_CONFIG": str(toml)}, cwd="/").site("north")
    assert (site.throughput, site.power, site.transfer_gb, site.price) == (1.2, 0.9, 450.0, "0.2")
    assert (site.submit, site.queue) == ("sbatch {args} {script}", "cat q")


def test_plan_is_executable_elsewhere_where_jobs_can_be_submitted_and_it_is_unbroken(
    day: str, tmp_path: Path
) -> None:
    toml = tmp_path / "sites.toml"
    toml.write_text(
        "[site.home]\nzone = 'DE'\n[site.west]\nzone = 'FR'\nsubmit = 'true {script}'\n[site.no]\nzone = 'NO'\n"
    )
    words = [
        "plan",
        "--sites",
        str(toml),
        "--intensity",
        day,
        "--start",
        "2026-03-01T00:00Z",
        "--within",
        "8h",
    ]
    told = CliRunner().invoke(cli, [*words, "--duration", "3h", "--power", "1kW", "--json"])
    assert told.exit_code == 0, told.output
    found = {(plan["policy"], plan["zone"]): plan for plan in json.loads(told.stdout)["plans"]}
    assert found["flexible-start", "DE"]["executable"]
    assert found["flexible-start", "FR"]["executable"]
    assert not found["flexible-start", "NO"]["executable"]
    moving = found["best", "FR"] if ("best", "FR") in found else found["best", "NO"]
    assert moving["n_migrations"] > 0  # NO at 300 while FR is at 400
    assert not moving["executable"]
