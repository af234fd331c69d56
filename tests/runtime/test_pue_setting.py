"""A PUE that is a file, through the commands that bill."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.errors import CoverageError, DataFileError, QuantityError
from lowtide.runtime.account import account
from lowtide.runtime.config import Setting
from lowtide.runtime.pue import pue_number, pue_of
from lowtide.testing.builders import power_series

START = "2026-03-01T00:00Z"


def lowtide(*words: str):
    return CliRunner().invoke(cli, list(words))


@pytest.fixture
def files(tmp_path):
    """1 kW for two hours; PUE 1.2, then 1.6; 100, then 300 g/kWh."""
    (tmp_path / "p.csv").write_text("t_s,power_w\n" + "".join(f"{t},1000\n" for t in range(0, 7201, 1800)))
    (tmp_path / "pue.csv").write_text("time,pue\n2026-03-01T00:00Z,1.2\n2026-03-01T01:00Z,1.6\n")
    (tmp_path / "grid.csv").write_text("ts_utc,XX\n2026-03-01T00:00Z,100\n2026-03-01T01:00Z,300\n")
    return tmp_path


def words(files, *more):
    return ("account", str(files / "p.csv"), "--start", START, "--intensity", str(files / "grid.csv"), *more)


def test_account_takes_a_file_and_says_mean_and_source(files):
    done = lowtide(*words(files, "--pue", str(files / "pue.csv"), "--json"))
    assert done.exit_code == 0, done.output
    plain = json.loads(done.stdout)
    assert plain["facility_kwh"] == pytest.approx(2.8, rel=1e-12)  # 1.2 + 1.6
    assert plain["pue"] == pytest.approx(1.4, rel=1e-12)
    assert plain["pue_source"] == "file pue.csv (a flag)"
    assert plain["emissions"]["location"]["g"] == pytest.approx(600.0, rel=1e-12)  # 1.2 x 100 + 1.6 x 300
    assert plain["emissions"]["location"]["of"] == "facility"
    text = lowtide(*words(files, "--pue", str(files / "pue.csv"))).stdout
    assert "with PUE 1.4 on average by energy; file pue.csv (a flag)" in text


def test_kept_bill_can_be_verified_and_repriced_after_the_file_is_gone(files):
    ledger = "--ledger", str(files / "ledger")
    kept = lowtide(*words(files, "--pue", str(files / "pue.csv"), "--save", "x", *ledger))
    assert kept.exit_code == 0, kept.output
    (files / "pue.csv").unlink()
    shown = json.loads(lowtide("show", "x", "--json", *ledger).stdout)
    assert (shown["pue"], shown["facility_kwh"]) == (pytest.approx(1.4), pytest.approx(2.8))
    assert json.loads(lowtide("verify", "x", "--json", *ledger).stdout)["ok"] is True
    again = lowtide("reprice", "x", "--intensity", "200", *ledger, "--json")
    (run,) = json.loads(again.stdout)["repriced"]
    assert run["emissions"]["location"]["g"] == pytest.approx(560.0)  # 2.8 kWh x 200
    assert json.loads(lowtide("verify", "x", "--json", *ledger).stdout)["ok"] is True


def test_reprice_takes_a_file(files):
    ledger = "--ledger", str(files / "ledger")
    lowtide(*words(files, "--save", "x", *ledger))
    again = lowtide("reprice", "x", "--pue", str(files / "pue.csv"), *ledger, "--json")
    (run,) = json.loads(again.stdout)["repriced"]
    assert run["emissions"]["location"]["g"] == pytest.approx(600.0)


def test_file_that_does_not_cover_is_refused_or_billed_in_part(files):
    (files / "short.csv").write_text("time,pue\n2026-02-28T23:00Z,1.5\n2026-03-01T00:00Z,1.2\n")
    done = lowtide(*words(files, "--pue", str(files / "short.csv")))
    assert isinstance(done.exception, CoverageError)
    assert "--gaps partial" in str(done.exception)
    part = json.loads(
        lowtide(*words(files, "--pue", str(files / "short.csv"), "--gaps", "partial", "--json")).stdout
    )
    assert part["facility_kwh"] is None
    assert part["emissions"]["location"]["g"] == pytest.approx(120.0)
    assert part["emissions"]["location"]["covered_fraction"] == pytest.approx(0.5)


def test_python_takes_a_path(files):
    result = account(power_series([1000.0, 1000.0], step_s=3600.0), 100.0, pue=files / "pue.csv")
    assert (result.facility_kwh, result.emissions.location.g) == (pytest.approx(2.8), pytest.approx(280.0))


def test_what_is_neither_number_nor_file_is_refused(files):
    with pytest.raises(QuantityError, match=r"'often' \(a flag\) is no number and no file"):
        pue_of(Setting(value="often", origin="flag"))
    with pytest.raises(DataFileError, match="no such file of a PUE"):
        pue_of(Setting(value=str(files / "none.csv"), origin="flag"))
    with pytest.raises(QuantityError, match="cannot be"):
        pue_of(Setting(value="0.9", origin="flag"))


def test_estimate_refuses_a_series_and_says_what_works(files):
    with pytest.raises(
        QuantityError, match=r"an estimate has no hours to lay it on; give its mean, like --pue 1.2"
    ):
        pue_number(str(files / "pue.csv"), what="an estimate")
    done = lowtide("estimate", "--gpus", "8xV100", "--duration", "1h", "--pue", str(files / "pue.csv"))
    assert done.exit_code == 1
    assert "give its mean" in str(done.exception)


def test_site_table_holds_a_file(files, monkeypatch):
    (files / "lowtide.toml").write_text('[site.a]\npue = "pue.csv"\n')
    monkeypatch.chdir(files)
    plain = json.loads(lowtide(*words(files, "--site", "a", "--json")).stdout)
    assert plain["pue"] == pytest.approx(1.4)
    assert plain["pue_source"] == "file pue.csv (from [site.a])"
