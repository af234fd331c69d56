"""Every format through ``lowtide report``, on a ledger with all kinds of runs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report_views import failed_view, make_bill, make_end, make_entry, make_view, marginal_view

from lowtide.cli.main import cli
from lowtide.model.record import Gap
from lowtide.reporting.formats import FORMATS
from lowtide.reporting.view import RunView
from lowtide.stores.codec import to_plain
from lowtide.stores.ledger import Ledger
from lowtide.testing.builders import START_NS
from lowtide.units import NS_PER_S

Invoke = Callable[..., Result]

GAP = Gap(start_ns=START_NS, end_ns=START_NS + NS_PER_S, channel="rapl", reason="no reading")
RUNS = (
    make_view("done"),
    failed_view("failed"),
    make_view("killed", end=make_end(exit_code=None, signal=9)),
    make_view("gappy", entry=make_entry(make_bill(), gaps=(GAP,))),
    make_view("pue", entry=make_entry(make_bill(g=960.0, of="facility"), pue=1.2, facility_kwh=2.4)),
    make_view("bare", entry=None),
    make_view("running", entry=None, end=None),
    marginal_view("marginal"),
)


def keep(ledger: Ledger, view: RunView, *, bills: int = 1) -> None:
    """Write a run as the recorder and the biller do."""
    ledger.create(view.header)
    if view.end is not None:
        ledger.write_end(view.header.run_id, view.end)
    for _ in range(bills if view.entry is not None else 0):
        plain = to_plain(view.entry)
        plain.pop("id")
        ledger.add_entry(view.header.run_id, plain)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "ledger"))


@pytest.fixture
def report(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a call of ``lowtide report`` that raises what is not an exit."""
    monkeypatch.chdir(tmp_path)
    env = {"LOWTIDE_LEDGER": ledger.path, "LOWTIDE_JOURNAL": str(tmp_path / "journal"), "HOME": str(tmp_path),
           "XDG_CONFIG_HOME": str(tmp_path / "config")}  # fmt: skip

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["report", *arguments], env=env, catch_exceptions=False)

    return invoke


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("n", [0, 1, len(RUNS)])
def test_every_format_reports_none_one_and_many_runs_of_all_kinds(
    report: Invoke, ledger: Ledger, form: str, n: int
) -> None:
    for view in RUNS[:n]:
        keep(ledger, view)
    result = report("--format", form, "--equivalences")
    assert result.exit_code == 0
    assert result.stdout.strip()
    assert "nan" not in result.stdout.lower().replace("finance", "")
    assert "None" not in result.stdout.replace("None: every channel", "")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("view", RUNS, ids=lambda view: view.header.name)
def test_every_format_reports_every_kind_of_run_alone(
    report: Invoke, ledger: Ledger, form: str, view: RunView
) -> None:
    keep(ledger, view)
    assert report(view.header.name, "--format", form).exit_code == 0


def test_text_is_the_default_and_totals_all(report: Invoke, ledger: Ledger) -> None:
    for view in RUNS:
        keep(ledger, view)
    lines = report().stdout.splitlines()
    assert (
        "total      8 runs (1 running, 5 finished, 1 failed, 1 killed): 12.0 kWh (9.60 to 15.6) at the node in"
        in (" ".join(line for line in lines if line.startswith("total")))
    )


def test_a_run_asked_for_twice_is_reported_once(report: Invoke, ledger: Ledger) -> None:
    keep(ledger, RUNS[0])
    keep(ledger, RUNS[1])
    document = json.loads(report("done", "done", "--json").stdout)
    assert [run["name"] for run in document["runs"]] == ["done"]


def test_repriced_runs_are_reported_by_their_newest_bill(report: Invoke, ledger: Ledger) -> None:
    keep(ledger, RUNS[0], bills=2)
    assert "bills      2; this is 0002" in report("done").stdout
    assert "## Bills" in report("done", "--format", "markdown").stdout
    document = json.loads(report("done", "--format", "json").stdout)
    assert [entry["superseded_by"] for entry in document["runs"][0]["entries"]] == ["0002", None]


def test_output_goes_to_a_file_whole(report: Invoke, ledger: Ledger, tmp_path: Path) -> None:
    keep(ledger, RUNS[0])
    path = tmp_path / "report.csv"
    result = report("--format", "codecarbon-csv", "-o", str(path))
    assert (result.stdout, result.stderr) == ("", f"written to {path}\n")
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["project_name"] for row in csv.DictReader(file)] == ["done"]


def test_json_beside_a_file_says_where_it_is(report: Invoke, ledger: Ledger, tmp_path: Path) -> None:
    keep(ledger, RUNS[0])
    path = tmp_path / "report.html"
    result = report("--format", "html", "-o", str(path), "--json")
    assert json.loads(result.stdout) == {"written": str(path)}
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_damaged_run_does_not_stop_the_report_of_all(report: Invoke, ledger: Ledger) -> None:
    keep(ledger, RUNS[0])
    keep(ledger, RUNS[1])
    (Path(ledger.run_dir(RUNS[1].header.run_id)) / "end.json").write_text("{")
    result = report("--json")
    assert [run["name"] for run in json.loads(result.stdout)["runs"]] == ["done"]
    assert result.stderr.startswith("lowtide: left out: ")
