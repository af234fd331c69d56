"""The bill of a power log that somebody else measured."""

from __future__ import annotations

import json

import pytest

import lowtide as lt
from lowtide.accounting.intensities import Intensities
from lowtide.errors import BoundaryError, CoverageError, DataFileError, InputError, QuantityError
from lowtide.model.record import Gap
from lowtide.runtime.account import account
from lowtide.testing.builders import START_NS, intensity_series, power_series

H = 3600 * 10**9
NAN = float("nan")
KEYS = [
    "energy_kwh",
    "boundary",
    "pue",
    "pue_source",
    "facility_kwh",
    "emissions",
    "gaps",
    "known_fraction",
    "mean_power_w",
    "duration_s",
]
TWO_HOURS = power_series([1000.0, 3000.0], step_s=3600.0)


@pytest.fixture
def log(tmp_path):
    """Return the path of a log of 1 kW for two hours, read every half hour."""
    path = tmp_path / "power.csv"
    path.write_text("t_s,power_w\n" + "".join(f"{t},1000\n" for t in range(0, 7201, 1800)))
    return path


@pytest.fixture
def grid(tmp_path):
    """Return the path of an hourly intensity of one zone: 100, then 300 g/kWh."""
    path = tmp_path / "grid.csv"
    path.write_text("ts_utc,XX\n2026-03-01T00:00Z,100\n2026-03-01T01:00Z,300\n")
    return path


def test_verb_is_public():
    assert lt.account is account


def test_series_and_constant():
    result = account(TWO_HOURS, 400.0)
    assert result.energy.total_kwh == 4.0
    assert result.emissions.location.g == pytest.approx(1600.0, rel=1e-12)
    assert (result.emissions.location.of, result.facility_kwh) == ("node", None)
    assert (result.mean_power_w, result.duration_s) == (2000.0, 7200.0)


def test_series_and_series():
    # 1 kWh x 100 + 3 kWh x 300
    assert account(TWO_HOURS, intensity_series([100.0, 300.0])).emissions.location.g == pytest.approx(
        1000.0, rel=1e-12
    )


def test_files(log, grid):
    result = account(str(log), grid, start="2026-03-01T00:00Z")
    assert result.energy.total_kwh == pytest.approx(2.0, rel=1e-12)
    assert result.emissions.location.g == pytest.approx(400.0, rel=1e-12)  # 1 x 100 + 1 x 300
    assert result.emissions.location.intensity.zone == "XX"
    assert "power_w in power.csv, 5 readings" in result.energy.method_notes["node"]


def test_json_has_the_promised_keys_and_nothing_unknown_is_zero(log, grid):
    plain = account(log, grid, start=START_NS, pue=1.5).to_plain()
    assert list(plain) == KEYS
    assert list(plain["emissions"]) == ["location", "marginal", "market", "embodied"]
    location = plain["emissions"]["location"]
    assert {
        "g",
        "low_g",
        "high_g",
        "of",
        "covered_fraction",
        "status_fractions",
        "intensity",
    } <= location.keys()
    assert {"zone", "basis", "factors", "flow", "vintage", "source", "mean_g_per_kwh"} <= location[
        "intensity"
    ].keys()
    assert (location["of"], location["g"]) == ("facility", pytest.approx(600.0, rel=1e-12))
    assert plain["facility_kwh"] == pytest.approx(3.0, rel=1e-12)
    assert [plain["emissions"][name] for name in ("marginal", "market", "embodied")] == [None, None, None]
    assert (plain["boundary"], plain["gaps"], plain["duration_s"]) == ("node", [], 7200.0)
    json.dumps(plain, allow_nan=False)


def test_power_that_is_nowhere_known_is_null_in_json():
    plain = account(power_series([NAN, NAN]), 400.0).to_plain()
    assert (plain["energy_kwh"], plain["facility_kwh"], plain["mean_power_w"]) == (None, None, None)
    assert plain["emissions"]["location"]["g"] is None


def test_mean_power_is_over_the_known_time():
    assert account(power_series([100.0, NAN, 300.0]), None).mean_power_w == 200.0


def test_no_intensity_bills_energy_alone():
    result = account(TWO_HOURS)
    assert (result.energy.total_kwh, result.emissions.location) == (4.0, None)


# PUE


def test_pue_multiplies_the_grams_and_names_the_facility():
    result = account(TWO_HOURS, 400.0, pue=1.25)
    assert (result.energy.total_kwh, result.facility_kwh) == (4.0, 5.0)  # energy stays before PUE
    assert result.emissions.location.g == pytest.approx(2000.0, rel=1e-12)
    assert result.emissions.location.of == "facility"


@pytest.mark.parametrize("boundary", ["chip", "gpu", "components"])
def test_pue_below_the_node_is_refused_with_two_ways_out(boundary):
    with pytest.raises(
        BoundaryError, match=f"at boundary '{boundary}'.*pass --boundary node.*else drop --pue"
    ):
        account(power_series([1.0], boundary=boundary), 400.0, pue=1.1)


def test_pue_of_a_facility_is_refused():
    with pytest.raises(BoundaryError, match="the facility's already and PUE applies once; drop --pue"):
        account(power_series([1.0], boundary="facility"), 400.0, pue=1.1)


def test_gpu_log_takes_a_pue_when_its_reader_says_it_is_of_nodes(tmp_path):
    path = tmp_path / "gpu.csv"
    path.write_text("t_s,gpu_power_w\n0,100\n1,100\n")
    with pytest.raises(BoundaryError, match="--boundary node"):
        account(path, pue=1.1, start=START_NS)
    assert account(path, pue=1.1, start=START_NS, boundary="node").facility_kwh is not None


# Gaps


def test_intensity_that_does_not_cover_the_power_is_refused():
    with pytest.raises(CoverageError, match=r"ends 2026-03-01T01:00:00.000000Z, 1 h before the power does"):
        account(TWO_HOURS, intensity_series([100.0]))


def test_partial_bill_says_what_is_covered_and_when_not():
    result = account(TWO_HOURS, intensity_series([100.0]), gaps="partial")
    assert result.emissions.location.g == pytest.approx(100.0, rel=1e-12)
    assert result.emissions.location.covered_fraction == 0.25  # 1 of 4 kWh
    assert result.gaps == (
        Gap(start_ns=START_NS + H, end_ns=START_NS + 2 * H, channel="intensity", reason="unknown"),
    )
    assert result.to_plain()["gaps"][0]["start"] == "2026-03-01T01:00:00.000000Z"


def test_unknown_steps_in_a_row_are_one_gap():
    power = power_series([1000.0], step_s=6 * 3600.0)
    result = account(power, intensity_series([1.0, NAN, NAN, 1.0, NAN]), gaps="partial")
    assert [((g.start_ns - START_NS) // H, (g.end_ns - START_NS) // H) for g in result.gaps] == [
        (1, 3),
        (4, 6),
    ]


def test_typical_fills_what_the_intensity_leaves_open():
    result = account(TWO_HOURS, intensity_series([100.0], zone="DE"), gaps="typical")
    bill = result.emissions.location
    assert bill.covered_fraction == pytest.approx(1.0, rel=1e-12)
    assert bill.status_fractions["typical"] == pytest.approx(0.75, rel=1e-12)  # 3 of 4 kWh
    assert bill.g > 100.0
    assert [gap.channel for gap in result.gaps] == ["intensity"]


def test_marginal_intensity_cannot_be_filled_with_typical():
    with pytest.raises(InputError, match="a marginal intensity cannot be filled with typical values"):
        account(TWO_HOURS, intensity_series([1.0], basis="marginal"), gaps="typical")


def test_unknown_way_with_gaps_is_refused():
    with pytest.raises(
        InputError, match="gaps='fill' is unknown; use 'partial' or 'typical', or leave it out"
    ):
        account(TWO_HOURS, 1.0, gaps="fill")


def test_gaps_of_the_log_are_in_the_result(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text("t_s,power_w\n0,100\n1,-5\n2,100\n3,100\n")
    result = account(path, 400.0, start=START_NS)
    assert [(gap.channel, gap.reason) for gap in result.gaps] == [("power_w", "negative reading")]
    assert result.energy.known_time_fraction == pytest.approx(1 / 3)


# Other signals


def test_marginal_series_is_billed_apart():
    result = account(TWO_HOURS, intensity_series([100.0, -100.0], basis="marginal"))
    assert result.emissions.location is None
    assert result.emissions.marginal.g == pytest.approx(-200.0, rel=1e-12)  # 1 x 100 - 3 x 100


def test_several_signals_at_once():
    hours = [400.0, 400.0]
    result = account(
        TWO_HOURS,
        Intensities(
            location=intensity_series(hours),
            direct=intensity_series([300.0, 300.0], factors="direct"),
            marginal=intensity_series([700.0, 700.0], basis="marginal"),
            market=intensity_series([0.0, 0.0]),
        ),
    )
    accounts = result.emissions
    assert (accounts.location.g, accounts.location.direct_g) == pytest.approx((1600.0, 1200.0), rel=1e-12)
    assert (accounts.marginal.g, accounts.market.g) == (pytest.approx(2800.0, rel=1e-12), 0.0)


def test_market_that_does_not_cover_is_refused_too():
    with pytest.raises(CoverageError):
        account(TWO_HOURS, Intensities(location=intensity_series([1.0, 1.0]), market=intensity_series([0.0])))


# Refused


@pytest.mark.parametrize(
    "option", [{"start": START_NS}, {"boundary": "gpu"}, {"column": "power_w"}, {"utc_offset": "Z"}]
)
def test_what_a_series_says_itself_is_not_said_again(option):
    name = next(iter(option))
    with pytest.raises(InputError, match=f"{name}=.* is for a file; a PowerSeries says it itself"):
        account(TWO_HOURS, None, **option)


def test_naive_start_is_refused(log):
    with pytest.raises(QuantityError, match="has no time zone"):
        account(log, 400.0, start="2026-03-01T00:00")


def test_missing_files_are_refused(tmp_path, log):
    with pytest.raises(DataFileError, match="no such file"):
        account(tmp_path / "nothing.csv", 400.0)
    with pytest.raises(InputError, match="no such file"):
        account(log, tmp_path / "nothing.csv", start=START_NS)


def test_marginal_stands_beside_where_the_file_has_both(tmp_path):
    from click.testing import CliRunner

    from lowtide.cli.main import cli
    from shared_data import data_path

    path = str(data_path("ci_avg_and_marginal_hourly_2022.parquet"))
    pytest.importorskip("pyarrow")
    log = tmp_path / "p.csv"
    log.write_text("t_s,power_w\n0,1000\n3600,1000\n")
    words = str(log), "--start", "2022-03-01T02:00Z", "--intensity", path, "--zone", "CA-QC", "--json"
    done = CliRunner().invoke(cli, ["account", *words], catch_exceptions=False)
    emissions = json.loads(done.stdout)["emissions"]
    assert emissions["location"]["g"] == pytest.approx(28.12, abs=0.01)  # 1 kWh
    assert emissions["marginal"]["g"] == pytest.approx(473.94, abs=0.01)
    assert emissions["marginal"]["intensity"]["basis"] == "marginal"


def test_marginal_of_a_file_reaches_plans_too(tmp_path):
    path = tmp_path / "both.csv"
    path.write_text("ts_utc,ci_lca,moer_g_per_kwh\n2026-03-01T00:00Z,100,700\n2026-03-01T01:00Z,200,300\n")
    plans = lt.plan("1h", str(path), power="1kW", start="2026-03-01T00:00Z", within="2h")
    assert (plans.best.emissions_g, plans.best.marginal_g) == (100.0, 700.0)


def test_device_that_is_missing_counts_in_the_share_that_is_known(tmp_path):
    from lowtide.model.grid_choice import GridChoice
    from lowtide.reporting.account import account_text
    from lowtide.runtime.billing import verify
    from lowtide.runtime.saving import save_account
    from lowtide.stores.codec import to_plain
    from lowtide.stores.ledger import Ledger

    path = tmp_path / "smi.csv"
    rows = [f"2026/03/01 0{h}:{m:02}:00.000, {gpu}, {w}" for h in (0,) for m in range(0, 31, 10)
            for gpu, w in (("0", "350.00 W"), ("1", "[N/A]"))]  # fmt: skip
    path.write_text("timestamp, index, power.draw [W]\n" + "\n".join(rows) + "\n")
    result = account(path, 400.0, start="2026-03-01T00:00Z")
    # GPU 0: 350 W x 0.5 h; GPU 1, half of the devices' time, is unknown
    assert result.energy.total_kwh == pytest.approx(0.175)
    assert result.to_plain()["known_fraction"] == 0.5
    assert result.emissions.location.covered_fraction == 0.5
    assert result.emissions.location.g == pytest.approx(70.0)
    assert "100 % measured, 50 % known" in account_text(result)
    ledger = Ledger(str(tmp_path / "ledger"))
    run_id = save_account(ledger, result, name="x", path=str(path), choice=GridChoice(intensity="400"))
    kept = ledger.last_entry(run_id)["emissions"]["location"]
    assert kept == to_plain(result.emissions.location)
    assert verify(ledger, run_id)["ok"] is True
