"""What is known of a job that leaves and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.errors import StoreError
from lowtide.model.run_plan import Promise
from lowtide.runtime.submitting_goes import Goes, keep_plan, kept_plans, merged, read_progress, without
from lowtide.stores.ledger import Ledger

S = 10**9
PLAN = Promise(made_ns=0, runs_ns=((0, 5),), edges_ns=(0, 10), intensity_g_per_kwh=(100.0,))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


def began(goes: Goes, number: int, at_s: float) -> None:
    goes.note("began", at_ns=round(at_s * S))
    goes.list[-1].number = number


def left(goes: Goes, at_s: float, status: int, *, asked: bool = False, watched: bool = False) -> None:
    goes.note("left", at_ns=round(at_s * S), status=status, asked=int(asked), watched=int(watched))


def test_work_done_is_that_of_goes_that_saved_and_of_the_one_that_runs(ledger: Ledger) -> None:
    goes = Goes(ledger, "7")
    for begin_s, end_s, status, asked in ((0, 3, 0, True), (20, 25, 1, False), (30, 40, 75, True)):
        began(goes, 0, begin_s)
        left(goes, end_s, status, asked=asked, watched=True)
    began(goes, 3, 50.0)
    # 3 s saved (0 when asked), 5 s lost, 10 s saved, 4 s of the one that runs
    assert goes.done_s(100.0, 54 * S) == 17.0
    assert goes.runs_ns(54 * S) == [(0, 3 * S), (20 * S, 25 * S), (30 * S, 40 * S), (50 * S, 54 * S)]
    again = Goes(ledger, "7")
    assert again.done_s(100.0, 54 * S) == 17.0
    (Path(goes.folder) / "progress").write_text("1/2\n")
    assert again.done_s(100.0, 54 * S) == 50.0  # what the job tells comes first


def test_0_of_a_job_that_was_asked_is_a_save_only_where_it_could_hear_and_never_said_75(
    ledger: Ledger,
) -> None:
    goes = Goes(ledger, "7")
    began(goes, 0, 0.0)
    left(goes, 1.0, 0, asked=True)  # deaf
    began(goes, 1, 10.0)
    left(goes, 11.0, 0, asked=True, watched=True)
    began(goes, 2, 20.0)
    goes.note("signal", at_ns=21 * S, name="USR1")
    left(goes, 22.0, 0, asked=True)
    began(goes, 3, 30.0)
    left(goes, 31.0, 0, watched=True)  # it could have heard, and was not asked
    began(goes, 4, 40.0)
    left(goes, 41.0, 75)
    began(goes, 5, 50.0)
    left(goes, 51.0, 0, asked=True, watched=True)
    assert [go.saved for go in Goes(ledger, "7").list] == [False, True, True, False, True, False]


def test_what_was_asked_belongs_to_the_go_that_runs(ledger: Ledger) -> None:
    goes = Goes(ledger, "7")
    assert (goes.now, goes.is_done()) == (None, False)
    began(goes, 0, 0.0)
    goes.note("asked", at_ns=5 * S, why="so")
    assert goes.now is not None
    assert goes.now.asked_ns == 5 * S
    goes.note("withdrawn", at_ns=6 * S)
    assert Goes(ledger, "7").list[-1].refused
    left(goes, 7.0, 0)
    assert goes.now is None
    goes.note("requeue", at_ns=8 * S, begin_ns=20 * S)
    began(goes, 1, 21.0)
    assert (goes.list[0].begin_ns, goes.list[1].asked_ns, goes.list[1].refused) == (20 * S, None, False)


def test_only_one_of_two_askers_asks(ledger: Ledger) -> None:
    one, two = Goes(ledger, "7"), Goes(ledger, "7")
    assert (one.ask(), two.ask()) == (True, False)
    two.withdraw()
    two.withdraw()
    assert one.ask()


def test_failures_in_a_row_end_with_one_that_saved(ledger: Ledger) -> None:
    goes = Goes(ledger, "7")
    for i, status in enumerate((1, 75, 1, 2)):
        began(goes, i, 10.0 * i)
        left(goes, 10.0 * i + 1.0, status)
    assert goes.failed_in_a_row() == 2


def test_line_cut_short_or_of_something_else_says_nothing(ledger: Ledger) -> None:
    goes = Goes(ledger, "7")
    began(goes, 0, 1.0)
    with open(Path(goes.folder) / "goes.jsonl", "a") as file:
        file.write('[1]\n{"at_ns": 5, "act": "left", "go": 0, "sta')
    assert Goes(ledger, "7").now is not None


def test_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    goes = Goes(Ledger(str(tmp_path / "file")), "7")
    with pytest.raises(StoreError, match=r"cannot write .*goes\.jsonl: Not a directory"):
        goes.note("asked", at_ns=1)
    with pytest.raises(StoreError, match=r"cannot write .*pause: Not a directory"):
        goes.ask()
    with pytest.raises(StoreError, match="cannot write "):
        keep_plan(goes.folder, PLAN, before_half=True)


@pytest.mark.parametrize(
    ("text", "share"),
    [("420/1000\n", 0.42), ("0.42", 0.42), ("1", 1.0), ("", None), ("x", None), ("1/0", None), ("3/2", None),
     ("nan", None), ("-1", None)],
)  # fmt: skip
def test_progress_is_read_as_jobs_write_it(tmp_path: Path, text: str, share: float | None) -> None:
    path = tmp_path / "progress"
    path.write_text(text)
    assert read_progress(str(path)) == share
    assert read_progress(str(tmp_path / "none")) is None


def test_first_half_and_last_plan_are_kept(tmp_path: Path) -> None:
    from dataclasses import replace

    folder = str(tmp_path / "7")
    assert kept_plans(folder) == {}
    for made_ns, before_half in ((1, True), (2, True), (3, False)):
        keep_plan(folder, replace(PLAN, made_ns=made_ns), before_half=before_half)
    assert {name: plan.made_ns for name, plan in kept_plans(folder).items()} == {
        "first": 1,
        "half": 2,
        "last": 3,
    }
    (tmp_path / "7" / "plans.json").write_text("[]")
    assert kept_plans(folder) == {}


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


@given(spans=SPANS, taken=SPANS)
def test_stretches_without_others_have_every_instant_that_is_in_these_alone(
    spans: list[tuple[int, int]], taken: list[tuple[int, int]]
) -> None:
    ours, theirs = merged(spans), merged(taken)
    found = without(ours, theirs)

    def instants(some: tuple[tuple[int, int], ...]) -> set[int]:
        return {t for a, b in some for t in range(a, b)}

    assert instants(ours) == {t for a, b in spans for t in range(a, b)}
    assert instants(found) == instants(ours) - instants(theirs)
