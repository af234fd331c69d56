"""``lowtide plan`` against plans worked out by hand, and mistakes refused in one line."""

import json
import re

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.errors import LowtideError

HOURS = (400, 300, 100, 100, 300, 50, 400, 400)


@pytest.fixture
def day(tmp_path):
    path = tmp_path / "day.csv"
    rows = [f"2026-03-01T{hour:02d}:00Z,{value},{value / 2}" for hour, value in enumerate(HOURS)]
    path.write_text("\n".join(["ts_utc,DE,FR", *rows]) + "\n")
    return str(path)


def plan(*args):
    done = CliRunner().invoke(cli, ["plan", *args, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def of(document, policy, zone="DE"):
    return next(p for p in document["plans"] if (p["policy"], p["zone"]) == (policy, zone))


def common(day, *more):
    return ("--intensity", day, "--power", "1kW", "--start", "2026-03-01T00:00Z", *more)


def test_run_now_flexible_start_and_pause_resume_by_hand(day):
    document = plan(*common(day, "--zone", "DE", "--duration", "2h", "--within", "6h"))
    # 1 kW: grams are the sum of the hours' values. Now: 400 + 300. Best two in a row: 100 + 100. Best two: 50 + 100.
    assert document["baseline"]["emissions_g"] == pytest.approx(700.0)
    assert of(document, "flexible-start")["emissions_g"] == pytest.approx(200.0)
    assert of(document, "flexible-start")["start"] == "2026-03-01T02:00:00.000000Z"
    paused = of(document, "pause-resume")
    assert paused["emissions_g"] == pytest.approx(150.0)
    assert paused["n_pauses"] == 1
    assert paused["saving_fraction"] == pytest.approx(1 - 150 / 700)
    assert paused["lower_bound_g"] == pytest.approx(150.0)
    assert [s["start"][11:13] for s in paused["segments"] if s["kind"] == "run"] == ["02", "05"]


def test_resume_energy_is_paid_at_the_resume_and_may_make_pausing_not_worth_it(day):
    costly = plan(
        *common(day, "--zone", "DE", "--duration", "2h", "--within", "6h", "--resume-energy", "2kWh")
    )
    # Resuming at 05:00 costs 2 kWh x 50 g/kWh = 100 g: 100 + 50 + 100 = 250 > 200 without a pause.
    assert of(costly, "pause-resume")["emissions_g"] == pytest.approx(200.0)
    assert of(costly, "pause-resume")["n_pauses"] == 0
    cheap = plan(
        *common(day, "--zone", "DE", "--duration", "2h", "--within", "6h", "--resume-energy", "0.5kWh")
    )
    assert of(cheap, "pause-resume")["emissions_g"] == pytest.approx(175.0)  # 100 + 50 + 0.5 x 50


def test_pue_multiplies_once_and_per_zone(day):
    document = plan(*common(day, "--zone", "DE", "--zone", "FR", "--duration", "1h", "--within", "3h",
                            "--pue", "1.2", "--pue", "FR=1.5"))  # fmt: skip
    assert document["baseline"]["emissions_g"] == pytest.approx(400 * 1.2)
    assert of(document, "flexible-start", "FR")["emissions_g"] == pytest.approx(50 * 1.5)


def test_slack_and_deadline_bound_the_same_window(day):
    base = common(day, "--zone", "DE", "--duration", "2h")
    by_slack = plan(*base, "--slack", "4h")
    by_share = plan(*base, "--slack", "200%")
    by_deadline = plan(*base, "--deadline", "2026-03-01T06:00Z")
    assert by_slack["plans"] == by_share["plans"] == by_deadline["plans"]


def test_job_that_cannot_be_done_in_time_has_no_plan_and_says_why(day):
    document = plan(*common(day, "--zone", "DE", "--duration", "4h", "--within", "3h"))
    assert document["plans"] == [] or all(p["policy"] == "run-now" for p in document["plans"])
    assert any("needs" in i["reason"] for i in document["infeasible"])


def test_flat_intensity_starts_at_once_and_saves_nothing():
    document = plan("--intensity", "400", "--power", "1kW", "--start", "2026-03-01T00:00Z",
                    "--duration", "2h", "--within", "9h")  # fmt: skip
    for found in document["plans"]:
        assert found["start"] == "2026-03-01T00:00:00.000000Z"
        assert found["saving_fraction"] == 0.0


def test_text_shows_a_chart_and_a_verdict(day):
    done = CliRunner().invoke(
        cli, ["plan", *common(day, "--zone", "DE", "--duration", "2h", "--within", "6h")]
    )
    assert done.exit_code == 0
    assert "verdict:" in done.output
    assert "█" in done.output


def test_constant_intensity_is_a_flat_line_whatever_rounding_does(tmp_path):
    path = tmp_path / "flat.csv"
    rows = [f"2026-03-0{1 + h // 24}T{h % 24:02d}:00Z,333.3" for h in range(72)]
    path.write_text("\n".join(["ts_utc,DE", *rows]) + "\n")
    words = [
        "--intensity",
        str(path),
        "--power",
        "370",
        "--duration",
        "2h",
        "--within",
        "24h",
        "--start",
        "2026-03-01T00:17:13Z",
    ]
    done = CliRunner().invoke(cli, ["plan", *words], catch_exceptions=False)
    chart = done.output.splitlines()[1].split("|")[1]
    assert set(chart) == {"▄"}
    assert "average intensity, 333 g/kWh;" in done.output.splitlines()[0]
    assert "-0 %" not in done.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--duration", "2h", "--within", "6h"], "say what runs with one of --power"),
        (["--power", "1kW", "--within", "6h"], "say how long the job takes"),
        (["--power", "1kW", "--duration", "2h"], "say until when with one of --slack"),
        (
            ["--power", "1kW", "--duration", "2h", "--within", "6h", "--slack", "1h"],
            "got --slack and --within",
        ),
        (
            ["--power", "1kW", "--duration", "2h", "--within", "6h", "--start", "2026-03-01"],
            "has no time zone",
        ),
        (["--power", "1kW", "--duration", "2h", "--within", "6h", "--pue", "0.5"], "pue 0.5"),
        (["--power", "0W", "--duration", "2h", "--within", "6h"], "--power 0W emits nothing at any time"),
        (
            ["--power", "1kW", "--duration", "2h", "--deadline", "2026-01-01T00:00Z"],
            "--deadline 2026-01-01T00:00Z is past: it is 2",
        ),
        (
            [
                "--power",
                "1kW",
                "--duration",
                "2h",
                "--deadline",
                "2026-01-01T00:00Z",
                "--start",
                "2026-01-02T00:00Z",
            ],
            "--deadline 2026-01-01T00:00Z is not after --start 2026-01-02T00:00Z; give a later deadline",
        ),
        (["--power", "1kW", "--duration", "2h", "--within", "6h", "--policy", "greenest"], "greenest"),
    ],
)
def test_mistakes_say_what_would_work(args, message):
    with pytest.raises(LowtideError, match=re.escape(message)):
        CliRunner().invoke(cli, ["plan", "--zone", "DE", *args], catch_exceptions=False)


def test_without_zone_or_file_it_asks_where():
    with pytest.raises(LowtideError, match="where"):
        CliRunner().invoke(
            cli, ["plan", "--power", "1kW", "--duration", "2h", "--within", "6h"], catch_exceptions=False
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--duration", "3", "--power", "1kW", "--within", "6h"),
            "--duration 3: cannot read '3' as a duration",
        ),
        (
            ("--duration", "1h", "--power", "1hp", "--within", "6h"),
            "--power 1hp: cannot read '1hp' as a power",
        ),
        (
            ("--duration", "1h", "--power", "1kW", "--within", "6"),
            "--within 6: cannot read '6' as a duration",
        ),
        (
            ("--duration", "1h", "--power", "1kW", "--slack", "abc"),
            "--slack abc: .* share of the duration, like 50%",
        ),
    ],
)
def test_mistake_in_a_quantity_names_its_flag(day, words, message):
    with pytest.raises(LowtideError, match=message):
        CliRunner().invoke(cli, ["plan", "--intensity", day, "--zone", "DE", *words], catch_exceptions=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--duration", "2h", "--deadline", "9999-12-31T00:00Z"), "--deadline 9999-12-31T00:00Z: "),
        (("--duration", "2h", "--start", "0026-01-05T00:00Z", "--within", "1d"), "--start 0026-01-05T00:00Z: "),
        (("--duration", "2h", "--within", "1000000d"), "--within 1000000d: '1000000d' is longer than 200 years"),
        (("--duration", "1e30h", "--within", "1d"), "--duration 1e30h: '1e30h' is longer than 200 years"),
        (("--duration", "1h", "--slack", "1e30%"), "this would end after the year 2250"),
        (("--duration", "1h", "--start", "2100-01-01T00:00Z", "--within", "60000d"), "this would end after the year"),
        (("--duration", "60000d", "--start", "2100-01-01T00:00Z", "--within", "1h"), "this would end after the year"),
    ],
)  # fmt: skip
def test_window_that_no_clock_holds_is_refused(words, message):
    done = CliRunner().invoke(cli, ["plan", "--zone", "DE", "--power", "1kW", *words])
    assert isinstance(done.exception, LowtideError)
    assert message in str(done.exception)
