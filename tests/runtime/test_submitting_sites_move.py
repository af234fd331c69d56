"""Jobs that go on at another site: queues are lists here; what they are planned with, and what is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from slurm_double import waiting_job

from lowtide.errors import ExecutorError, InputError
from lowtide.executors.slurm_jobs import SlurmJob
from lowtide.model.site import Site
from lowtide.quantities import parse_instant_ns
from lowtide.runtime import submitting_sites_found as found_module
from lowtide.runtime import submitting_sites_move as move_module
from lowtide.runtime.config import Config, Setting
from lowtide.runtime.submitting import SubmitRequest
from lowtide.runtime.submitting_sites_found import Listed, listed
from lowtide.runtime.submitting_sites_kept import SiteJob, job_folder, keep_site_job, site_jobs
from lowtide.runtime.submitting_sites_move import move_job
from lowtide.runtime.submitting_sites_offers import settings_at
from lowtide.runtime.submitting_sites_plan import SitesRequest, plan_sites
from lowtide.runtime.submitting_sites_text import listed_row
from lowtide.stores.ledger import Ledger

START_NS = parse_instant_ns("2026-03-01T00:00Z")


@dataclass
class Queue:
    """A site's Slurm: one job, which does what it does when it is looked at."""

    job_now: SlurmJob | None = None
    refuses: bool = False
    on_look: Callable[[], None] = field(default=lambda: None)

    def jobs(self, *, ended_too: bool = False) -> list[SlurmJob]:
        self.on_look()
        # squeue tells no exit status
        return [] if self.job_now is None else [replace(self.job_now, exit_code=0)]

    def job(self, job_id: int | str) -> SlurmJob | None:
        if self.refuses:
            raise ExecutorError("scontrol show did not answer within 60 s; is slurmctld up?")
        return self.job_now

    def ends(self, status: int) -> None:
        assert self.job_now is not None
        state = "FAILED" if status else "COMPLETED"
        self.job_now = replace(self.job_now, state=state, exit_code=status)


def sites(folder: Path, **changes: Site) -> dict[str, Site]:
    """Return home, with an intensity and a PUE of its own, and east without."""
    tool = folder / "submit"
    tool.write_text("#!/bin/sh\necho 12\n")
    tool.chmod(0o755)
    submit = f"{tool} {{args}} {{script}}"
    home = Site(name="home", zone="DE", intensity="500", pue=1.5, submit=submit)
    return {"home": home, "east": Site(name="east", zone="FR", submit=submit), **changes}


class Case:
    """Job 7 at home, which looks at its file and runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ledger, self.queue, self.said = Ledger(str(folder / "ledger")), Queue(), list[str]()
        self.config = Config(settings={}, sites=sites(folder))
        script = folder / "job.sbatch"
        script.write_text("#!/bin/sh\ntrue\n")
        for module in (found_module, move_module):
            monkeypatch.setattr(module, "slurm_of", lambda job, env: self.queue)
        monkeypatch.setattr(move_module, "_EVERY_S", 0.01)
        request = SubmitRequest(script=str(script), power="1kW", within="6h", duration="1h")
        planned = plan_sites(
            request, SitesRequest(names=("home",)), self.config, ledger=self.ledger, env={}, now_ns=START_NS
        )
        self.kept = SiteJob(
            tag="lowtide-t-1", site="home", submit=planned.command.text, queue=None, words=(), arguments=(), job="7",
            state="submitted", promise=replace(planned.promise, job_id=7),
        )  # fmt: skip
        keep_site_job(self.ledger, self.kept)
        self.queue.job_now = waiting_job(
            7, f"tag={self.kept.tag}", state="RUNNING", reason="None", start_ns=START_NS
        )
        self.pause = Path(job_folder(self.ledger, self.kept.tag)) / "pause"
        self.pause.with_name("pause.watched").write_text("")

    def move(self, to_site: str = "east", **more: Any) -> SiteJob | None:
        return move_job(
            "7",
            to_site,
            self.config,
            ledger=self.ledger,
            env={},
            say=self.said.append,
            **{"grace_s": 0.05, **more},
        )

    def listed(self) -> list[Listed]:
        return listed(self.ledger, env={}, say=self.said.append)

    def now(self) -> SiteJob:
        return next(job for job in site_jobs(self.ledger) if job.tag == self.kept.tag)

    def leaves(self, status: int, when: Callable[[], bool]) -> None:
        """Let the job leave as soon as something is so."""
        self.queue.on_look = lambda: self.queue.ends(status) if when() else None


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


# What it is planned with


def config(folder: Path, settings: dict[str, str] | None = None, **changes: Site) -> Config:
    given = {
        name: Setting(value=text, origin="lowtide.toml", rank=3) for name, text in (settings or {}).items()
    }
    return Config(settings=given, sites=sites(folder, **changes))


def test_job_elsewhere_is_planned_again_with_nothing_of_home(tmp_path: Path) -> None:
    script = tmp_path / "job.sbatch"
    script.write_text("#!/bin/sh\ntrue\n")
    north = Site(name="north", zone="NO", submit="sbatch {args} {script}")
    everywhere = config(tmp_path, {"intensity": "300", "basis": "average"}, north=north)
    planned = plan_sites(
        SubmitRequest(script=str(script), power="1kW", within="6h", duration="1h"),
        SitesRequest(names=("home", "north")), everywhere, ledger=Ledger(str(tmp_path / "l")), env={},
        now_ns=START_NS,
    )  # fmt: skip
    assert planned.site == "north"  # 300 against 500 x 1.5
    assert dict(planned.promise.settings) == {
        "zone": "NO", "intensity": "300", "basis": "average", "site": "north",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, {}),
        ({"intensity": "300", "pue": "1.2"}, {"intensity": "300", "pue": "1.2"}),
    ],
)
def test_what_a_site_does_not_say_is_that_of_everywhere_or_unknown(
    tmp_path: Path, settings: dict[str, str], found: dict[str, str]
) -> None:
    kept = {"zone": "DE", "intensity": "500", "pue": "1.5", "site": "home", "offline": "yes"}
    at_east = settings_at(kept, config(tmp_path, settings), "east")
    assert at_east == {"zone": "FR", "site": "east", "offline": "yes", **found}
    at_home = settings_at({}, config(tmp_path, settings), "home")
    assert at_home == {"zone": "DE", "intensity": "500", "pue": "1.5", "site": "home"}


def test_files_of_a_site_are_kept_with_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.csv").write_text("")
    (tmp_path / "NO").write_text("")  # a zone is no file
    north = Site(name="north", zone="NO", intensity="day.csv")
    found = settings_at({}, config(tmp_path, north=north), "north")
    assert found == {"zone": "NO", "intensity": str(tmp_path / "day.csv"), "site": "north"}


def test_job_that_moves_leaves_home_s_intensity_behind_and_takes_its_own_along(case: Case) -> None:
    case.leaves(75, case.pause.exists)
    there = case.move()
    assert there is not None
    assert dict(there.promise.settings) == {"zone": "FR", "site": "east"}


def test_intensity_that_was_given_for_the_job_goes_with_it(case: Case) -> None:
    promise = replace(case.kept.promise, settings={**case.kept.promise.settings, "intensity": "300"})
    keep_site_job(case.ledger, replace(case.kept, promise=promise))
    case.leaves(75, case.pause.exists)
    there = case.move()
    assert there is not None
    assert dict(there.promise.settings) == {"zone": "FR", "site": "east", "intensity": "300"}


# When it leaves


def test_job_that_saves_as_its_request_is_taken_back_goes_on_at_the_other_site(case: Case) -> None:
    asked: list[bool] = []

    def withdrawn() -> bool:
        asked.append(case.pause.exists())
        return True in asked and not asked[-1]

    case.leaves(75, withdrawn)
    there = case.move()
    assert there is not None
    assert (there.site, there.resume) == ("east", True)
    assert (case.now().state, case.now().note) == ("moved", "left with status 75")


def test_job_that_saves_with_0_as_its_request_is_taken_back_goes_on_too(case: Case) -> None:
    asked: list[bool] = []

    def withdrawn() -> bool:
        asked.append(case.pause.exists())
        return True in asked and not asked[-1]

    case.leaves(0, withdrawn)
    there = case.move()
    assert there is not None
    assert there.resume


def test_job_that_saves_after_its_grace_is_listed_as_left_and_can_be_moved(case: Case) -> None:
    with pytest.raises(ExecutorError, match=r"job home/7 did not leave within 0\.05 s: it is left running"):
        case.move()
    assert not case.pause.exists()
    case.queue.ends(75)
    (one,) = case.listed()
    assert (one.kept.state, one.kept.resume, one.found) == ("left", True, None)
    assert listed_row(one)[2] == "LEFT"
    assert case.said[-1] == (
        "lowtide: job home/7 has saved and left with status 75; it goes on with `lowtide submit --move home/7 "
        "--site NAME`"
    )
    assert [again.kept for again in case.listed()] == [one.kept]  # and is not forgotten
    there = case.move()
    assert there is not None
    assert (there.site, there.resume, there.from_tag) == ("east", True, case.kept.tag)
    assert (case.now().state, case.now().to_site, case.now().to_tag) == ("moved", "east", there.tag)


def test_job_that_has_left_may_go_on_where_it_was(case: Case) -> None:
    with pytest.raises(InputError, match="job home/7 is at home already"):
        case.move("home")
    case.queue.ends(75)
    case.listed()
    there = case.move("home")
    assert there is not None
    assert (there.site, there.resume) == ("home", True)


def test_job_that_ended_in_another_way_has_ended(case: Case) -> None:
    case.queue.ends(1)
    assert case.listed() == []
    assert (case.now().state, case.now().note) == ("ended", "FAILED")


def test_job_whose_end_cannot_be_told_now_is_not_given_up(case: Case) -> None:
    case.queue.ends(75)
    case.queue.refuses = True
    (one,) = case.listed()
    assert (one.kept.state, case.now().state) == ("submitted", "submitted")
    assert case.said[-1].startswith("lowtide: how job home/7 ended cannot be told now: scontrol show did not")
    case.queue.refuses = False
    assert case.listed()[0].kept.state == "left"


def test_job_that_said_75_at_an_earlier_site_has_finished_with_0(case: Case) -> None:
    before = replace(case.kept, tag="lowtide-t-0", job="6", state="moved", note="left with status 75")
    keep_site_job(case.ledger, before)
    keep_site_job(case.ledger, replace(case.kept, resume=True, from_tag=before.tag))
    case.leaves(0, case.pause.exists)
    assert case.move() is None
    assert (case.now().state, case.now().note) == ("ended", "COMPLETED, status 0")
