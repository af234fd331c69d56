"""From files to forecasts, to longer series, to scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lowtide.errors import DataFileError, InputError, ZoneError
from lowtide.model.planning import Plan, Window
from lowtide.planning.policies import flexible_start
from lowtide.planning.sites import SiteOption
from lowtide.runtime.forecasting import extend, make_forecast, read_history
from lowtide.runtime.issued import read_forecasts
from lowtide.series.types import IntensitySeries
from lowtide.testing.builders import START_NS, intensity_series

H = 3600 * 10**9
DAY = 24 * H


def days(n: int, *, seed: int = 1) -> IntensitySeries:
    """Return days of 20 dear hours and four cheap ones at noon, with noise."""
    rng = np.random.default_rng(seed)
    day = np.where((np.arange(24) >= 10) & (np.arange(24) < 14), 100.0, 300.0)
    return intensity_series(list(np.tile(day, n) + rng.normal(0.0, 10.0, 24 * n)))


def test_history_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("ts_utc,DE,FR\n2026-03-01T00:00Z,300,40\n2026-03-01T01:00Z,310,50\n")
    assert read_history(path, zone="FR").intensity_g_per_kwh.tolist() == [40.0, 50.0]
    with pytest.raises(ZoneError, match="has 2 zones; say which"):
        read_history(path)


def test_constant_is_no_history() -> None:
    with pytest.raises(InputError, match="'400' is a constant, which has no past to learn from; give a file"):
        read_history("400")


def test_forecast_is_made_at_the_end_of_the_history_unless_told() -> None:
    series = days(30)
    assert make_forecast(series, horizon="6h").forecast.start_ns == START_NS + 30 * DAY
    made = make_forecast(series, now=START_NS + 20 * DAY, horizon=7200.0, method="climatology")
    assert made.forecast.end_ns == START_NS + 20 * DAY + 2 * H
    assert made.words == "climatology, as asked for"


def test_best_method_of_late_is_said_with_its_rivals() -> None:
    made = make_forecast(days(100), horizon="24h")
    assert made.chosen is not None
    assert made.forecast.method == made.chosen.method.name
    assert made.words.startswith(
        f"{made.forecast.method}: least mean error over the last 28 days (persistence-day "
    )
    errors = dict(made.chosen.errors_g_per_kwh)
    assert errors[made.forecast.method] == min(error for error in errors.values() if error is not None)


def test_short_history_is_said_to_be_short() -> None:
    made = make_forecast(intensity_series([1.0, 2.0]), horizon="1h")
    assert made.words == "persistence-day: the history is too short to compare methods"


def test_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="no forecaster 'crystal-ball'"):
        make_forecast(days(10), method="crystal-ball")


def test_series_that_reaches_far_enough_is_left_alone() -> None:
    series = days(10)
    found = extend(series, series.end_ns)
    assert found.series is series
    assert found.made is None


def test_series_goes_on_past_its_data_and_can_be_planned_on() -> None:
    series = days(60)
    now = series.end_ns
    found = extend(series, now + 30 * H)
    assert found.made is not None
    assert found.series.end_ns == now + 30 * H
    assert found.series.status[-30:].tolist() == [2] * 30
    assert np.array_equal(found.series.intensity_g_per_kwh[:-30], series.intensity_g_per_kwh)
    from lowtide.model.planning import Job

    job = Job.constant(duration_s=4 * 3600.0, power_w=1000.0)
    site = SiteOption(zone="DE", intensity=found.series)
    plan = flexible_start.plan(job, [site], Window(start_ns=now, deadline_ns=now + 30 * H))
    assert isinstance(plan, Plan)
    assert plan.start_ns == now + 10 * H  # noon of the next day


def test_given_values_ahead_are_kept_or_not() -> None:
    series, now = days(60), START_NS + 50 * DAY
    given = series.clip(start_ns=series.start_ns, end_ns=now + 5 * H)
    kept = extend(given, now + 24 * H, now_ns=now).series
    assert np.array_equal(kept.intensity_g_per_kwh[50 * 24 : 50 * 24 + 5], given.intensity_g_per_kwh[-5:])
    blind = extend(given, now + 24 * H, now_ns=now, keep_given=False).series
    assert blind.status[50 * 24 :].tolist() == [2] * 24


def test_another_history_can_teach() -> None:
    long, short = days(60), days(60).clip(start_ns=START_NS + 59 * DAY, end_ns=START_NS + 60 * DAY)
    a = extend(short, short.end_ns + 24 * H, history=long, method="blend").series
    b = extend(long, long.end_ns + 24 * H, method="blend").series
    assert a.intensity_g_per_kwh[-24:] == pytest.approx(b.intensity_g_per_kwh[-24:])


def test_risk_raises_what_is_uncertain() -> None:
    series = days(80)
    calm, wary = (extend(series, series.end_ns + 24 * H, risk=risk).series for risk in (0.0, 1.0))
    assert (wary.intensity_g_per_kwh[-24:] > calm.intensity_g_per_kwh[-24:]).all()


def test_nothing_known_is_refused() -> None:
    with pytest.raises(InputError, match="no known value in this history"):
        extend(intensity_series([float("nan")]), START_NS + 5 * H)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("issue_utc,forecast\n2026-01-01T00:00Z,1\n", "has issue_utc but no column ts_utc"),
        ("issue_utc,ts_utc,forecast_a,forecast_b\n", "several columns of forecasts: forecast_a, forecast_b"),
        ("issue_utc,ts_utc,g\n", "no column named forecast"),
        ("issue_utc,ts_utc,forecast\n", "no forecast in it"),
        ("issue_utc,ts_utc,forecast\n2026-01-01T00:00Z,2025-12-31T00:00Z,1\n", "steps before their issue"),
        (
            "issue_utc,ts_utc,forecast\n2026-01-01T00:00,2026-01-01T00:00Z,1\n",
            "line 2: issue_utc:.*has no time zone",
        ),
        ("issue_utc,ts_utc,forecast\n2026-01-01T00:00Z,2026-01-01T00:00Z,x\n", "line 2: forecast:"),
    ],
)
def test_files_that_are_no_forecasts_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "f.csv"
    path.write_text(text)
    with pytest.raises(DataFileError, match=message):
        read_forecasts(path)


@pytest.mark.parametrize("head", ["ts_utc", "issue_utc,ts_utc"])
def test_file_of_forecasts_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path, head: str) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(f"{head},forecast\n".encode() + b"2026-01-01T00:00Z,\xe9\n")
    with pytest.raises(DataFileError, match=r"line 2: this is not UTF-8 text \(byte 0xe9\)"):
        read_forecasts(path)


def test_column_of_marginal_forecasts_may_be_below_zero(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("ts_utc,forecast\n2026-01-01T00:00Z,-50\n2026-01-01T01:00Z,600\n")
    column = read_forecasts(path, basis="marginal").column  # type: ignore[attr-defined]
    assert (column.signal.basis, column.intensity_g_per_kwh.tolist()) == ("marginal", [-50.0, 600.0])
    with pytest.raises(DataFileError, match="never is"):
        read_forecasts(path)


@pytest.mark.parametrize(
    ("factors", "g"), [("unknown", 400.0), (None, 400.0), ("lifecycle", 400.0), ("direct", 300.0)]
)
def test_lifecycle_forecasts_are_taken_unless_direct_ones_are_asked_for(
    tmp_path: Path, factors: str | None, g: float
) -> None:
    path = tmp_path / "f.csv"
    stamps = "2026-01-01T00:00Z,2026-01-01T00:00Z"
    path.write_text(f"issue_utc,ts_utc,forecast_direct,forecast_lca\n{stamps},300,400\n")
    assert read_forecasts(path, factors=factors).values.tolist() == [[g]]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("head", "last", "g"),
    [
        ("generated_at,point_time,value", "", 453.59237),  # WattTime's values are lb/MWh
        ("issue_utc,ts_utc,forecast_lb_per_mwh", "", 453.59237),
        ("issue_utc,ts_utc,forecast,units", ",lbs_co2_per_mwh", 453.59237),
        ("issue_utc,ts_utc,forecast,units", ",g/kWh", 1000.0),
        ("issue_utc,ts_utc,forecast", "", 1000.0),
    ],
)
def test_issued_forecasts_are_turned_into_grams(tmp_path: Path, head: str, last: str, g: float) -> None:
    path = tmp_path / "f.csv"
    path.write_text(f"{head}\n2026-01-01T00:00Z,2026-01-01T00:00Z,1000{last}\n")
    assert read_forecasts(path).values[0, 0] == pytest.approx(g)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("head", "rows", "message"),
    [
        ("forecast_t_per_kwh", ["1"], "its unit is not read"),
        ("forecast,units", ["1,stone"], "'stone' is not read; g/kWh"),
        ("forecast,units", ["1,g/kWh", "1,lb/MWh"], "the unit changes: 'g/kWh', 'lb/MWh'"),
        ("forecast_marginal", ["1"], "no column of average intensity"),
    ],
)
def test_issued_forecasts_of_another_unit_or_basis_are_refused(
    tmp_path: Path, head: str, rows: list[str], message: str
) -> None:
    path = tmp_path / "f.csv"
    lines = [f"2026-01-01T00:00Z,2026-01-01T0{i}:00Z,{row}" for i, row in enumerate(rows)]
    path.write_text("\n".join([f"issue_utc,ts_utc,{head}", *lines]))
    with pytest.raises(DataFileError, match=message):
        read_forecasts(path, basis="average")


def test_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("issue_utc,ts_utc,forecast\n2026-01-01T00:00Z,2026-01-01T00:00Z,1\n")
    with pytest.raises(
        DataFileError, match="no column 'lca'; the columns are 'issue_utc', 'ts_utc', 'forecast'"
    ):
        read_forecasts(path, column="lca")


def test_missing_file_of_forecasts_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="cannot be read: No such file"):
        read_forecasts(tmp_path / "none.csv")
