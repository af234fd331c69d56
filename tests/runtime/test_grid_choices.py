"""Which intensity the settings ask for, and what of it is checked before a run."""

from __future__ import annotations

import pytest

from lowtide.errors import ConfigError, InputError, ZoneError
from lowtide.model.grid_choice import GridChoice
from lowtide.runtime.billing import check_intensity
from lowtide.runtime.config import load_config
from lowtide.runtime.grid_access import at_run_end, grid_access, is_offline, named_providers, run_end_s
from lowtide.runtime.grid_choices import grid_choice
from lowtide.runtime.repricing import reprice_run
from lowtide.runtime.saving import save_account


def config(**flags):
    return load_config().with_flags(flags)


def test_provider_that_does_not_exist_is_refused_with_near_ones():
    with pytest.raises(
        InputError, match=r"no provider 'watttme' \(a flag\); did you mean watttime\?; there are .*typical"
    ):
        grid_choice(config(zone="DE", provider="electricitymaps,watttme"))


def test_several_providers_and_imported_sources_are_named_by_commas():
    choice = grid_choice(config(zone="DE", provider="gb, file:mine,typical"))
    assert choice.provider == "gb, file:mine,typical"
    assert named_providers(choice.provider) == ("gb", "file:mine", "typical")


def test_zone_of_a_named_provider_is_taken_as_it_is():
    assert grid_choice(config(zone="GB-REGION-13", provider="gb")).zone == "GB-REGION-13"
    with pytest.raises(ZoneError, match="unknown zone 'GB-REGION-13'"):
        grid_choice(config(zone="GB-REGION-13"))


def test_marginal_without_anybody_who_has_it_is_refused():
    with pytest.raises(InputError, match="no provider of marginal intensity is configured for US-CAL-CISO"):
        grid_choice(config(zone="US-CAL-CISO", basis="marginal"))


def test_marginal_with_a_key_is_taken(monkeypatch):
    monkeypatch.setenv("LOWTIDE_WATTTIME_KEY", "user:password")
    choice = grid_choice(config(zone="US-CAL-CISO", basis="marginal"))
    assert choice.basis == "marginal"
    check_intensity(choice)  # nobody is asked before a run


def test_zone_without_typical_values_is_refused_before_a_run_unless_a_provider_has_it(monkeypatch):
    from lowtide.grid import registry

    choice = GridChoice(zone="AQ-1")
    with pytest.raises(ZoneError):
        check_intensity(choice)

    class Polar:
        name, basis, keys, requests_per_s = "polar", "average", (), 1.0
        offers = frozenset({"history"})

        def has(self, zone):
            return zone == "AQ-1"

        def ask(self, query):
            raise AssertionError("nobody is asked before a run")

    monkeypatch.setattr(registry, "load_provider", lambda name, env=None: Polar())
    monkeypatch.setattr(registry, "provider_names", lambda: ("polar", "typical"))
    monkeypatch.setenv("LOWTIDE_PROVIDER", "polar")
    check_intensity(choice)


def test_market_file_that_cannot_be_read_is_refused_before_a_run(tmp_path):
    with pytest.raises(InputError, match=r"nothing.csv"):
        check_intensity(GridChoice(zone="DE", market=str(tmp_path / "nothing.csv")))


@pytest.mark.parametrize(("word", "on"), [("1", True), ("yes", True), ("Off", False), ("0", False)])
def test_offline_is_yes_or_no(word, on):
    assert is_offline(config(offline=word)) is on
    assert (grid_access(config(offline=word)).http is None) is on


def test_offline_of_another_word_is_refused():
    with pytest.raises(ConfigError, match=r"offline 'maybe' .* is neither yes nor no"):
        is_offline(config(offline="maybe"))


def test_time_for_the_network_at_the_end_of_a_run():
    assert run_end_s(config()) == 5.0
    assert run_end_s(config(grid_timeout="2")) == 2.0
    assert run_end_s(config(grid_timeout="500ms")) == 0.5


def test_a_mistake_in_a_setting_costs_the_network_and_not_the_bill(monkeypatch, capsys):
    monkeypatch.setenv("LOWTIDE_GRID_TIMEOUT", "soon")
    with at_run_end() as access:
        assert access.http is None
    assert "the bill asks nobody" in capsys.readouterr().err


def test_zone_of_a_file_or_variable_does_not_replace_the_zone_of_a_run(tmp_path, monkeypatch):
    from lowtide.accounting.intensities import Intensities
    from lowtide.runtime.account import account
    from lowtide.stores.ledger import Ledger
    from lowtide.testing.builders import power_series

    ledger = Ledger(str(tmp_path / "ledger"))
    result = account(power_series([1000.0] * 4, step_s=900.0), Intensities())
    run_id = save_account(ledger, result, name="job", path="x", choice=GridChoice(zone="FR"))
    monkeypatch.setenv("LOWTIDE_ZONE", "DE")
    assert reprice_run(ledger, run_id, load_config()).emissions.location.intensity.zone == "FR"
    assert reprice_run(ledger, run_id, config(zone="DE")).emissions.location.intensity.zone == "DE"
    bare = save_account(ledger, result, name="bare", path="x", choice=GridChoice())
    assert reprice_run(ledger, bare, load_config()).emissions.location.intensity.zone == "DE"
    given = config(intensity="100")
    assert reprice_run(ledger, run_id, given).emissions.location.g == pytest.approx(100.0)
