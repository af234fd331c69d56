"""The grid commands: JSON, tables, files and pictures, without any network but this machine's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from grid_truth import Truth, true_series, truth_g_per_kwh
from loopback import CANARY, HOUR_NS, Loopback, Reply, loopback

from lowtide.cli.main import cli
from lowtide.grid import registry
from lowtide.grid.files import read_intensity
from lowtide.testing.builders import START_NS

TWO_HOURS = ("--start", "2026-03-01T00:00Z", "--end", "2026-03-01T02:00Z")
DAY = ("--start", "2026-03-01T00:00Z", "--end", "2026-03-02T00:00Z")


@pytest.fixture
def truth():
    return Truth()


@pytest.fixture
def server(truth, monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "hourly", "loopback:HourlyProvider")
    monkeypatch.setenv("LOWTIDE_HOURLY_KEY", CANARY)
    with loopback(truth.answer) as running:
        monkeypatch.setenv("LOWTIDE_HOURLY_URL", running.url)
        yield running


def grid(*words: str, code: int = 0):
    done = CliRunner().invoke(cli, ["grid", *words], catch_exceptions=code != 0)
    if code == 0:
        assert done.exit_code == 0, done.output
    return done


def grid_json(*words: str):
    return json.loads(grid(*words, "--json").stdout)


def values(series):
    return [step["g_per_kwh"] for step in series["steps"]]


def test_now_without_a_provider_is_typical():
    found = grid_json("now", "--zone", "DE")
    assert (found["zone"], found["status"], found["provider"], found["problems"]) == (
        "DE",
        "typical",
        "typical",
        [],
    )
    assert 100 < found["g_per_kwh"] < 900
    assert "g/kWh (typical)" in grid("now", "--zone", "DE").stdout


def test_now_of_a_provider(server: Loopback):
    found = grid_json("now", "--zone", "DE")
    assert (found["provider"], found["status"], found["source"]) == ("hourly", "measured", "Hourly")
    assert {asked.path for asked in server.asked} == {"/latest"}


def test_now_asks_once_in_five_minutes(server: Loopback, truth):
    assert grid_json("now", "--zone", "DE") == grid_json("now", "--zone", "DE")
    assert truth.n_asked == 1


def test_now_needs_a_zone():
    done = grid("now", code=1)
    assert "which zone? give --zone DE" in str(done.exception)


def test_history_of_a_provider_as_json(server: Loopback):
    (found,) = grid_json("history", "--zone", "DE", *DAY)["series"]
    assert values(found) == [truth_g_per_kwh(START_NS + i * HOUR_NS) for i in range(24)]
    assert found["steps"][0] == {
        "start": "2026-03-01T00:00:00.000000Z",
        "end": "2026-03-01T01:00:00.000000Z",
        "g_per_kwh": truth_g_per_kwh(START_NS),
        "status": "measured",
    }
    assert (found["provider"], found["stand_ins"], found["problems"], found["low_g_per_kwh"]) == (
        "hourly",
        [],
        [],
        None,
    )


def test_history_says_what_stood_in(server: Loopback, truth):
    truth.blank = {START_NS + 5 * HOUR_NS}
    (found,) = grid_json("history", "--zone", "DE", *DAY)["series"]
    assert [s["kind"] for s in found["stand_ins"]] == ["typical"]
    assert found["low_g_per_kwh"] < found["mean_g_per_kwh"] < found["high_g_per_kwh"]


def test_history_as_text_has_a_chart_and_the_steps(server: Loopback):
    lines = grid("history", "--zone", "DE", *DAY).stdout.splitlines()
    assert lines[0] == "DE: average intensity, lifecycle factors, consumption flow"
    assert lines[1] == "source: Hourly"
    assert len(lines[2]) == 24
    assert set(lines[2]) <= set(" ▁▂▃▄▅▆▇█")
    assert "steps: 24 measured" in lines[4]
    assert sum(line.endswith("measured") for line in lines[5:]) == 24


def test_long_history_is_told_by_days(server: Loopback):
    text = grid(
        "history", "--zone", "DE", "--start", "2026-01-01T00:00Z", "--end", "2026-03-02T00:00Z"
    ).stdout
    assert text.count("mean of the day") == 50
    assert "... and 10 more days" in text


def test_history_as_it_was_known(server: Loopback, truth):
    grid("history", "--zone", "DE", *DAY)
    (now,) = grid_json("history", "--zone", "DE", *DAY, "--as-of", "2099-01-01T00:00Z")["series"]
    assert len(now["steps"]) == 24
    done = grid("history", "--zone", "DE", *DAY, "--as-of", "2026-03-05T00:00Z", code=1)
    assert "the cache held nothing of DE" in str(done.exception)


def test_offline_flag_asks_nobody(server: Loopback, truth):
    done = grid("history", "--zone", "DE", *DAY, "--offline")
    assert truth.n_asked == 0
    assert "lowtide: offline: the cache lacks 24 h" in done.stderr


def test_dead_provider_is_said_on_standard_error_and_the_json_stays_whole(
    server: Loopback, truth, monkeypatch
):
    server.answer = lambda asked: Reply("down", status=503, headers={"retry-after": "3600"})
    done = grid("history", "--zone", "DE", *DAY, "--json")
    assert "hourly: 127.0.0.1/history: answered 503" in done.stderr
    assert json.loads(done.stdout)["series"][0]["provider"] == "typical"


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_history_is_drawn(server: Loopback, tmp_path, ending, magic):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"de.{ending}"
    grid("history", "--zone", "DE", *DAY, "--plot", str(path))
    assert path.read_bytes().startswith(magic)


def test_picture_of_another_ending_is_refused_before_anybody_is_asked(server: Loopback, truth):
    done = grid("history", "--zone", "DE", *DAY, "--plot", "de.gif", code=1)
    assert "pictures are written as FILE.png or FILE.svg" in str(done.exception)
    assert truth.n_asked == 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_export_is_read_back_as_it_was(server: Loopback, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"de.{ending}"
    done = grid("export", str(path), "--zone", "DE", *DAY)
    assert "24 steps of DE written to" in done.stdout
    series = read_intensity(path, zone="DE")
    want = true_series(START_NS, 24)
    np.testing.assert_array_equal(series.edges_ns, want.edges_ns)
    np.testing.assert_array_equal(series.intensity_g_per_kwh, want.intensity_g_per_kwh)
    assert (series.signal.basis, series.signal.factors) == ("average", "lifecycle")


def test_export_of_two_zones(server: Loopback, tmp_path):
    path = tmp_path / "two.csv"
    told = grid_json("export", str(path), "--zone", "DE", "--zone", "FR", *DAY)
    assert [one["zone"] for one in told["series"]] == ["DE", "FR"]
    assert len(read_intensity(path, zone="FR").status) == 24


def test_export_elsewhere_is_refused(server: Loopback, tmp_path):
    assert "FILE.csv or FILE.parquet" in str(
        grid("export", str(tmp_path / "x.txt"), "--zone", "DE", *DAY, code=1).exception
    )


def imported(tmp_path, *words: str):
    path = tmp_path / "mine.csv"
    path.write_text(
        "ts_utc,DE,XX-1\n2026-03-01T00:00Z,300,1\n2026-03-01T01:00Z,310,2\n2026-03-01T01:00Z,310,2\n"
        "2026-03-01T03:00Z,330,4\n"
    )
    return grid_json("import", str(path), *words)


def test_import_counts_rows_gaps_and_duplicates(tmp_path):
    found = imported(tmp_path)
    assert found["provider"] == "file:mine"
    assert found["zones"][0] == {
        "zone": "DE", "in_file": "DE", "n_rows": 4, "n_duplicates": 1, "n_missing_steps": 1, "step_s": 3600.0,
        "n_step_changes": 0,
    }  # fmt: skip


def test_imported_values_are_used_with_their_zone_alone(tmp_path):
    imported(tmp_path)
    (found,) = grid_json(
        "history", "--zone", "DE", "--start", "2026-03-01T00:00Z", "--end", "2026-03-01T02:00Z"
    )["series"]
    assert values(found) == [300.0, 310.0]
    assert found["provider"] == "file:mine"


def test_imported_source_by_name_and_a_zone_lowtide_does_not_know(tmp_path):
    imported(tmp_path, "--name", "own")
    words = (*TWO_HOURS, "--provider", "file:own")
    (found,) = grid_json("history", "--zone", "XX-1", *words)["series"]
    assert values(found) == [1.0, 2.0]


def test_import_again_supersedes_what_differs(tmp_path):
    imported(tmp_path)
    (tmp_path / "mine.csv").write_text("ts_utc,DE\n2026-03-01T00:00Z,305\n2026-03-01T01:00Z,310\n")
    grid("import", str(tmp_path / "mine.csv"))
    (found,) = grid_json("history", "--zone", "DE", *TWO_HOURS)["series"]
    assert values(found) == [305.0, 310.0]


def test_import_of_a_file_without_a_zone_needs_one(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("datetime,intensity\n2026-03-01T00:00Z,300\n2026-03-01T01:00Z,310\n")
    assert "say whose values they are with --zone KEY" in str(grid("import", str(path), code=1).exception)
    assert grid_json("import", str(path), "--zone", "aws:eu-central-1")["zones"][0]["zone"] == "DE"


def test_providers_tell_what_is_missing():
    found = {row["name"]: row for row in grid_json("providers")["providers"]}
    assert found["eia"]["configured"] is False
    assert found["eia"]["keys"][0]["variables"][:2] == ["LOWTIDE_EIA_KEY", "EIA_API_KEY"]
    assert found["eia"]["keys"][0]["where"].startswith("https://")
    assert found["typical"]["configured"] is True
    text = grid("providers").stdout
    assert "eia: not configured" in text
    assert "set LOWTIDE_EIA_KEY; get one at https://" in text


def test_providers_of_a_zone_and_no_key_in_sight(server: Loopback, monkeypatch):
    monkeypatch.setenv("LOWTIDE_EIA_KEY", CANARY)
    done = grid("providers", "--zone", "US-CAL-CISO")
    assert done.stdout.startswith("eia: ready, key from LOWTIDE_EIA_KEY")
    assert CANARY not in done.output


def test_zones_near_a_point():
    assert grid_json("zones", "--near", "48.9,2.4")["near"][0] == {
        "zone": "FR",
        "place": "Paris",
        "distance_km": 0.0,
    }
    assert "Paris" in grid("zones", "--near", "48.9,2.4").stdout


def test_zones_by_words():
    assert [row["zone"] for row in grid_json("zones", "bonneville")["zones"]] == ["US-NW-BPAT"]


def test_unknown_command_names_near_ones():
    done = grid("hystory", code=2)
    assert done.exit_code == 2
    assert "did you mean history?" in done.output


def test_window_is_given_one_way():
    assert "either --last D, or --start" in str(
        grid("history", "--zone", "DE", "--last", "2h", "--start", "2026-03-01T00:00Z", code=1).exception
    )
    assert "the end must come after the start" in str(
        grid("history", "--zone", "DE", "--start", "2099-03-01T00:00Z", code=1).exception
    )
    done = grid("history", "--zone", "DE", "--end", "2999-03-01T00:00Z", code=1)
    assert "2999-03-01T00:00Z is too far away" in str(done.exception)


def test_key_is_in_no_export_picture_or_output(server: Loopback, tmp_path):
    pytest.importorskip("matplotlib")
    outputs = [
        grid("export", str(tmp_path / "de.csv"), "--zone", "DE", *DAY).output,
        grid("history", "--zone", "DE", *DAY, "--plot", str(tmp_path / "de.svg"), "--json").output,
        grid("now", "--zone", "DE").output,
        grid("providers").output,
        grid("providers", "--json").output,
    ]
    assert any(CANARY in str(asked.query) for asked in server.asked)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert [text for text in outputs if "canary" in text] == []
    assert [data for data in files if b"canary" in data] == []
