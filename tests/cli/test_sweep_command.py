"""``lowtide sweep`` from the outside: its JSON, its CSV, its words, its refusals."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from lowtide.cli.main import main

ROW_KEYS = [
    "job", "zone", "policy", "slack", "n_starts", "mean_saving_fraction", "ratio_saving_fraction",
    "mean_emissions_g", "mean_baseline_g", "pauses_per_hour",
]  # fmt: skip


class Ended(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


class Lowtide:
    """Calls the command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["lowtide", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = self._capsys.readouterr()
        return Ended(int(stop.value.code or 0), out, err)


@pytest.fixture
def lowtide(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lowtide:
    return Lowtide(monkeypatch, capsys)


@pytest.fixture
def year(tmp_path: Path) -> str:
    """Return a file of two zones and eight hours, one of them unknown in FR."""
    path = tmp_path / "year.csv"
    rows = [f"2026-03-01T{h:02}:00Z,{300 - 20 * h},{'' if h == 2 else 50 + 10 * (h % 2)}" for h in range(8)]
    path.write_text("\n".join(["ts_utc,DE,FR", *rows]))
    return str(path)


def test_json_holds_the_contract(lowtide: Lowtide, year: str) -> None:
    done = lowtide(
        "sweep", "--duration", "2h", "--slack", "2h", "--slack", "50%", "--intensity", year, "--json"
    )
    document = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert len(document["rows"]) == 1 * 2 * 2 * 2  # job, zones, policies, slacks
    assert list(document["rows"][0])[: len(ROW_KEYS)] == ROW_KEYS
    row = document["rows"][0]
    # two hours within two more, falling by 20 an hour: always the last two, 40 g/kWh less
    assert (row["zone"], row["policy"], row["slack"], row["n_starts"]) == ("DE", "flexible-start", "2h", 5)
    assert row["mean_baseline_g"] - row["mean_emissions_g"] == pytest.approx(40.0)
    french = document["rows"][4]
    assert (french["zone"], french["n_starts"], french["n_unknown"]) == ("FR", 3, 2)
    assert document["zones"][0]["start"] == "2026-03-01T00:00:00.000000Z"
    assert document["edge"] == "drop"


def test_csv_has_the_same_rows(lowtide: Lowtide, year: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    words = ("sweep", "--duration", "2h", "--slack", "2h", "--intensity", year)
    done = lowtide(*words, "--json", "--csv", str(path))
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert done.err == f"lowtide: 4 rows written to {path}\n"
    for row, other in zip(json.loads(done.out)["rows"], rows, strict=True):
        assert {key: "" if value is None else str(value) for key, value in row.items()} == other


def test_power_and_energy_give_grams(lowtide: Lowtide) -> None:
    def baseline_g(*words: str) -> float:
        done = lowtide(
            "sweep", "--duration", "2h", "--intensity", "400", "--policy", "run-now", "--json", *words
        )
        return float(json.loads(done.out)["rows"][0]["mean_baseline_g"])

    assert baseline_g() == 400.0
    assert baseline_g("--power", "300W") == pytest.approx(0.6 * 400)
    assert baseline_g("--energy", "3kWh") == pytest.approx(1200.0)


def test_text_says_what_the_savings_mean(lowtide: Lowtide, year: str) -> None:
    done = lowtide("sweep", "--duration", "2h", "--slack", "2h", "--intensity", year)
    assert "allocated (average intensity)" in done.out
    assert "Starts whose run-now meets unknown intensity are left out" in done.out
    # 40 of 290, 270, 250, 230 and 210 g/kWh: 13.8, 14.8, 16.0, 17.4 and 19.0 %; of all together 200/1250
    assert "2h DE 2h flexible-start 16.2 % 16.0 % 250 g/kWh 210 g/kWh 0.00 5" in " ".join(done.out.split())
    flat = lowtide("sweep", "--duration", "2h", "--zone", "FR")
    assert "Yearly mean only, so shifting in time cannot be judged: FR." in flat.out


def test_starts_without_a_fraction_are_warned_of_and_both_means_are_shown(
    lowtide: Lowtide, tmp_path: Path
) -> None:
    path = tmp_path / "negative.csv"
    values = (100, 50, -50, 200, 100)
    path.write_text("\n".join(["ts_utc,DE", *(f"2026-03-01T{h:02}:00Z,{v}" for h, v in enumerate(values))]))
    words = (
        "sweep",
        "--duration",
        "1h",
        "--slack",
        "1h",
        "--policy",
        "flexible-start",
        "--intensity",
        str(path),
    )
    done = lowtide(*words, "--basis", "marginal")
    # starts at 100, 50, -50, 200: the better of two is 50, -50, -50, 100; fractions 1/2, 2 and 1/2, none for -50:
    # mean 1; of all together 1 - 50 / 300 = 83.3 %
    assert "flexible-start 100.0 % 83.3 %" in " ".join(done.out.split())
    assert "WARNING: run-now emits nothing or less at 1 of 4 starts of a row" in done.out
    assert "saving: the mean of the starts' own fractions; overall: of all grams" in done.out


def test_many_rows_are_shown_as_means_over_zones(lowtide: Lowtide, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    zones = [f"Z{i}" for i in range(50)]
    rows = [f"2026-03-01T{h:02}:00Z," + ",".join(str(300 - h) for _ in zones) for h in range(8)]
    path.write_text("\n".join([f"ts_utc,{','.join(zones)}", *rows]))
    done = lowtide("sweep", "--duration", "2h", "--slack", "2h", "--intensity", str(path))
    assert "mean of 50" in done.out
    assert "All 100 rows, zone by zone: --csv FILE or --json." in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give the jobs once: --duration 24h (repeatable), or --jobs FILE"),
        (("--duration", "2h", "--jobs", "jobs.csv"), "give the jobs once"),
        (("--duration", "2h"), "give --zone DE"),
        (("--duration", "2", "--zone", "DE"), "cannot read '2' as a duration"),
        (("--duration", "2h", "--zone", "XX"), "unknown zone 'XX'"),
        (("--duration", "2h", "--zone", "DE", "--slack", "5"), "cannot read '5' as a duration"),
        (("--duration", "2h", "--zone", "DE", "--policy", "wait"), "no policy 'wait'"),
        (("--duration", "2h", "--zone", "DE", "--every", "90m"), "do not all fall on slots of 1h"),
        (("--duration", "2h", "--zone", "DE", "--slack", "400d"), "pass --edge cut"),
        (
            ("--duration", "2h", "--zone", "DE", "--energy", "1", "--power", "1"),
            "--energy or --power, not both",
        ),
        (
            ("--duration", "2h", "--duration", "3h", "--zone", "DE", "--energy", "1"),
            "--energy is that of one job",
        ),
        (("--duration", "2h", "--zone", "DE", "--basis", "marginal"), "typical intensity is average only"),
        (("--duration", "2h", "--intensity", "none.csv"), "no such file"),
        (("--duration", "2h", "--zone", "DE", "--start", "2027-01-01"), "has no time zone"),
    ],
)
def test_mistakes_are_one_line(lowtide: Lowtide, words: tuple[str, ...], message: str) -> None:
    done = lowtide("sweep", *words)
    assert (done.status, done.out) == (1, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_wrong_usage_is_told_apart(lowtide: Lowtide) -> None:
    assert lowtide("sweep", "--duration", "2h", "--zone", "DE", "--edge", "wrap").status == 2


def test_slack_that_is_neither_duration_nor_share_says_both_ways():
    from lowtide.errors import QuantityError
    from lowtide.planning.swept import Slack

    with pytest.raises(
        QuantityError, match=r"slack abc: cannot read 'abc' as a duration.*a share .* like 50%"
    ):
        Slack.of("abc")


def test_seed_below_zero_is_refused_at_once(lowtide: Lowtide) -> None:
    done = lowtide("sweep", "--duration", "6h", "--zone", "DE", "--seed", "-1")
    assert (done.status, done.out) == (2, "")
    assert "-1 is not in the range x>=0" in done.err
    estimated = lowtide("estimate", "--gpus", "8xA100", "--duration", "10d", "--draws", "10", "--seed", "-1")
    assert estimated.status == 2
    assert "-1 is not in the range x>=0" in estimated.err
