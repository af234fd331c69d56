"""Flags over variables over files, each with its origin."""

import pytest

from lowtide.errors import ConfigError
from lowtide.runtime.config import load_config


def write(path, text):
    path.write_text(text)
    return str(path)


def test_flags_win_over_variables_over_files(tmp_path):
    path = write(tmp_path / "lowtide.toml", 'zone = "FR"\npue = 1.1\n')
    config = load_config(cwd=str(tmp_path), env={"LOWTIDE_PUE": "1.2", "LOWTIDE_CONFIG": "/nonexistent"})
    assert (config.get("zone").value, config.get("zone").origin) == ("FR", path)
    assert (config.get("pue").value, config.get("pue").origin) == ("1.2", "LOWTIDE_PUE")
    assert config.with_flags({"pue": "1.3"}).get("pue").origin == "flag"


def test_project_file_is_found_from_a_folder_below(tmp_path):
    write(tmp_path / "lowtide.toml", 'zone = "FR"\n')
    (tmp_path / "a" / "b").mkdir(parents=True)
    config = load_config(cwd=str(tmp_path / "a" / "b"), env={"LOWTIDE_CONFIG": "/nonexistent"})
    assert config.get("zone").value == "FR"


def test_project_wins_over_user(tmp_path):
    (tmp_path / "p").mkdir()
    write(tmp_path / "p" / "lowtide.toml", 'zone = "FR"\n')
    user = write(tmp_path / "user.toml", 'zone = "DE"\npue = 1.5\n')
    config = load_config(cwd=str(tmp_path / "p"), env={"LOWTIDE_CONFIG": user})
    assert config.get("zone").value == "FR"
    assert config.get("pue").origin == user


def test_site_fills_what_nobody_set(tmp_path):
    write(tmp_path / "lowtide.toml", 'zone = "FR"\n[site.west]\nzone = "US-CAL-CISO"\npue = 1.07\n')
    config = load_config(cwd=str(tmp_path), env={}).with_flags({"site": "west"})
    assert config.get("pue").value == "1.07"
    assert config.get("pue").origin == "[site.west]"
    assert config.get("zone").value == "FR"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('zoen = "FR"', "unknown setting 'zoen'; did you mean zone"),
        ("zone = [1]", "zone holds one value"),
        ("zone =", "is no TOML"),
        ("[site.x]\npeu = 1", r"\[site.x\] has an unknown key 'peu'; did you mean pue"),
        ('[site.x]\npue = "high"', "pue must be a number, got 'high'"),
    ],
)
def test_mistakes_name_the_file_and_the_key(tmp_path, text, message):
    path = write(tmp_path / "lowtide.toml", text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(cwd=str(tmp_path), env={"LOWTIDE_CONFIG": "/nonexistent"})
    assert path in str(caught.value)


def test_unknown_site_lists_the_sites(tmp_path):
    write(tmp_path / "lowtide.toml", "[site.west]\npue = 1.1\n")
    with pytest.raises(ConfigError, match="no site 'wets'; did you mean west"):
        load_config(cwd=str(tmp_path), env={}).with_flags({"site": "wets"})
