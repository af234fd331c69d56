"""Flags over variables over files, each with its origin."""

import pytest

from lowtide.errors import ConfigError
from lowtide.runtime.config import Config, load_config
from lowtide.runtime.site_tables import read_sites


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


WEST = 'zone = "FR"\npue = 1.5\n[site.west]\nzone = "US-CAL-CISO"\npue = 1.07\n[site.east]\nzone = "PL"\n'


def test_site_of_a_flag_beats_files_and_variables_and_a_flag_beats_the_site(tmp_path):
    write(tmp_path / "lowtide.toml", WEST)
    config = load_config(cwd=str(tmp_path), env={"LOWTIDE_ZONE": "DE"})
    west = config.with_flags({"site": "west"})
    assert (west.get("pue").value, west.get("pue").origin) == ("1.07", "[site.west]")
    assert west.get("zone").value == "US-CAL-CISO"
    assert config.with_flags({"site": "west", "zone": "SE"}).get("zone").value == "SE"


def test_another_site_takes_nothing_from_the_first(tmp_path):
    write(tmp_path / "lowtide.toml", WEST)
    east = load_config(cwd=str(tmp_path), env={}).with_flags({"site": "west"}).with_flags({"site": "east"})
    assert (east.get("zone").value, east.get("pue").value) == ("PL", "1.5")


def test_site_of_a_variable_beats_files_and_not_variables(tmp_path):
    write(tmp_path / "lowtide.toml", WEST)
    env = {"LOWTIDE_SITE": "west", "LOWTIDE_PUE": "1.2"}
    config = load_config(cwd=str(tmp_path), env=env).with_flags({})
    assert (config.get("zone").value, config.get("pue").value) == ("US-CAL-CISO", "1.2")


def test_site_of_a_file_ranks_as_that_file(tmp_path):
    user = write(tmp_path / "user.toml", 'zone = "DE"\npue = 1.9\n')
    write(
        tmp_path / "lowtide.toml", 'default_site = "west"\npue = 1.3\n[site.west]\nzone = "SE"\npue = 1.1\n'
    )
    config = load_config(cwd=str(tmp_path), env={"LOWTIDE_CONFIG": user}).with_flags({})
    assert config.get("zone").value == "SE"  # over the user's file
    assert config.get("pue").value == "1.3"  # what the file says itself comes first
    assert config.get("site").value == "west"


def test_site_beside_its_tables_is_told_the_spelling_that_works(tmp_path):
    write(tmp_path / "lowtide.toml", 'site = "a"\n[site.a]\nzone = "SE"\n')
    with pytest.raises(ConfigError, match=r'is no TOML: .* is chosen with default_site = "NAME"'):
        load_config(cwd=str(tmp_path), env={"LOWTIDE_CONFIG": "/nonexistent"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('zoen = "FR"', "unknown setting 'zoen'; did you mean zone"),
        ("zone = [1]", "zone holds one value"),
        ("zone =", "is no TOML"),
        ("[site.x]\npeu = 1", r"\[site.x\] has an unknown key 'peu'; did you mean pue"),
        ('[site.x]\npue = "high"', "pue must be a number or a file like pue.csv, got 'high'"),
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


def test_values_given_earlier_rank_as_flags_under_their_own_origin(tmp_path):
    write(tmp_path / "lowtide.toml", WEST)
    config = load_config(cwd=str(tmp_path), env={"LOWTIDE_PUE": "1.2"})
    setting = config.with_flags({"pue": "1.3"}, origin="the promise").get("pue")
    assert (setting.value, setting.origin) == ("1.3", "the promise")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("power = 0", "power 0 must be above 0"),
        ("throughput = -1.0", "throughput -1 must be above 0"),
        ("power = nan", "power nan must be a finite number"),
        ("embodied_kg = -1", "embodied_kg -1 must not be negative"),
        ("lifetime_years = 0", "lifetime_years 0 must be above 0"),
        ("utilization = 85", "utilization 85 must be above 0 and at most 1; write 85% as 0.85"),
    ],
)
def test_numbers_of_a_site_that_cannot_be_are_refused(tmp_path, line, message):
    path = write(tmp_path / "lowtide.toml", f"[site.west]\n{line}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(cwd=str(tmp_path), env={"LOWTIDE_CONFIG": "/nonexistent"})
    assert str(refused.value) == f"{path}: [site.west]: {message}"


@pytest.mark.parametrize("key", ["power", "throughput"])
def test_site_of_a_plan_without_power_or_speed_is_refused(tmp_path, key):
    path = write(tmp_path / "sites.toml", f'[site.west]\nzone = "FR"\n{key} = 0\n')
    with pytest.raises(ConfigError) as refused:
        read_sites(path, Config(settings={}, sites={}))
    assert str(refused.value) == f"{path}: [site.west]: {key} 0 must be above 0"
