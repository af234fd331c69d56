"""A provider that is named is used, or refused, or its stand-in is said; never passed over in silence."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.errors import InputError
from lowtide.model.grid_choice import GridChoice
from lowtide.runtime.billing import check_intensity
from lowtide.runtime.config import load_config
from lowtide.runtime.grid_choices import grid_choice
from lowtide.runtime.grid_named import unused_words
from lowtide.runtime.prepare import RunOptions, make_header


def config(**flags):
    return load_config().with_flags(flags)


def lowtide(*words: str):
    return CliRunner().invoke(cli, list(words))


@pytest.fixture
def log(tmp_path):
    """One hour at 1 kW: 1 kWh."""
    path = tmp_path / "p.csv"
    path.write_text("t_s,power_w\n0,1000\n3600,1000\n")
    return str(path)


def test_provider_of_a_flag_without_its_key_is_refused_with_the_variable():
    with pytest.raises(InputError, match=r"electricitymaps cannot be used: set LOWTIDE_ELECTRICITYMAPS_KEY"):
        grid_choice(config(zone="DE", provider="electricitymaps"))


def test_marginal_provider_is_no_average():
    with pytest.raises(InputError, match=r"watttime has marginal intensity .* pass --basis marginal"):
        grid_choice(config(zone="US-CAL-CISO", provider="watttime"))
    with pytest.raises(InputError, match="watttime cannot be used: set LOWTIDE_WATTTIME"):
        grid_choice(config(zone="US-CAL-CISO", provider="watttime", basis="marginal"))


def test_provider_of_a_flag_that_does_not_cover_the_zone_is_refused():
    with pytest.raises(InputError, match="gb does not cover DE"):
        grid_choice(config(zone="DE", provider="gb"))


def test_provider_that_can_be_used_is_taken_with_the_marginal_one_beside_it(monkeypatch):
    monkeypatch.setenv("LOWTIDE_ELECTRICITYMAPS_KEY", "k")
    monkeypatch.setenv("LOWTIDE_WATTTIME_KEY", "user:password")
    choice = grid_choice(config(zone="US-CAL-CISO", provider="electricitymaps,watttime"))
    assert unused_words(choice, config()) == []


def test_provider_of_a_file_is_stood_in_for_and_that_is_said(tmp_path, monkeypatch, log):
    (tmp_path / "lowtide.toml").write_text('provider = "electricitymaps"\nzone = "DE"\n')
    monkeypatch.chdir(tmp_path)
    said = "electricitymaps cannot be used: set LOWTIDE_ELECTRICITYMAPS_KEY"
    now = lowtide("grid", "now", "--json")
    assert now.exit_code == 0
    assert said in now.stderr
    assert any(said in problem for problem in json.loads(now.stdout)["problems"])
    planned = lowtide("plan", "--duration", "1h", "--power", "1kW", "--within", "4h", "--json")
    assert said in planned.stderr
    assert said in json.loads(planned.stdout)["problems"][0]
    done = lowtide("account", log, "--start", "2026-03-01T00:00Z", "--json")
    assert done.exit_code == 0
    assert said in done.stderr
    assert said in json.loads(done.stdout)["emissions"]["location"]["intensity"]["source"]


def test_grid_now_and_plan_and_account_refuse_what_a_flag_names_and_nobody_can_ask(log):
    flags = "--zone", "DE", "--provider", "electricitymaps"
    for words in (
        ("grid", "now"),
        ("plan", "--duration", "1h", "--power", "1kW", "--within", "4h"),
        ("account", log, "--start", "2026-03-01T00:00Z"),
    ):
        done = lowtide(*words, *flags)
        assert done.exit_code == 1, (words, done.output)
        assert "set LOWTIDE_ELECTRICITYMAPS_KEY" in str(done.exception)


@pytest.fixture
def imported(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("ts_utc,DE\n2026-03-01T00:00Z,400\n2026-03-01T01:00Z,400\n")
    assert lowtide("grid", "import", str(path), "--name", "mine").exit_code == 0


def test_imported_file_does_not_stand_in_for_a_provider_that_a_flag_names(imported, log, monkeypatch):
    start = "--start", "2026-03-01T00:00Z", "--json"
    plain = json.loads(lowtide("account", log, "--zone", "DE", *start).stdout)
    assert plain["emissions"]["location"]["g"] == 400.0  # 1 kWh at 400 g/kWh
    named = lowtide("account", log, "--zone", "DE", "--provider", "file:mine", *start)
    assert json.loads(named.stdout)["emissions"]["location"]["g"] == 400.0
    monkeypatch.setenv("LOWTIDE_ELECTRICITYMAPS_KEY", "k")
    monkeypatch.setenv("LOWTIDE_OFFLINE", "yes")
    other = lowtide("account", log, "--zone", "DE", "--provider", "electricitymaps", *start)
    bill = json.loads(other.stdout)["emissions"]["location"]
    assert bill["status_fractions"]["typical"] == 1.0
    assert "mine" not in bill["intensity"]["source"]


def test_file_source_without_the_zone_is_refused(imported):
    with pytest.raises(InputError, match="file:mine holds no average values of FR"):
        grid_choice(config(zone="FR", provider="file:mine"))


def test_provider_of_a_flag_beats_a_file_of_the_settings(tmp_path, monkeypatch):
    (tmp_path / "lowtide.toml").write_text('intensity = "300"\nzone = "DE"\n')
    monkeypatch.chdir(tmp_path)
    assert grid_choice(config()).intensity == "300"
    assert grid_choice(config(provider="typical")).intensity is None


def test_run_never_fails_for_a_provider_and_says_what_stands_in(tmp_path):
    words = unused_words(GridChoice(zone="DE", provider="electricitymaps", provider_from="flag"), config())
    assert words == [
        "electricitymaps cannot be used: set LOWTIDE_ELECTRICITYMAPS_KEY; get one at "
        "https://portal.electricitymaps.com (a flag names it); typical intensity stands in"
    ]
    header, remarks = make_header(
        RunOptions(command=("true",)),
        config(zone="DE", provider="electricitymaps"),
        check_intensity=check_intensity,
    )
    assert words[0] in remarks
    assert header.grid.provider == "electricitymaps"
