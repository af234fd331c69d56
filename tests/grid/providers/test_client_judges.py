"""The real clients of three services judge our fakes of them, where they are installed.

``LOWTIDE_TEST_JUDGES`` names a Python that has ``watttime``, ``gridstatus`` and ``entsoe-py``.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from lowtide.quantities import parse_instant_ns
from lowtide.testing.fake_grid import Fake, Service, serve
from lowtide.testing.fake_grid.eia import FakeEia
from lowtide.testing.fake_grid.entsoe import FakeEntsoe
from lowtide.testing.fake_grid.truth import generation_mw, intensity_g_per_kwh
from lowtide.testing.fake_grid.watttime import FakeWattTime

JUDGES = os.environ.get("LOWTIDE_TEST_JUDGES", "")
NOW_NS = parse_instant_ns("2026-06-20T12:20Z")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not JUDGES, reason="LOWTIDE_TEST_JUDGES names no Python with the real clients"),
]

WATTTIME = """
import json, watttime
history = watttime.WattTimeHistorical().get_historical_pandas("2026-04-01", "2026-06-01", "CAISO_NORTH")
ahead = watttime.WattTimeForecast().get_forecast_json("CAISO_NORTH", horizon_hours=24)
past = watttime.WattTimeForecast().get_historical_forecast_pandas(
    "2026-05-01", "2026-05-02", "CAISO_NORTH", horizon_hours=1)
print(json.dumps({
    "history": [[t.isoformat(), v] for t, v in zip(history["point_time"], history["value"])],
    "ahead": [[p["point_time"], p["value"]] for p in ahead["data"]],
    "past": len(past),
}))
"""
EIA = """
import json, sys, gridstatus
gridstatus.EIA.BASE_URL = sys.argv[1] + "/v2/"
frame = gridstatus.EIA(api_key="eia-secret").get_dataset(
    "electricity/rto/fuel-type-data", "2026-05-01", "2026-06-10", facets={"respondent": ["CISO"]})
names = [n for n in frame.columns if n.lower() in ("coal", "natural gas", "nuclear", "solar")]
print(json.dumps([
    [r["Interval Start"].isoformat(), {n.lower(): float(r[n]) for n in names}] for _, r in frame.iterrows()]))
"""
ENTSOE = """
import json, pandas, entsoe
client = entsoe.EntsoePandasClient(api_key="entsoe-secret")
ends = [pandas.Timestamp(t, tz="UTC") for t in ("2026-06-01", "2026-06-03")]
frame = client.query_generation("DE", start=ends[0], end=ends[1])
try:
    client.query_generation("AT", start=ends[0], end=ends[1])
    nothing = "data"
except entsoe.exceptions.NoMatchingDataError:
    nothing = "NoMatchingDataError"
print(json.dumps({"nothing": nothing, "rows": [
    [t.tz_convert("UTC").isoformat(), {"/".join(c): float(v) for c, v in row.items()}]
    for t, row in frame.iterrows()]}))
"""


def judged(fake: Fake, script: str, environment: dict[str, str]) -> Any:
    """Run a client in the judges' Python against a fake, and return what it prints."""
    with serve(Service(fake)) as base_url:
        told = {name: value.format(base_url) for name, value in environment.items()}
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        done = subprocess.run(
            [JUDGES, "-c", script, base_url],
            env={**clean, **told},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_watttimes_client_accepts_the_fake() -> None:
    user, _, password = FakeWattTime(now_ns=0).login.partition(":")
    environment = {"WATTTIME_API_URL": "{}", "WATTTIME_USER": user, "WATTTIME_PASSWORD": password}
    told = judged(FakeWattTime(now_ns=NOW_NS), WATTTIME, environment)
    # 61 days of 288 values; the last end is included, seams are not doubled.
    assert len(told["history"]) == 61 * 288 + 1
    assert len(told["ahead"]) == 288
    assert told["past"] >= 288 * 12
    for stamp, value in (*told["history"], *told["ahead"]):
        assert value == intensity_g_per_kwh("CAISO_NORTH", parse_instant_ns(stamp))


def test_gridstatus_accepts_the_fake_of_eia() -> None:
    told = judged(FakeEia(now_ns=NOW_NS), EIA, {})
    assert len(told) == 40 * 24 + 1  # 40 days of hours by their ends, both ends included: two pages
    fuels = {"coal": "coal", "natural gas": "gas", "nuclear": "nuclear", "solar": "solar"}
    for stamp, power in told:
        t_ns = parse_instant_ns(stamp)
        assert power == {name: generation_mw("CISO", fuel, t_ns) for name, fuel in fuels.items()}


def test_entsoe_py_accepts_the_fake() -> None:
    told = judged(FakeEntsoe(now_ns=NOW_NS), ENTSOE, {"ENTSOE_ENDPOINT_URL": "{}/api"})
    assert told["nothing"] == "NoMatchingDataError"
    assert len(told["rows"]) == 2 * 96
    names = {"Fossil Hard coal": "coal", "Fossil Gas": "gas", "Nuclear": "nuclear", "Wind Onshore": "wind"}
    for stamp, row in told["rows"]:
        power = {name.partition("/")[0]: v for name, v in row.items() if not name.endswith("Consumption")}
        for name, fuel in names.items():
            assert power[name] == max(generation_mw("10Y1001A1001A83F", fuel, parse_instant_ns(stamp)), 0)
