"""``runs``, ``export``, ``reprice``, ``attach`` and ``record``: limits, JSON, and words that mean nothing together."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from lowtide.cli.main import cli

LOWTIDE = [sys.executable, "-m", "lowtide"]


def called(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def ran(name: str) -> None:
    subprocess.run([*LOWTIDE, "run", "--name", name, "--quiet", "--", "true"], check=True)


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_runs_lists_at_least_one(limit: str) -> None:
    done = called("runs", "-n", limit)
    assert done.exit_code == 2
    assert "is not in the range x>=1" in done.stderr


def test_json_of_an_export_is_the_bill_and_goes_with_no_other_format() -> None:
    ran("a")
    bill = json.loads(called("export", "a", "--json").stdout)
    assert bill == json.loads(called("export", "a", "--format", "json").stdout)
    assert bill["id"] == "0001"
    assert called("export", "a").stdout.startswith("start,end,power_w")
    both = called("export", "a", "--json", "--format", "csv")
    assert both.exit_code == 2
    assert "--json is --format json" in both.stderr


def test_names_and_all_runs_are_not_repriced_together() -> None:
    done = called("reprice", "a", "--all")
    assert done.exit_code == 2
    assert "--all is all runs of the ledger: leave it out, or the names" in done.stderr


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_attach_and_record_end_with_one_json_document() -> None:
    def document(*words: str) -> dict[str, object]:
        done = subprocess.run([*LOWTIDE, *words], capture_output=True, text=True, check=True)
        found: dict[str, object] = json.loads(done.stdout)
        return found

    attached = document("attach", str(os.getpid()), "--for", "300ms", "--interval", "100ms", "--json")
    assert (attached["status"], attached["interval_s"]) == ("incomplete", 0.1)
    assert attached == json.loads(called("show", "last", "--json").stdout)
    recorded = document("record", "start", "--for", "1s", "--interval", "100ms", "--json")
    assert recorded["duration_s"] >= 1.0  # type: ignore[operator]
    assert os.path.isdir(os.path.join(str(recorded["ledger"]), "runs", str(recorded["run_id"])))
    cut = document("record", "cut", "--last", "1m", "--name", "one", "--intensity", "100", "--json")
    assert (cut["name"], cut["command"]) == ("one", [])
