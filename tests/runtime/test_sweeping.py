"""What a sweep reads: files, constants, typical profiles, job lists."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lowtide.errors import CoverageError, DataFileError, InputError, ZoneError
from lowtide.quantities import parse_instant_ns
from lowtide.runtime.config import load_config
from lowtide.runtime.sweeping import intensities_of, read_jobs, sweep

HEADER = "name,duration_h,energy_kwh\n"


@pytest.fixture
def two_zones(tmp_path: Path) -> Path:
    """Return a file of two zones and six hours."""
    path = tmp_path / "two.csv"
    rows = [f"2026-03-01T{hour:02}:00Z,{400 - 50 * hour},{30 + hour}" for hour in range(6)]
    path.write_text("\n".join(["ts_utc,DE,FR", *rows]))
    return path


def test_every_zone_of_a_file_is_swept_unless_some_are_named(two_zones: Path) -> None:
    assert [row.zone for row in sweep(["1h"], two_zones, slacks=["1h"], policies=["run-now"]).rows] == [
        "DE",
        "FR",
    ]
    one = sweep(["1h"], two_zones, zones=["fr"], slacks=["1h"], policies=["run-now"])
    assert [row.zone for row in one.rows] == ["FR"]
    with pytest.raises(ZoneError, match="no zone 'PL'"):
        sweep(["1h"], two_zones, zones=["PL"])


def test_configured_zone_does_not_narrow_a_file(two_zones: Path) -> None:
    config = load_config(env={"LOWTIDE_ZONE": "FR"}).with_flags({"intensity": str(two_zones)})
    assert list(intensities_of(config, ())) == ["DE", "FR"]
    assert list(intensities_of(config, ("DE",))) == ["DE"]


def test_configured_zone_is_swept_without_a_file() -> None:
    config = load_config(env={"LOWTIDE_ZONE": "gcp:europe-west3"})
    assert list(intensities_of(config, ())) == ["DE"]
    with pytest.raises(ZoneError, match="give --zone DE"):
        intensities_of(load_config(env={}), ())


def test_typical_profiles_cover_the_coming_year() -> None:
    (zone,) = sweep(["6h"], zones=["DE"], policies=["run-now"]).zones
    year = datetime.now(tz=UTC).year + 1
    assert zone.start_ns == parse_instant_ns(f"{year}-01-01T00:00Z")
    assert zone.end_ns == parse_instant_ns(f"{year + 1}-01-01T00:00Z")


def test_part_of_the_data_can_be_swept(two_zones: Path) -> None:
    start, end = "2026-03-01T01:00Z", "2026-03-01T04:00Z"
    result = sweep(["1h"], two_zones, zones=["DE"], slacks=["0h"], policies=["run-now"], start=start, end=end)
    assert (result.rows[0].n_starts, result.rows[0].mean_baseline_g) == (3, 300.0)  # 350 300 250
    told = (
        r"nothing to sweep of DE: the intensity runs from 2026-03-01T00:00:00\.0+Z to 2026-03-01T06:.*, "
        r"the sweep from 2027-01-01T00:.* to 2026-03-01T06:.*; change --start or --end"
    )
    with pytest.raises(CoverageError, match=told):
        sweep(["1h"], two_zones, start="2027-01-01T00:00Z")
    with pytest.raises(InputError, match="end of a sweep must come after its start"):
        sweep(["1h"], 400.0, start=end, end=start)


def test_constant_is_flat_in_every_zone() -> None:
    rows = sweep(["5h"], 400, zones=["DE", "FR"], policies=["pause-resume"]).rows
    assert [(row.zone, row.mean_saving_fraction, row.mean_emissions_g) for row in rows] == [
        ("DE", 0.0, 400.0),
        ("FR", 0.0, 400.0),
    ]


def test_series_and_mappings_are_taken_as_they_are(two_zones: Path) -> None:
    series = intensities_of(load_config(env={}).with_flags({"intensity": str(two_zones)}), ())
    by_name = {zone or "": one for zone, one in series.items()}
    assert sweep(["1h"], by_name, slacks=["1h"]) == sweep(["1h"], two_zones, slacks=["1h"])
    assert sweep(["1h"], by_name["DE"], slacks=["1h"]).rows[0].zone == "DE"
    with pytest.raises(ZoneError, match="no zone 'PL' among DE, FR"):
        sweep(["1h"], by_name, zones=["PL"])


def test_same_seed_draws_the_same_starts() -> None:
    def draw(seed: int) -> object:
        return sweep(["6h"], zones=["DE"], starts_per_month=5, seed=seed, policies=["flexible-start"]).rows

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_seed_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="a seed is a whole number from 0 on, not -1"):
        sweep(["6h"], zones=["DE"], starts_per_month=5, seed=-1)


def test_jobs_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(HEADER + "BERT-ft,6,3.1\nD201,0.4,0.04\n")
    jobs = read_jobs(path)
    assert [(job.name, job.duration_s, job.energy_kwh) for job in jobs] == [
        ("BERT-ft", 21_600.0, 3.1),
        ("D201", 1440.0, 0.04),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name,hours\nx,1\n",
            r"line 1: no column 'duration_h', 'energy_kwh'; the columns are name, duration_h, energy_kwh",
        ),
        (HEADER, "no job; give one a line"),
        (HEADER + "a,6,1\nb,six,1\n", r"line 3: duration_h and energy_kwh are numbers, not 'six' and '1'"),
        (HEADER + "a,6\n", r"line 2: .* not '6' and ''"),
        (HEADER + "a,0,1\n", r"line 2: job 'a' lasts 0 s"),
        (HEADER + "a,1,-1\n", r"line 2: job 'a' draws -1 kWh"),
    ],
)
def test_mistakes_in_a_file_of_jobs_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(text)
    with pytest.raises(DataFileError, match=message):
        read_jobs(path)


def test_missing_file_of_jobs_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"none\.csv: cannot be read"):
        read_jobs(tmp_path / "none.csv")
