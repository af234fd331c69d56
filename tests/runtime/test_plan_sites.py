"""``lowtide plan`` with sites, prices, budgets and a front, from the command line and from Python."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lowtide.cli.main import cli
from lowtide.errors import LowtideError
from lowtide.quantities import parse_instant_ns
from lowtide.runtime.planning import plan as plan_in_python
from lowtide.runtime.planning_series import currency_of, read_price
from shared_data import data_path

DE = (400, 300, 100, 100, 300, 50, 400, 400)


def write(path, header, rows):
    lines = [f"2026-03-01T{hour:02d}:00Z,{','.join(map(str, row))}" for hour, row in enumerate(rows)]
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


@pytest.fixture
def day(tmp_path):
    return write(tmp_path / "day.csv", "ts_utc,DE,FR", [(value, value / 2) for value in DE])


def invoke(*args):
    return CliRunner().invoke(cli, ["plan", *args], catch_exceptions=False)


def plan(day, *args):
    done = invoke(
        "--intensity", day, "--start", "2026-03-01T00:00Z", "--within", "6h", "--duration", "2h", *args, "--json"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def of(document, policy, zone="DE"):
    return next(p for p in document["plans"] if (p["policy"], p["zone"]) == (policy, zone))


def test_sites_file_gives_zones_hardware_prices_and_ways(day, tmp_path):
    write(tmp_path / "pue.csv", "ts_utc,pue", [(1.2,)] * 4 + [(1.5,)] * 4)
    sites = tmp_path / "sites.toml"
    sites.write_text(
        f"""
        [site.home]
        zone = "DE"
        pue = "{tmp_path / "pue.csv"}"
        price = 0.1
        [site.paris]
        zone = "FR"
        throughput = 2
        power = 1.5
        price_usd_per_kwh = 0.2
        residency = "EU"
        transfer_gb = 450
        transfer_kwh_per_gb = 0.002
        transfer_gbit_per_s = 1
        """
    )
    document = plan(day, "--power", "1kW", "--sites", str(sites))
    # 400 and 300 g at PUE 1.2
    assert document["baseline"]["emissions_g"] == pytest.approx(700 * 1.2)
    assert document["baseline"]["cost_usd"] == pytest.approx(2 * 1.2 * 0.1)
    # 1 h of 1.5 kW at 25 g/kWh, and 0.9 kWh from the first hour at home
    there = of(document, "flexible-start", "FR")
    assert there["emissions_g"] == pytest.approx(37.5 + 0.9 * 400 * 1.2)
    assert there["segments"][0]["kind"] == "transfer"
    # at home the two hours of 100 are at 1.2; by pausing the 50 at 1.5 is used
    assert of(document, "pause-resume")["emissions_g"] == pytest.approx(120 + 75)
    only = plan(day, "--power", "1kW", "--sites", str(sites), "--zone", "paris")
    assert {p["zone"] for p in only["plans"]} == {"FR"}


def test_two_sites_of_one_zone_go_by_their_names(day, tmp_path):
    sites = tmp_path / "sites.toml"
    sites.write_text('[site.old]\nzone = "DE"\n[site.new]\nzone = "DE"\npower = 0.5\n')
    document = plan(day, "--power", "1kW", "--sites", str(sites))
    assert of(document, "run-now", "new")["saving_fraction"] == pytest.approx(0.5)


def test_configured_sites_are_sites_too(day, tmp_path, monkeypatch):
    (tmp_path / "lowtide.toml").write_text('[site.a]\nzone = "DE"\npue = 1.5\nprice_usd_per_kwh = 0.3\n')
    monkeypatch.chdir(tmp_path)
    document = plan(day, "--power", "1kW", "--sites", "config")
    assert document["baseline"]["emissions_g"] == pytest.approx(1050)
    assert document["minimised"] == "emissions_g"  # a price at hand does not change what is asked for
    assert of(document, "run-now")["cost_usd"] == pytest.approx(0.9)


def test_site_that_is_the_default_lends_the_others_nothing(tmp_path, monkeypatch):
    (tmp_path / "lowtide.toml").write_text(
        'default_site = "home"\n[site.home]\nzone = "DE"\nintensity = "900"\npue = 1.5\n[site.west]\nzone = "FR"\n'
    )
    monkeypatch.setenv("LOWTIDE_CONFIG", str(tmp_path / "lowtide.toml"))
    done = invoke("--within", "3h", "--duration", "1h", "--power", "1kW", "--sites", "config", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert of(document, "run-now")["emissions_g"] == pytest.approx(900 * 1.5)  # 1 kWh
    assert of(document, "run-now", "FR")["emissions_g"] < 200  # France's own, and no PUE of another's


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[site.a]\nzne = 'DE'", "unknown key 'zne'; did you mean zone"),
        ("[site.a]\nzone = 5", "zone must be a text, got 5"),
        ("[site.a]\nthroughput = 'fast'", "throughput must be a number, got 'fast'"),
        ("[site.a]\nregion = [1]", "region must be a text or a list of texts"),
        ("[site.a]\nzone = 'DE'\npue = 0.9", "pue 0.9"),
        (
            "[site.a]\nzone = 'DE'\n[site.b]\nzone = 'FR'\ntransfer_gb = 5",
            "say with what energy and how fast",
        ),
        ("x = 1", "no \\[site.NAME\\] table"),
        ("[site.a", "is no TOML"),
    ],
)
def test_mistakes_in_a_sites_file_are_named(day, tmp_path, text, message):
    sites = tmp_path / "sites.toml"
    sites.write_text(text)
    with pytest.raises(LowtideError, match=message):
        plan(day, "--power", "1kW", "--sites", str(sites))


def test_prices_from_a_file_are_weighed_with_carbon(day, tmp_path):
    prices = write(
        tmp_path / "p.csv", "ts_utc,price_usd_per_mwh", [(100,), (-50,), (300,), (300,), (20,), (900,)]
    )
    document = plan(day, "--zone", "DE", "--power", "1kW", "--price", prices)
    assert document["minimised"] == "usd"
    paused = of(document, "pause-resume")
    assert paused["objective"] == paused["lower_bound_usd"] == pytest.approx(-0.05 + 0.02)
    assert paused["lower_bound_g"] is None
    # at 1000 USD/t the hours count 0.5, 0.25, 0.4, 0.4, 0.32 and 0.95 USD
    weighed = of(
        plan(day, "--zone", "DE", "--power", "1kW", "--price", prices, "--carbon-price", "1000"),
        "pause-resume",
    )
    assert weighed["objective"] == pytest.approx(0.25 + 0.32)
    assert weighed["cost_usd"] == pytest.approx(-0.03)


def test_budgets_and_front(day):
    soon = of(plan(day, "--zone", "DE", "--power", "1kW", "--max-carbon", "0.5kg"), "pause-resume")
    # x of the third hour instead of the first: 300 + 100 x + 400 (1 - x) = 500 g where x = 2/3
    assert soon["emissions_g"] <= 500 * (1 + 1e-9)
    assert soon["lower_bound_s"] == pytest.approx(soon["objective"], abs=1e-3)
    assert soon["objective"] == pytest.approx(2 * 3600 + 3600 * 200 / 300, abs=1e-2)
    kept = plan(day, "--zone", "DE", "--zone", "FR", "--power", "1kW", "--price", "DE=0.1", "--price", "FR=0.4",
                "--max-cost", "0.5", "--pareto")  # fmt: skip
    assert all(p["cost_usd"] <= 0.5 * (1 + 1e-9) for p in kept["plans"])
    trades = {point["trade"] for point in kept["pareto"]}
    assert trades == {"carbon-time", "carbon-cost"}
    assert kept["pareto"][0]["elapsed_s"] == 7200


def test_marginal_file_is_a_second_account_with_its_warning(day, tmp_path):
    marginal = write(
        tmp_path / "m.csv", "ts_utc,DE", [(v,) for v in (100, 600, 900, 900, 300, 500, 500, 500)]
    )
    found = plan(day, "--zone", "DE", "--power", "1kW", "--marginal", marginal)
    assert found["baseline"]["marginal_g"] == pytest.approx(700)
    assert of(found, "flexible-start")["marginal_g"] == pytest.approx(1800)
    assert any("avoids" in warning for warning in found["warnings"])


def test_gpus_are_an_estimate_that_says_so(day):
    found = plan(day, "--zone", "DE", "--gpus", "8xV100", "--load", "80%")
    assert of(found, "run-now")["energy_kwh"] == pytest.approx(2 * 1.92 * 1.10 * 1.20)
    assert found["warnings"][0].startswith("power is an estimate: 2534 W at the node (2218 to 4838 W)")
    with pytest.raises(LowtideError, match="--load is the load of --gpus"):
        plan(day, "--zone", "DE", "--power", "1kW", "--load", "0.5")


def test_round_up_makes_the_duration_whole_slots(day):
    found = plan(day, "--zone", "DE", "--power", "1kW", "--slot", "90m", "--round-up")
    assert of(found, "run-now")["energy_kwh"] == pytest.approx(3.0)
    with pytest.raises(LowtideError, match="say how long one is with --slot"):
        plan(day, "--zone", "DE", "--power", "1kW", "--round-up")


def test_min_saving_decides_what_is_worth_waiting_for(day):
    assert plan(day, "--zone", "DE", "--power", "1kW")["verdict"].startswith("wait: start")
    assert plan(day, "--zone", "DE", "--power", "1kW", "--min-saving", "90%")["verdict"].startswith(
        "not worth"
    )


def test_text_fits_eighty_columns_and_has_no_colour(day):
    done = invoke("--intensity", day, "--start", "2026-03-01T00:00Z", "--within", "6h", "--duration", "2h", "--power",
                  "1kW", "--zone", "DE", "--zone", "FR", "--price", "0.2", "--max-cost", "9", "--pareto")  # fmt: skip
    lines = done.output.splitlines()
    charted = [line for line in lines if "|" in line]
    assert len(charted) >= 6
    assert max(map(len, charted)) <= 80
    assert "\x1b" not in done.output
    assert any(line.startswith("carbon against cost") for line in lines)
    assert lines[-1].startswith("verdict: ")


def test_prices_know_their_currency_and_unit(tmp_path, day):
    euros = write(tmp_path / "eur.csv", "ts_utc,price_eur_per_mwh", [(50,)] * 8)
    price = read_price(euros, zone="DE", window_ns=(0, 1))
    assert (price.price_usd_per_kwh[0], currency_of(price)) == (0.05, "EUR")
    found = plan(day, "--zone", "DE", "--power", "1kW", "--price", euros)
    assert "prices are in EUR: read every figure in USD as EUR" in found["warnings"]
    with pytest.raises(LowtideError, match="prices are in EUR and USD; give all in one currency"):
        plan(day, "--zone", "DE", "--zone", "FR", "--power", "1kW", "--price", euros, "--price", "FR=0.1")
    unnamed = write(tmp_path / "mwh.csv", "ts_utc,DE", [(50,)] * 8)
    with pytest.raises(LowtideError, match="cannot be per kWh; name the column price_usd_per_mwh"):
        plan(day, "--zone", "DE", "--power", "1kW", "--price", unnamed)


def test_market_zones_of_a_price_file_are_named_after_an_at_sign():
    path = data_path("electricity_price_hourly_22zones_2020_2024.parquet")
    start = parse_instant_ns("2024-01-01T00:00Z")
    price = read_price(f"{path}@DE-LU", zone="DE", window_ns=(start, start + 1))
    assert -1.0 < price.price_usd_per_kwh[~(price.price_usd_per_kwh != price.price_usd_per_kwh)].mean() < 1.0


def test_python_plans_numbers_files_and_mappings(day):
    flat = plan_in_python("2h", 400, power=1000, start="2026-03-01T00:00Z", within="6h")
    assert (flat.best.policy, flat.best.emissions_g) == ("run-now", 800.0)
    both = plan_in_python("2h", {"DE": day, "FR": day}, power="1kW", start="2026-03-01T00:00Z", within="6h",
                          price={"DE": 0.1, "FR": 0.2}, pue=1.1)  # fmt: skip
    assert (both.best.zone, both.best.cost_usd) == ("FR", pytest.approx(2 * 1.1 * 0.2))
    with pytest.raises(LowtideError, match="needs its power at the node"):
        plan_in_python("2h", 400, within="6h")


def test_policies_of_the_literature_are_a_group_of_their_own(day):
    found = plan(day, "--zone", "DE", "--power", "1kW", "--policy", "literature")
    groups = {p["group"] for p in found["plans"]}
    assert groups == {None, "literature"}
    one = next(p["policy"] for p in found["plans"] if p["group"] == "literature")
    alone = plan(day, "--zone", "DE", "--power", "1kW", "--policy", one)
    assert {p["policy"] for p in alone["plans"]} == {one}
    text = invoke("--intensity", day, "--start", "2026-03-01T00:00Z", "--within", "6h", "--duration", "2h",
                  "--power", "1kW", "--zone", "DE", "--policy", "literature")  # fmt: skip
    assert "as published:" in text.output
    with pytest.raises(LowtideError, match=r"no policy 'greenest'.*literature"):
        plan(day, "--zone", "DE", "--power", "1kW", "--policy", "greenest")


def test_pue_or_price_of_a_zone_that_is_not_planned_for_is_refused(day):
    for flag in ("--pue", "--price"):
        with pytest.raises(
            LowtideError, match=f"{flag} ZZ=1.1: ZZ is not in this plan; its zones are DE, FR"
        ):
            plan(day, "--power", "1kW", "--zone", "DE", "--zone", "FR", flag, "ZZ=1.1")


def test_boundary_of_the_power_is_said_and_takes_no_pue(day):
    power = "--power", "1kW", "--zone", "DE"
    assert plan(day, *power)["boundary"] == "node"
    found = plan(day, *power, "--boundary", "gpu")
    assert found["boundary"] == "gpu"
    assert found["baseline"]["emissions_g"] == pytest.approx(700.0)
    assert any("at boundary gpu: the rest of the node is not in them" in text for text in found["warnings"])
    assert plan(day, *power, "--boundary", "facility")["boundary"] == "facility"
    with pytest.raises(
        LowtideError, match="PUE applies to a node, once, and this power is the facility's already"
    ):
        plan(day, *power, "--boundary", "facility", "--pue", "1.2")
    with pytest.raises(LowtideError, match="this power is at boundary 'gpu'; leave out the PUE"):
        plan(day, *power, "--boundary", "gpu", "--pue", "1.2")
    with pytest.raises(
        LowtideError, match="--boundary gpu says what --power or --points contains; --gpus knows"
    ):
        plan(day, "--gpus", "8xV100", "--zone", "DE", "--boundary", "gpu")
