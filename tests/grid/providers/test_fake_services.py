"""Providers against fakes of their services: pieces are joined, pages put together, keys and limits respected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from provider_cases import PROVIDERS

from lowtide.doors import Answer, Query
from lowtide.errors import AccessError, NotCoveredError, ReplyError
from lowtide.grid.providers.eia import Eia
from lowtide.grid.providers.electricitymaps import ElectricityMaps
from lowtide.model.signal import STATUSES
from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid import Service
from lowtide.testing.fake_grid.carbon_aware_sdk import FakeCarbonAwareSdk
from lowtide.testing.fake_grid.eia import FakeEia
from lowtide.testing.fake_grid.electricity_maps import FakeElectricityMaps
from lowtide.testing.fake_grid.energy_charts import FakeEnergyCharts
from lowtide.testing.fake_grid.entsoe import FakeEntsoe
from lowtide.testing.fake_grid.gb import FakeGreatBritain
from lowtide.testing.fake_grid.openelectricity import TONNES_PER_MWH, FakeOpenElectricity
from lowtide.testing.fake_grid.truth import generation_mw, intensity_g_per_kwh
from lowtide.testing.fake_grid.watttime import FakeWattTime
from lowtide.testing.provider_checks import check_answer, converse
from lowtide.units import NS_PER_H, g_per_kwh_from_lb_per_mwh

NOW_NS = parse_instant_ns("2026-06-20T12:20Z")
DAY_NS = 24 * NS_PER_H
FAKES: dict[str, tuple[Callable[..., Any], dict[str, str], str]] = {
    "electricitymaps": (FakeElectricityMaps, {"electricitymaps": "em-secret"}, "DE"),
    "electricitymaps-v3": (FakeElectricityMaps, {"electricitymaps": "em-secret"}, "DE"),
    "watttime": (FakeWattTime, {"watttime": "someone:wt-secret"}, "US-CAL-CISO"),
    "gb": (FakeGreatBritain, {}, "GB"),
    "energy-charts": (FakeEnergyCharts, {}, "DE"),
    "eia": (FakeEia, {"eia": "eia-secret"}, "US-CAL-CISO"),
    "entsoe": (FakeEntsoe, {"entsoe": "entsoe-secret"}, "DE"),
    "openelectricity": (FakeOpenElectricity, {"openelectricity": "oe-secret"}, "AU-NSW"),
    "carbon-aware-sdk": (FakeCarbonAwareSdk, {}, "DE"),
}
LONGEST_DAYS = {
    "gb": 14,
    "watttime": 30,
    "electricitymaps": 10,
    "electricitymaps-v3": 10,
    "carbon-aware-sdk": 400,
}


def service_of(name: str, **settings: Any) -> Service:
    """Return the service of a provider, under the provider's own base URL."""
    make, secrets, _ = FAKES[name]
    return Service(make(now_ns=NOW_NS, **settings), base_url=PROVIDERS[name].base_url, secrets=secrets)


def ask(service: Service, name: str, what: str, start: str, end: str, **more: Any) -> Answer:
    """Ask a provider about the zone of its fake, and check the answer."""
    query = Query(
        what=what,  # type: ignore[arg-type]
        zone=more.pop("zone", FAKES[name][2]),
        start_ns=parse_instant_ns(start),
        end_ns=parse_instant_ns(end),
        now_ns=NOW_NS,
        **more,
    )
    answer = converse(PROVIDERS[name], query, service.respond)
    check_answer(PROVIDERS[name], query, answer)
    return answer


def true_g_per_kwh(name: str, starts_ns: list[int]) -> list[float]:
    """Return what a provider must answer about its fake's zone."""
    place = {"watttime": "CAISO_NORTH", "gb": "GB", "energy-charts": "de"}.get(name, "DE")
    if name == "eia":
        return [mix_g_per_kwh("CISO", t) for t in starts_ns]
    if name == "entsoe":
        return [mix_g_per_kwh("10Y1001A1001A83F", t) for t in starts_ns]
    if name == "openelectricity":
        return [emitted_g_per_kwh(t) for t in starts_ns]
    told = [float(intensity_g_per_kwh(place, t)) for t in starts_ns]
    return [g_per_kwh_from_lb_per_mwh(g) for g in told] if name == "watttime" else told


def mix_g_per_kwh(place: str, t_ns: int) -> float:
    """Return the lifecycle intensity of a place's mix, by the CarbonCast set written out here."""
    grams = {"coal": 820, "gas": 490, "hydro": 24, "nuclear": 12, "solar": 45, "wind": 11}
    power = {fuel: max(generation_mw(place, fuel, t_ns), 0) for fuel in grams}
    return sum(power[fuel] * grams[fuel] for fuel in grams) / sum(power.values())


def emitted_g_per_kwh(t_ns: int) -> float:
    """Return emissions over generation of New South Wales; batteries are in neither."""
    fuels = {"coal_black": "coal", "gas_ccgt": "gas", "hydro": "hydro", "solar_utility": "solar"}
    power = {tech: max(generation_mw("NSW1", fuel, t_ns), 0) for tech, fuel in fuels.items()}
    return 1000 * sum(power[tech] * TONNES_PER_MWH[tech] for tech in fuels) / sum(power.values())


@pytest.mark.parametrize("name", FAKES)
def test_history_of_weeks_is_joined_from_pieces_without_a_seam(name: str) -> None:
    service = service_of(name)
    start, end = "2026-05-01T00:00Z", "2026-06-12T00:00Z"  # 42 days: more than any one request may ask for
    answer = ask(service, name, "history", start, end)
    edges = answer.intensity.edges_ns
    steps = np.diff(edges)
    assert (edges[0], edges[-1]) == (parse_instant_ns(start), parse_instant_ns(end))
    assert set(steps) == {steps[0]}
    expected = true_g_per_kwh(name, edges[:-1].tolist())
    assert np.allclose(answer.intensity.intensity_g_per_kwh, expected, rtol=1e-12)
    data = [asked for asked in service.asked if asked.path != "/login"]
    assert len(data) >= 42 / LONGEST_DAYS.get(name, 30)


@pytest.mark.parametrize("name", FAKES)
def test_latest_is_one_known_value_that_began_before_now(name: str) -> None:
    answer = ask(service_of(name), name, "latest", "2026-06-20T12:00Z", "2026-06-20T13:00Z")
    (g,) = answer.intensity.intensity_g_per_kwh
    assert answer.intensity.start_ns <= NOW_NS
    (expected,) = true_g_per_kwh(name, [answer.intensity.start_ns])
    # The running step has no actual value in these two: their forecast of it stands in.
    ahead = {"gb": 3.0, "energy-charts": 2.0}.get(name, 0.0)
    assert g == pytest.approx(expected + ahead, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in FAKES if "forecast" in PROVIDERS[name].offers])
def test_forecast_is_of_the_window_and_marked(name: str) -> None:
    answer = ask(service_of(name), name, "forecast", "2026-06-20T13:00Z", "2026-06-21T01:00Z")
    edges = answer.intensity.edges_ns
    assert edges[0] == parse_instant_ns("2026-06-20T13:00Z")
    assert edges[-1] == parse_instant_ns("2026-06-21T01:00Z")
    off = {"gb": 3.0, "energy-charts": 2.0}.get(name, 0.0)  # what these fakes' forecasts are wrong by
    expected = np.array(true_g_per_kwh(name, edges[:-1].tolist())) + off
    assert np.allclose(answer.intensity.intensity_g_per_kwh, expected, rtol=1e-12)


@pytest.mark.parametrize("name", FAKES)
def test_history_of_the_future_is_refused_without_asking(name: str) -> None:
    service = service_of(name)
    with pytest.raises(NotCoveredError, match="is in the future; ask for a forecast"):
        ask(service, name, "history", "2026-06-21T00:00Z", "2026-06-22T00:00Z")
    assert service.asked == []


@pytest.mark.parametrize("name", FAKES)
def test_history_into_the_future_ends_now(name: str) -> None:
    answer = ask(service_of(name), name, "history", "2026-06-20T06:00Z", "2026-06-21T00:00Z")
    assert answer.intensity.end_ns <= NOW_NS + NS_PER_H
    assert not np.isnan(answer.intensity.intensity_g_per_kwh[0])


@pytest.mark.parametrize("name", FAKES)
def test_empty_window_is_refused(name: str) -> None:
    with pytest.raises(NotCoveredError, match="is empty"):
        ask(service_of(name), name, "history", "2026-06-01T00:00Z", "2026-06-01T00:00Z")


@pytest.mark.parametrize("name", [name for name, (_, secrets, _) in FAKES.items() if secrets])
def test_wrong_key_is_one_clear_error_without_the_key(name: str) -> None:
    make, secrets, _ = FAKES[name]
    wrong = dict.fromkeys(secrets, "someone:not-the-secret")
    service = Service(make(now_ns=NOW_NS), base_url=PROVIDERS[name].base_url, secrets=wrong)
    with pytest.raises(AccessError) as caught:
        ask(service, name, "history", "2026-06-01T00:00Z", "2026-06-02T00:00Z")
    assert "not-the-secret" not in str(caught.value)
    assert "key" in str(caught.value)


@pytest.mark.parametrize("name", FAKES)
def test_secrets_are_in_no_url_and_no_parameter(name: str) -> None:
    seen = []
    service = service_of(name)

    def respond(request: Any) -> Any:
        seen.append(repr(request))
        return service.respond(request)

    query = Query(what="history", zone=FAKES[name][2], start_ns=NOW_NS - DAY_NS, end_ns=NOW_NS, now_ns=NOW_NS)
    converse(PROVIDERS[name], query, respond)
    assert not [
        text for text in seen if "secret" in text.lower().replace("secret(***)", "") or "token-" in text
    ]


@pytest.mark.parametrize("fault", ["html", "cut"])
@pytest.mark.parametrize("name", [n for n in FAKES if n != "carbon-aware-sdk"])  # asks once
def test_page_that_goes_wrong_in_the_middle_spoils_no_series(name: str, fault: Any) -> None:
    service = service_of(name)
    service.order([None, None, fault] if name == "watttime" else [None, fault])
    with pytest.raises(ReplyError):
        ask(service, name, "history", "2026-05-01T00:00Z", "2026-06-12T00:00Z")


# Electricity Maps


@pytest.mark.parametrize("name", ["electricitymaps", "electricitymaps-v3"])
def test_unknown_zone_is_never_answered_for_the_callers_place(name: str) -> None:
    with pytest.raises(NotCoveredError, match="does not exist"):
        ask(service_of(name), name, "latest", "2026-06-20T12:00Z", "2026-06-20T13:00Z", zone="NO-NO1")


def test_zone_of_the_answer_must_be_the_one_asked_for() -> None:
    careless = ElectricityMaps(version="v3", name="electricitymaps")  # v4's fake ignores v3's switch
    service = service_of("electricitymaps")
    query = Query(what="latest", zone="NO-NO1", start_ns=NOW_NS, end_ns=NOW_NS + 1, now_ns=NOW_NS)

    def respond(request: Any) -> Any:
        return service.respond(replace(request, url=request.url.replace("/v3/", "/v4/")))

    with pytest.raises(ReplyError, match="zone 'NO-NO1' was asked for, the answer is for 'PL'"):
        converse(careless, query, respond)


def test_recent_hours_are_estimates_and_say_when_they_were_updated() -> None:
    answer = ask(
        service_of("electricitymaps"), "electricitymaps", "history", "2026-06-20T08:00Z", "2026-06-20T12:00Z"
    )
    # The fake estimates whatever begins later than 09:20: 10:00 and 11:00 of the four hours.
    assert [STATUSES[code] for code in answer.intensity.status] == ["measured"] * 2 + ["estimated"] * 2
    assert answer.updated_ns is not None
    assert answer.updated_ns[0] == parse_instant_ns("2026-06-20T10:00Z")
    assert answer.notes == ("2 of 4 values are estimates, revised for days",)


def test_plan_without_history_still_has_the_last_day() -> None:
    service = service_of("electricitymaps", has_plan=False)
    answer = ask(service, "electricitymaps", "history", "2026-06-20T00:00Z", "2026-06-20T12:00Z")
    assert len(answer.intensity.intensity_g_per_kwh) == 12
    with pytest.raises(AccessError, match="no access to history of DE"):
        ask(service, "electricitymaps", "history", "2026-06-10T00:00Z", "2026-06-11T00:00Z")


def test_finer_steps_are_asked_for_in_shorter_pieces() -> None:
    fine = ElectricityMaps(granularity="15_minutes")
    service = service_of("electricitymaps")
    query = Query(
        what="history", zone="DE", start_ns=NOW_NS - 10 * DAY_NS, end_ns=NOW_NS - 5 * DAY_NS, now_ns=NOW_NS
    )
    answer = converse(fine, query, service.respond)
    assert len(service.asked) == 3  # 5 days and 10 minutes of quarters: 481 values, 240 at most in each
    assert len(answer.intensity.intensity_g_per_kwh) == 481


def test_direct_factors_are_asked_for_and_said() -> None:
    window = ("2026-06-01T00:00Z", "2026-06-02T00:00Z")
    service = service_of("electricitymaps")
    direct = ask(service, "electricitymaps", "history", *window, factors="direct").intensity
    whole = ask(service, "electricitymaps", "history", *window).intensity
    assert (direct.signal.factors, whole.signal.factors) == ("direct", "lifecycle")
    assert (whole.intensity_g_per_kwh - direct.intensity_g_per_kwh == 50.0).all()


# WattTime


def test_token_that_runs_out_is_renewed_in_the_same_conversation() -> None:
    service = service_of("watttime")

    def respond(request: Any) -> Any:
        service.fake.now_ns += 20 * 60 * 10**9  # each answer takes 20 minutes; a token lasts 30
        return service.respond(request)

    query = Query(
        what="history",
        zone="US-CAL-CISO",
        start_ns=NOW_NS - 150 * DAY_NS,
        end_ns=NOW_NS - 10 * DAY_NS,
        now_ns=NOW_NS,
    )
    answer = converse(PROVIDERS["watttime"], query, respond)
    assert not np.isnan(answer.intensity.intensity_g_per_kwh).any()
    assert sum(asked.path == "/login" for asked in service.asked) > 1


def test_past_forecasts_come_by_the_instant_of_their_issue() -> None:
    answer = ask(
        service_of("watttime"), "watttime", "past-forecasts", "2026-06-01T00:00Z", "2026-06-02T12:00Z"
    )
    assert len(answer.past) == 36 * 12  # one every five minutes, none twice at the seam of two days
    issued_ns, newest = answer.past[-1]
    assert (issued_ns, newest.start_ns) == (answer.issued_ns, parse_instant_ns("2026-06-02T11:55Z"))
    assert newest.end_ns - newest.start_ns == DAY_NS


def test_percentile_is_refused_as_an_intensity() -> None:
    service = service_of("watttime")

    def respond(request: Any) -> Any:
        return service.respond(replace(request, url=request.url.replace("historical", "signal-index")))

    query = Query(what="latest", zone="US-CAL-CISO", start_ns=NOW_NS, end_ns=NOW_NS + 1, now_ns=NOW_NS)
    with pytest.raises(ReplyError, match="values in 'percentile' are no intensity"):
        converse(PROVIDERS["watttime"], query, respond)


def test_region_outside_of_the_plan_is_an_access_error() -> None:
    with pytest.raises(AccessError, match="no access to history of ERCOT_HOUSTON"):
        ask(
            service_of("watttime"),
            "watttime",
            "history",
            "2026-06-01T00:00Z",
            "2026-06-02T00:00Z",
            zone="ERCOT_HOUSTON",
        )


def test_zone_of_many_regions_is_refused_with_what_to_do() -> None:
    with pytest.raises(NotCoveredError, match="no region is known for US-TEX-ERCO: give WattTime's own"):
        ask(
            service_of("watttime"),
            "watttime",
            "history",
            "2026-06-01T00:00Z",
            "2026-06-02T00:00Z",
            zone="US-TEX-ERCO",
        )


# Great Britain


def test_region_has_forecasts_alone() -> None:
    answer = ask(
        service_of("gb"), "gb", "history", "2026-06-01T00:00Z", "2026-06-01T02:00Z", zone="GB-REGION-13"
    )
    assert [STATUSES[code] for code in answer.intensity.status] == ["forecast"] * 4
    assert "regional values are forecasts, past ones too" in answer.notes


def test_half_hours_without_actual_value_have_the_forecast() -> None:
    answer = ask(service_of("gb"), "gb", "history", "2026-06-20T11:00Z", "2026-06-20T12:20Z")
    # Actual values come half an hour late: 11:00 ends 11:30 <= 11:50; 11:30 and 12:00 have none yet.
    assert [STATUSES[code] for code in answer.intensity.status] == ["measured", "forecast", "forecast"]


# Mixes


def test_pages_are_asked_for_sorted_until_all_rows_have_come() -> None:
    service = service_of("eia")
    ask(service, "eia", "history", "2026-05-01T00:00Z", "2026-05-31T00:00Z")
    # 30 days x 24 hours x 7 fuels = 5,040 rows: two pages.
    assert [asked.one("offset") for asked in service.asked] == ["0", "5000"]
    assert {asked.one("sort[0][column]") for asked in service.asked} == {"period"}


def test_period_is_the_end_of_the_hour() -> None:
    service = service_of("eia")
    answer = ask(service, "eia", "history", "2026-06-01T05:00Z", "2026-06-01T06:00Z")
    assert (service.asked[0].one("start"), service.asked[0].one("end")) == ("2026-06-01T06", "2026-06-01T06")
    assert answer.intensity.start_ns == parse_instant_ns("2026-06-01T05:00Z")


def test_rows_that_do_not_come_are_missed() -> None:
    service = service_of("eia")
    query = Query(what="history", zone="US-CAL-CISO", start_ns=NOW_NS - DAY_NS, end_ns=NOW_NS, now_ns=NOW_NS)

    def respond(request: Any) -> Any:
        response = service.respond(request)
        return replace(response, body=response.body.replace(b'"total": "1', b'"total": "2'))

    with pytest.raises(ReplyError, match="rows came"):
        converse(PROVIDERS["eia"], query, respond)


def test_other_factor_set_is_a_setting() -> None:
    query = Query(what="latest", zone="US-CAL-CISO", start_ns=NOW_NS, end_ns=NOW_NS + 1, now_ns=NOW_NS)
    answer = converse(Eia(factor_set="ipcc-2011"), query, service_of("eia").respond)
    assert answer.intensity.signal.source == "EIA-930 CISO x ipcc-2011"
    assert answer.intensity.signal.flow == "production"


def test_no_data_as_an_acknowledgement_is_not_covered() -> None:
    with pytest.raises(NotCoveredError, match="has no value of AT"):
        ask(service_of("entsoe"), "entsoe", "history", "2026-06-01T00:00Z", "2026-06-02T00:00Z", zone="AT")


def test_hourly_area_has_hourly_steps() -> None:
    answer = ask(
        service_of("entsoe"), "entsoe", "history", "2026-06-01T00:00Z", "2026-06-02T00:00Z", zone="FR"
    )
    assert set(np.diff(answer.intensity.edges_ns)) == {NS_PER_H}


def test_western_australia_has_its_own_network_and_time() -> None:
    service = service_of("openelectricity")
    answer = ask(
        service, "openelectricity", "history", "2026-06-01T00:00Z", "2026-06-01T03:00Z", zone="AU-WA"
    )
    assert service.asked[0].path == "/v4/data/network/WEM"
    assert service.asked[0].one("date_start") == "2026-06-01T08:00:00"  # UTC+8
    assert answer.intensity.start_ns == parse_instant_ns("2026-06-01T00:00Z")


# Carbon Aware SDK


def test_source_without_forecast_says_so() -> None:
    service = service_of("carbon-aware-sdk", has_forecast=False)
    with pytest.raises(NotCoveredError, match="has no forecast of DE"):
        ask(service, "carbon-aware-sdk", "forecast", "2026-06-20T13:00Z", "2026-06-20T14:00Z")


def test_location_has_the_name_it_is_given() -> None:
    provider = replace(PROVIDERS["carbon-aware-sdk"], locations={"US-MIDA-PJM": "eastus"}, basis="marginal")
    service = service_of("carbon-aware-sdk")
    query = Query(what="history", zone="US-MIDA-PJM", start_ns=NOW_NS - DAY_NS, end_ns=NOW_NS, now_ns=NOW_NS)
    answer = converse(provider, query, service.respond)
    assert service.asked[0].one("location") == "eastus"
    assert (answer.intensity.signal.zone, answer.intensity.signal.basis) == ("US-MIDA-PJM", "marginal")
