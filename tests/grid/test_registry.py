"""Which providers there are, which are configured, and in which order they are asked."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from loopback import HourlyProvider

from lowtide.errors import InputError
from lowtide.grid import registry
from lowtide.grid.keys import KeyRing
from lowtide.grid.registry import BUILT_IN, candidates, load_provider, provider_names, states

ROOT = Path(__file__).resolve().parents[2]


def ring(**env):
    return KeyRing(env, path="/nowhere/keys.toml", use_keyring=False)


def names(zone="DE", basis="average", named=(), **env):
    return [p.name for p in candidates(zone, basis, named=named, keys=ring(**env), env=env)]


def test_entry_points_of_the_package_are_the_built_in_ones():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["lowtide.providers"] == BUILT_IN


@pytest.mark.parametrize("name", [n for n in provider_names() if n != "typical"])
def test_every_provider_loads_under_its_name(name):
    provider = load_provider(name)
    assert provider.name == name
    assert provider.basis in ("average", "marginal")
    assert provider.requests_per_s > 0.0


def test_no_provider_is_configured_by_itself():
    assert names() == []


def test_provider_with_a_key_is_configured():
    assert names(LOWTIDE_ELECTRICITYMAPS_KEY="k") == ["electricitymaps"]


def test_provider_without_a_key_is_asked_only_when_it_is_named():
    assert names("GB") == []
    assert names("GB", named=("gb",)) == ["gb"]


def test_named_ones_come_first_in_their_order():
    env = {"LOWTIDE_ELECTRICITYMAPS_KEY": "k"}
    assert names(**env, named=("energy-charts",)) == ["energy-charts", "electricitymaps"]
    assert names(**env, named=("electricitymaps-v3",)) == ["electricitymaps-v3", "electricitymaps"]


def test_named_one_without_its_key_is_not_asked():
    assert names(named=("electricitymaps",)) == []


def test_typical_ends_the_list():
    assert names(named=("typical",), LOWTIDE_ELECTRICITYMAPS_KEY="k") == []


def test_only_those_with_the_zone_and_the_basis():
    env = {"LOWTIDE_EIA_KEY": "k", "WATTTIME_USER": "u", "WATTTIME_PASSWORD": "p"}
    assert names("DE", **env) == []
    assert names("US-CAL-CISO", **env) == ["eia"]
    assert names("US-CAL-CISO", "marginal", **env) == ["watttime"]


def test_unknown_name_is_refused_with_near_ones():
    with pytest.raises(InputError, match=r"no provider 'electricitymap'; did you mean electricitymaps"):
        names(named=("electricitymap",))


def test_address_of_a_provider_can_be_set():
    assert load_provider("gb", env={"LOWTIDE_GB_URL": "http://127.0.0.1:9/"}).base_url == "http://127.0.0.1:9"
    assert load_provider("gb", env={}).base_url.startswith("https://")


def test_states_say_what_is_missing():
    found = {state.name: state for state in states(keys=ring(EIA_API_KEY="k"), env={})}
    assert (found["eia"].configured, found["eia"].key_from) == (True, "EIA_API_KEY")
    assert found["entsoe"].advice.startswith("set LOWTIDE_ENTSOE_KEY; get one at https://")
    assert "no key needed: name it, --provider gb" in found["gb"].advice


class FakePoint:
    """An entry point."""

    def __init__(self, load):
        self.load = load


def plug(monkeypatch, **points):
    monkeypatch.setattr(
        "lowtide.plugins.find_plugins", lambda group: {n: FakePoint(f) for n, f in points.items()}
    )


def test_provider_of_another_package_is_found(monkeypatch):
    plug(monkeypatch, theirs=lambda: HourlyProvider)
    assert load_provider("theirs").title == "Hourly"
    assert "theirs" in provider_names()


def test_broken_provider_of_another_package_does_not_hide_the_rest(monkeypatch):
    def broken():
        raise RuntimeError("no such library")

    plug(monkeypatch, theirs=broken)
    found = {state.name: state for state in states(keys=ring(), env={})}
    assert found["theirs"].problem == "the provider theirs cannot be loaded: RuntimeError: no such library"
    assert found["gb"].provider is not None


def test_file_of_keys_that_others_may_read_is_told_beside_the_provider(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text('eia = "k"\n')
    path.chmod(0o644)
    found = {s.name: s for s in states(keys=KeyRing({}, path=str(path), use_keyring=False), env={})}
    assert "chmod 600" in found["eia"].problem
    assert not found["eia"].configured


def test_names_are_told_without_loading(monkeypatch):
    monkeypatch.setattr(registry, "import_module", None)
    assert provider_names()[-1] == "typical"
