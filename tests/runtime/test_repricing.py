"""What a bill made again keeps of what the run was asked to be billed with."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli


@pytest.fixture
def lowtide(tmp_path, monkeypatch):
    """Return the command line, in a folder with a ledger that has a kept bill of 1 kWh, market at 50 g/kWh."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOWTIDE_LEDGER", str(tmp_path / "ledger"))
    (tmp_path / "p.csv").write_text("t_s,power_w\n0,1000\n3600,1000\n")

    def run(*words: str):
        done = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    run(
        "account",
        "p.csv",
        "--start",
        "2026-03-01T00:00Z",
        "--intensity",
        "400",
        "--market",
        "50",
        "--save",
        "x",
    )
    return run


def emissions(document):
    (run,) = document["repriced"]
    return run["emissions"]


def test_market_account_stays_when_the_intensity_changes(lowtide):
    found = emissions(lowtide("reprice", "x", "--intensity", "300"))
    assert (found["location"]["g"], found["market"]["g"]) == (300.0, 50.0)
    assert lowtide("verify", "x")["ok"] is True


def test_market_alone_can_be_given_anew(lowtide):
    found = emissions(lowtide("reprice", "x", "--market", "20"))
    assert (found["location"]["g"], found["market"]["g"]) == (400.0, 20.0)


def test_market_of_the_settings_does_not_replace_that_of_the_run(lowtide, monkeypatch):
    monkeypatch.setenv("LOWTIDE_MARKET", "7")
    assert emissions(lowtide("reprice", "x", "--intensity", "300"))["market"]["g"] == 50.0


def test_verify_of_a_damaged_segment_says_which(lowtide, tmp_path):
    (path,) = (tmp_path / "ledger").rglob("*.seg")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = CliRunner().invoke(cli, ["verify", "x"])
    assert done.exit_code == 1
    assert "none of its readings can be read" in str(done.exception)
    assert f"{path.name} is damaged" in str(done.exception)
