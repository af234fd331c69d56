"""Where keys come from, and who may read them."""

from __future__ import annotations

import os
import sys
import types

import pytest

from lowtide.doors import Key
from lowtide.errors import AccessError
from lowtide.grid.keys import KeyRing, keys_file, variables_of

EM = Key(name="electricitymaps", where="https://portal.electricitymaps.com")
WATTTIME = Key(name="watttime", where="https://watttime.org")


def ring(env=None, path="/nowhere/keys.toml", use_keyring=False):
    return KeyRing(env or {}, path=str(path), use_keyring=use_keyring)


def found(keys, provider, key):
    one = keys.find(provider, key)
    return None if one is None else (one.secret.reveal(), one.origin)


@pytest.fixture
def private(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text('electricitymaps = "file-key"\n[watttime]\nuser = "me"\npassword = "pw:1"\n')
    path.chmod(0o600)
    return path


def test_own_variable_comes_before_the_usual_one():
    env = {"LOWTIDE_ELECTRICITYMAPS_KEY": "own", "ELECTRICITYMAPS_API_KEY": "usual"}
    assert found(ring(env), "electricitymaps", EM) == ("own", "LOWTIDE_ELECTRICITYMAPS_KEY")
    del env["LOWTIDE_ELECTRICITYMAPS_KEY"]
    assert found(ring(env), "electricitymaps", EM) == ("usual", "ELECTRICITYMAPS_API_KEY")


def test_older_api_of_a_service_takes_the_same_key():
    assert found(ring({"LOWTIDE_ELECTRICITYMAPS_KEY": "k"}), "electricitymaps-v3", EM) == (
        "k",
        "LOWTIDE_ELECTRICITYMAPS_KEY",
    )


def test_user_and_password_make_one_key():
    env = {"WATTTIME_USER": "me", "WATTTIME_PASSWORD": "pw"}
    assert found(ring(env), "watttime", WATTTIME) == ("me:pw", "WATTTIME_USER and WATTTIME_PASSWORD")
    assert ring({"WATTTIME_USER": "me"}).find("watttime", WATTTIME) is None


def test_nothing_set_is_none():
    assert ring().find("electricitymaps", EM) is None


def test_names_of_variables():
    assert variables_of("my-grid", Key(name="my-grid", where="x")) == ("LOWTIDE_MY_GRID_KEY",)
    assert variables_of("my-grid", Key(name="user", where="x")) == ("LOWTIDE_MY_GRID_USER",)
    assert variables_of("my-grid", Key(name="MY_TOKEN", where="x")) == (
        "LOWTIDE_MY_GRID_MY_TOKEN",
        "MY_TOKEN",
    )


def test_private_file_is_read(private):
    keys = ring(path=private)
    assert found(keys, "electricitymaps", EM) == ("file-key", str(private))
    assert found(keys, "watttime", WATTTIME) == ("me:pw:1", str(private))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_file_that_others_may_read_is_refused_with_the_remedy(private, mode):
    private.chmod(mode)
    with pytest.raises(AccessError, match=f"others may read the keys in {private}; run: chmod 600 {private}"):
        ring(path=private).find("electricitymaps", EM)


def test_variable_needs_no_file(private):
    private.chmod(0o644)
    assert found(ring({"LOWTIDE_ELECTRICITYMAPS_KEY": "k"}, private), "electricitymaps", EM) is not None


def test_file_that_is_no_toml_is_refused_without_quoting_it(private):
    private.write_text("electricitymaps = canary-key\n")
    with pytest.raises(AccessError, match='is no TOML; write lines like electricitymaps = "KEY"') as caught:
        ring(path=private).find("electricitymaps", EM)
    assert "canary" not in f"{caught.value} {caught.value.__cause__}"


def test_file_of_keys_is_named_by_a_variable():
    assert keys_file({"LOWTIDE_KEYS": "/k.toml"}) == "/k.toml"
    assert keys_file({}).endswith(os.path.join("lowtide", "keys.toml"))


class FakeKeyringError(Exception):
    """What keyring raises."""


def fake_keyring(monkeypatch, get_password):
    module = types.ModuleType("keyring")
    module.get_password = get_password
    module.errors = types.SimpleNamespace(KeyringError=FakeKeyringError)
    monkeypatch.setitem(sys.modules, "keyring", module)


def test_keyring_comes_between_environment_and_file(monkeypatch, private):
    fake_keyring(monkeypatch, lambda service, name: f"{service}/{name}")
    keys = ring(path=private, use_keyring=True)
    assert found(keys, "electricitymaps-v3", EM) == ("lowtide/electricitymaps", "keyring")


def test_locked_keyring_leaves_the_file(monkeypatch, private):
    def locked(service, name):
        raise FakeKeyringError("locked")

    fake_keyring(monkeypatch, locked)
    assert found(ring(path=private, use_keyring=True), "electricitymaps", EM) == ("file-key", str(private))


def test_keyring_that_is_not_installed_leaves_the_file(monkeypatch, private):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert found(ring(path=private, use_keyring=True), "electricitymaps", EM) == ("file-key", str(private))


def test_advice_names_variable_file_and_place():
    text = ring(path="/c/keys.toml").advice("electricitymaps", EM)
    assert text == (
        "set LOWTIDE_ELECTRICITYMAPS_KEY (or put it into /c/keys.toml); get one at https://portal.electricitymaps.com"
    )
