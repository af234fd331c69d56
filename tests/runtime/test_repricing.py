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


def saved(lowtide, name, *words):
    """Keep a bill of 1 kWh at the node under a name."""
    lowtide("account", "p.csv", "--boundary", "node", "--start", "2026-03-01T00:00Z", "--save", name, *words)


def facility_kwh(document):
    (run,) = document["repriced"]
    return run["facility_kwh"]


def test_pue_of_the_settings_does_not_replace_that_of_the_run(lowtide, monkeypatch):
    saved(lowtide, "a", "--intensity", "400", "--pue", "1.2")
    monkeypatch.setenv("LOWTIDE_PUE", "1.5")
    assert facility_kwh(lowtide("reprice", "a", "--intensity", "300")) == 1.2
    assert facility_kwh(lowtide("reprice", "a", "--pue", "1.1")) == 1.1


def test_pue_of_the_settings_is_taken_where_the_run_has_none(lowtide, monkeypatch):
    saved(lowtide, "a", "--intensity", "400")
    monkeypatch.setenv("LOWTIDE_PUE", "1.5")
    assert facility_kwh(lowtide("reprice", "a")) == 1.5


def test_site_that_was_asked_for_brings_its_intensity_and_its_pue_together(lowtide, tmp_path):
    saved(lowtide, "a", "--intensity", "400", "--pue", "1.2", "--market", "50")
    (tmp_path / "lowtide.toml").write_text('[site.foo]\nintensity = "100"\npue = 1.3\n')
    document = lowtide("reprice", "a", "--site", "foo")
    # 1 kWh x 1.3 x 100 g/kWh; the market account stays at 50 g/kWh, of the facility's energy now.
    assert facility_kwh(document) == 1.3
    assert (emissions(document)["location"]["g"], emissions(document)["market"]["g"]) == (130.0, 65.0)


def test_site_that_was_asked_for_brings_its_zone(lowtide, tmp_path):
    saved(lowtide, "a", "--zone", "DE", "--gaps", "typical")
    (tmp_path / "lowtide.toml").write_text('[site.foo]\nzone = "FR"\npue = 1.3\n')
    document = lowtide("reprice", "a", "--site", "foo", "--gaps", "typical")
    assert emissions(document)["location"]["intensity"]["zone"] == "FR"
    assert facility_kwh(document) == 1.3


def test_factors_alone_can_be_given_anew(lowtide):
    saved(lowtide, "a", "--zone", "DE")
    found = emissions(lowtide("reprice", "a", "--factors", "direct"))["location"]["intensity"]
    assert (found["zone"], found["factors"]) == ("DE", "direct")


def test_basis_alone_can_be_given_anew(lowtide):
    saved(lowtide, "a", "--intensity", "400")
    found = emissions(lowtide("reprice", "a", "--basis", "marginal"))
    assert (found["location"], found["marginal"]["g"]) == (None, 400.0)


def test_factors_of_the_settings_do_not_replace_those_of_the_run(lowtide, monkeypatch):
    saved(lowtide, "a", "--zone", "DE")
    monkeypatch.setenv("LOWTIDE_FACTORS", "direct")
    found = emissions(lowtide("reprice", "a"))["location"]["intensity"]
    assert found["factors"] == "lifecycle"


def test_zone_of_the_settings_does_not_replace_an_intensity_the_run_was_given(lowtide, monkeypatch):
    monkeypatch.setenv("LOWTIDE_ZONE", "DE")
    found = emissions(lowtide("reprice", "x", "--market", "20"))
    assert (found["location"]["g"], found["market"]["g"]) == (400.0, 20.0)
