"""``lowtide estimate`` from the outside: its JSON, its words, its files, its refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lowtide.cli.main import main
from lowtide.errors import InputError, MissingExtraError
from lowtide.runtime.estimating_inputs import read_request

GPT3 = (
    "--gpus",
    "10000xV100",
    "--duration",
    "14.8d",
    "--power-per-gpu",
    "330",
    "--pue",
    "1.1",
    "--intensity",
    "429",
)


@pytest.fixture
def lowtide(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Call the command line in this process; returns (status, out, err)."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lowtide", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


def test_json_has_the_promised_keys(lowtide):
    status, out, _ = lowtide("estimate", *GPT3, "--json")
    plain = json.loads(out)
    assert status == 0
    assert plain["node_kwh"] == pytest.approx(1_172_160.0)
    assert plain["facility_kwh"] == pytest.approx(1_289_376.0)
    assert plain["low_node_kwh"] == plain["high_node_kwh"] == plain["node_kwh"]
    location = plain["emissions"]["location"]
    assert location["g"] == pytest.approx(553.142e6, rel=1e-6)
    assert (location["of"], location["covered_fraction"]) == ("facility", 1.0)
    assert location["intensity"]["mean_g_per_kwh"] == pytest.approx(429.0)
    assert [row["factor"] for row in plain["assumptions"]] == [
        "processors", "program", "speed and power", "data centre", "energy mix",
    ]  # fmt: skip
    assert len(plain["levers"]) >= 3


def test_text_ends_with_the_bigger_levers(lowtide):
    _, out, _ = lowtide("estimate", *GPT3)
    assert "1.29 GWh at the facility" in out
    assert "553 t of the facility" in out
    assert out.index("bigger levers") > out.index("carbon")


@pytest.mark.parametrize(
    "name", ["gpt-3", "GPT3", "t5", "meena", "gshard", "switch", "nas", "strubell", "bloom", "dodge"]
)
def test_cases_are_replayed(lowtide, name):
    status, out, _ = lowtide("estimate", "--case", name, "--json")
    plain = json.loads(out)
    rows = plain.get("cases", [plain])
    assert status == 0
    assert all(row["agrees"] and row["why"] and row["source"] for row in rows)


def test_case_shows_ours_theirs_and_why(lowtide):
    _, out, _ = lowtide("estimate", "--case", "gpt-3")
    assert "1.29 GWh, printed 1.29 GWh, +0.2 %" in out
    assert "printed inputs are rounded" in out
    assert "Patterson et al. 2021" in out
    _, out, _ = lowtide("estimate", "--case", "dodge")
    assert out.count("design power is an upper bound") == 11


def test_unknown_case_names_near_ones(lowtide):
    status, _, err = lowtide("estimate", "--case", "gpt-4")
    assert status == 1
    assert "did you mean gpt-3" in err


def test_init_writes_a_file_that_estimates(lowtide, tmp_path):
    for name in ("run.toml", "run.yaml"):
        assert lowtide("estimate", "--init", name)[0] == 0
        assert "#" in (tmp_path / name).read_text()
        status, out, _ = lowtide("estimate", name, "--json")
        assert status == 0
        assert json.loads(out)["pue"] == 1.2
    status, _, err = lowtide("estimate", "--init", "run.toml")
    assert status == 1
    assert "is there already and was left alone" in err
    assert lowtide("estimate", "--init", "run.txt")[0] == 1
    assert lowtide("estimate", "--init", "-")[1].startswith("# What lowtide needs")


def test_options_win_over_the_file(lowtide, tmp_path):
    (tmp_path / "run.toml").write_text('gpus = "8xV100"\nduration = "1h"\npower_per_gpu = 300\npue = 1.5\n')
    plain = json.loads(lowtide("estimate", "run.toml", "--pue", "1.1", "--duration", "2h", "--json")[1])
    assert (plain["pue"], plain["node_kwh"]) == (1.1, pytest.approx(4.8))  # 8 x 2 h x 300 W


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('gpsu = "8xV100"', "unknown key 'gpsu'; did you mean gpus"),
        ("gpus = [1]", "gpus holds one value"),
        ("embodied = 1", "embodied is true or false"),
        ('bits = "16"', "bits is a whole number"),
        ("gpus = ", "is no TOML"),
    ],
)
def test_wrong_files_are_refused(lowtide, tmp_path, text, says):
    (tmp_path / "run.toml").write_text(text)
    status, _, err = lowtide("estimate", "run.toml")
    assert status == 1
    assert says in err


def test_yaml_without_its_library_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "run.yaml").write_text("gpus: 8xV100\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match="write TOML to do without"):
        read_request(str(tmp_path / "run.yaml"))


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot_is_written(lowtide, tmp_path, ending):
    pytest.importorskip("matplotlib")
    words = ("estimate", "--params", "7B", "--tokens", "1T", "--gpus", "64xH100", "--plot", f"e.{ending}")
    assert lowtide(*words)[0] == 0
    first = (tmp_path / f"e.{ending}").read_bytes()
    assert len(first) > 5000
    assert first[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")


def test_plot_of_another_kind_is_refused(lowtide):
    status, _, err = lowtide("estimate", *GPT3, "--plot", "e.gif")
    assert status == 1
    assert "end the file in .png" in err


def test_experiments_say_what_the_final_number_leaves_out(lowtide, tmp_path):
    (tmp_path / "runs.csv").write_text(
        "name,phase,kind,count,energy_kwh,gpu_hours,power_w,kwh_per_example,examples,shared_by\n"
        "final,training,final,,100,,,,,\n"
        "grid,experiment,tuning,10,,20,500,,,\n"  # 10 x 20 h x 500 W = 100 kWh
        "eval,inference,other,,,,,0.001,50000,\n"  # 50 kWh
        "search,experiment,search,,600,,,,,6\n"  # 100 kWh of this model
    )
    status, out, _ = lowtide(
        "estimate", "--experiments", "runs.csv", "--intensity", "400", "--pue", "1.5", "--json"
    )
    plain = json.loads(out)
    assert status == 0
    assert (plain["node_kwh"], plain["total_kwh"], plain["left_out_kwh"]) == (350.0, 850.0, 250.0)
    assert plain["by_kind"]["search_kwh"] == 100.0
    assert plain["emissions"]["location"]["g"] == pytest.approx(350 * 1.5 * 400)
    assert "3.50 times as much was spent" in lowtide("estimate", "--experiments", "runs.csv")[1]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,training,final,,,,,,,", "said once"),
        ("a,train,final,,1,,,,,", "phase is 'train'"),
        ("a,training,last,,1,,,,,", "kind is 'last'"),
        ("a,training,final,,-1,,,,,", "energy of a must be 0 or more"),
        ("a,training,final,,1,,,,,0.5", "at least this one"),
        ("a,training,final,x,1,,,,,", "no number"),
    ],
)
def test_wrong_experiments_name_the_line(lowtide, tmp_path, row, says):
    header = "name,phase,kind,count,energy_kwh,gpu_hours,power_w,kwh_per_example,examples,shared_by"
    (tmp_path / "runs.csv").write_text(f"{header}\n{row}\n")
    status, _, err = lowtide("estimate", "--experiments", "runs.csv")
    assert status == 1
    assert says in err
    assert "line 2" in err


@pytest.mark.slow
def test_case_takes_at_most_four_tenths_of_a_second_of_a_processor():
    command = [sys.executable, "-m", "lowtide", "estimate", "--case", "gpt-3"]
    times = []
    for _ in range(3):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        used_s = after.children_user - before.children_user + after.children_system - before.children_system
        times.append(used_s)  # of a processor: other tests may run beside
    assert min(times) <= 0.4


def test_case_needs_no_numpy():
    code = (
        "import sys\nsys.argv = ['lowtide', 'estimate', '--case', 'gpt-3']\n"
        "from lowtide.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--lifetime-years", "0", "lifetime_years must be above 0, got 0"),
        ("--lifetime-years", "-1", "lifetime_years must be above 0, got -1"),
        ("--embodied-per-gpu", "0kg", "--embodied-per-gpu: cannot read '0' as a number above 0"),
    ],
)
def test_manufacture_that_cannot_be_is_not_replaced_by_the_usual_one(lowtide, flag, value, says):
    words = ("estimate", "--gpus", "8xV100", "--duration", "1h", "--power-per-gpu", "300", "--embodied")
    status, _, err = lowtide(*words, f"{flag}={value}")
    assert status == 1
    assert says in err


def test_yaml_takes_norway_for_a_zone_and_words_as_they_are(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "zone: NO\ngpus: 8xV100\nembodied: true\nbits: 16\npue: 1.2\nstart: 2026-03-01T00:00:00Z\nduration: 36h\n"
    )
    request, settings = read_request(str(tmp_path / "run.yaml"))
    assert settings == {"zone": "NO", "pue": "1.2"}
    assert (request.embodied, request.bits, request.start) == (True, 16, "2026-03-01T00:00:00Z")


def test_estimate_of_a_yaml_file_in_norway(lowtide, tmp_path):
    (tmp_path / "run.yaml").write_text("gpus: 8xV100\nduration: 36h\nzone: NO\n")
    status, out, err = lowtide("estimate", "run.yaml", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["emissions"]["location"]["intensity"]["zone"] == "NO"


def test_seed_below_zero_is_refused_where_it_is_used() -> None:
    from lowtide.runtime.estimating import estimate

    with pytest.raises(InputError, match="--seed -1 is no seed"):
        estimate(gpus="8xV100", duration="1h", zone="DE", draws=10, seed=-1)
