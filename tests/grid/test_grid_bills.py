"""Runs billed through providers: what an outage costs, and what a later reprice restores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from grid_truth import Truth, exact_g, recorded_run, true_series, truth_g_per_kwh
from loopback import CANARY, HOUR_NS, HourlyProvider, Loopback, loopback

from lowtide.grid import registry
from lowtide.model.grid_choice import GridChoice
from lowtide.runtime import grid_access as grid_access_module
from lowtide.runtime.billing import intensities_for, verify
from lowtide.runtime.config import load_config
from lowtide.runtime.grid_access import cached_only, grid_access
from lowtide.runtime.repricing import restate_run, stale_runs
from lowtide.runtime.views import read_view
from lowtide.testing.builders import START_NS

pytest.importorskip("httpx")
SIX_HOURS = {START_NS + i * HOUR_NS for i in range(9, 15)}
TWO_DAYS_BEFORE = START_NS - 48 * HOUR_NS


@pytest.fixture
def truth():
    return Truth()


@pytest.fixture
def server(truth, monkeypatch):
    monkeypatch.setitem(registry.BUILT_IN, "hourly", "loopback:HourlyProvider")
    monkeypatch.setenv("LOWTIDE_HOURLY_KEY", CANARY)
    monkeypatch.setattr(grid_access_module, "AT_ONCE_S", 10.0)  # however busy this machine is
    with loopback(truth.answer) as running:
        monkeypatch.setenv("LOWTIDE_HOURLY_URL", running.url)
        yield running


def location(ledger, run_id):
    return read_view(ledger, run_id).entry.emissions.location


def know_the_days_before(truth: Truth) -> None:
    """Fetch two days, as an earlier command would have."""
    with grid_access(load_config()) as access:
        access.find("DE", TWO_DAYS_BEFORE, START_NS)
        access.find("DE", TWO_DAYS_BEFORE, START_NS, factors="direct")
    truth.n_asked = 0


def test_a_run_is_billed_with_measured_values(server: Loopback, truth, tmp_path) -> None:
    ledger, run_id = recorded_run(tmp_path)
    bill = location(ledger, run_id)
    assert bill.g == pytest.approx(exact_g(), rel=1e-12)
    assert bill.status_fractions["measured"] == 1.0
    assert bill.intensity.source == "Hourly"
    assert stale_runs(ledger) == []


def test_zone_alone_uses_the_provider_whose_key_is_set(server: Loopback, tmp_path) -> None:
    ledger, run_id = recorded_run(tmp_path, provider=None)
    assert location(ledger, run_id).intensity.source == "Hourly"


def test_a_provider_that_lacks_six_hours_costs_a_wider_range_and_reprice_restores_the_figure(
    server: Loopback, truth, tmp_path
) -> None:
    know_the_days_before(truth)
    truth.blank = set(SIX_HOURS)
    ledger, run_id = recorded_run(tmp_path)
    first = location(ledger, run_id)
    assert first.covered_fraction == 1.0
    assert first.status_fractions["measured"] == pytest.approx(18 / 24)
    assert first.status_fractions["estimated"] == pytest.approx(6 / 24)
    assert first.intensity.source == "Hourly; 6 of 24 h values of the day before"
    assert first.low_g < exact_g() < first.high_g
    # the six hours of the day before differ from the truth by the drift alone: 24 % 7 = 3 or -4 g an hour
    assert abs(first.g - exact_g()) <= 6 * 4
    assert stale_runs(ledger) == [run_id]

    truth.blank = set()
    with grid_access(load_config()) as access:
        access.now_ns = lambda: time.time_ns() + 25 * HOUR_NS  # an old hole is asked for again once a day
        entry = restate_run(ledger, run_id, load_config(), access=access)
    assert entry is not None
    again = location(ledger, run_id)
    assert again.g == pytest.approx(exact_g(), rel=1e-12)
    assert (again.high_g - again.low_g) < (first.high_g - first.low_g)
    assert again.status_fractions["measured"] == 1.0
    assert stale_runs(ledger) == []
    entries = read_view(ledger, run_id).entries
    assert [e.id for e in entries] == ["0001", "0002"]
    assert entries[0].emissions.location.g == first.g  # the old bill stays as it was
    assert verify(ledger, run_id)["ok"]


def test_a_dead_provider_at_the_end_of_a_run_stops_nothing(
    server: Loopback, truth, tmp_path, monkeypatch
) -> None:
    know_the_days_before(truth)
    truth.dead = True
    monkeypatch.setenv("LOWTIDE_GRID_TIMEOUT", "0.3s")
    began = time.monotonic()
    ledger, run_id = recorded_run(tmp_path)
    assert time.monotonic() - began < 3.0
    first = location(ledger, run_id)
    assert first.covered_fraction == 1.0
    assert first.status_fractions["measured"] == 0.0
    assert first.status_fractions["estimated"] == 1.0
    assert "values of the day before because hourly: " in first.intensity.source
    assert "answered 503" in first.intensity.source
    assert first.low_g < exact_g() < first.high_g
    assert CANARY not in first.intensity.source

    truth.dead = False
    with grid_access(load_config()) as access:
        assert restate_run(ledger, run_id, load_config(), access=access) is not None
    assert location(ledger, run_id).g == pytest.approx(exact_g(), rel=1e-12)


def test_nothing_known_at_all_falls_to_typical_and_says_why(
    server: Loopback, truth, tmp_path, monkeypatch
) -> None:
    truth.dead = True
    monkeypatch.setenv("LOWTIDE_GRID_TIMEOUT", "0.3s")
    ledger, run_id = recorded_run(tmp_path)
    bill = location(ledger, run_id)
    assert bill.status_fractions["typical"] == 1.0
    assert bill.intensity.source.startswith("typical: ")
    assert "because hourly: " in bill.intensity.source


def test_no_network_at_the_end_of_a_run_when_its_time_is_nothing(
    server: Loopback, truth, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("LOWTIDE_GRID_TIMEOUT", "0")
    ledger, run_id = recorded_run(tmp_path)
    assert truth.n_asked == 0
    assert location(ledger, run_id).status_fractions["typical"] == 1.0


def test_offline_asks_nobody_and_says_what_is_missing(server: Loopback, truth, monkeypatch) -> None:
    monkeypatch.setenv("LOWTIDE_OFFLINE", "1")
    with grid_access(load_config()) as access:
        found = access.find("DE", START_NS, START_NS + 24 * HOUR_NS)
    assert truth.n_asked == 0
    assert found.problems == (
        "offline: the cache lacks 24 h of the time asked for, from 2026-03-01T00:00:00.000000Z on",
    )
    assert found.provider == "typical"


def test_reprice_of_what_is_still_unknown_changes_nothing(server: Loopback, truth, tmp_path) -> None:
    truth.blank = set(SIX_HOURS)
    ledger, run_id = recorded_run(tmp_path)
    with grid_access(load_config()) as access:
        assert restate_run(ledger, run_id, load_config(), access=access) is None
    assert len(read_view(ledger, run_id).entries) == 1


def test_command_restates_stale_runs_alone(server: Loopback, truth, tmp_path, monkeypatch) -> None:
    from lowtide.cli.main import cli

    good, good_id = recorded_run(tmp_path)
    truth.estimated = set(SIX_HOURS)
    truth.bias = 10.0
    monkeypatch.setenv("LOWTIDE_CACHE", str(tmp_path / "other.sqlite"))
    ledger, stale_id = recorded_run(tmp_path)
    assert stale_runs(ledger) == [stale_id]
    done = CliRunner().invoke(cli, ["reprice", "--all", "--stale"], catch_exceptions=False)
    assert "1 run rests on as good as is known; nothing was changed" in done.stderr
    truth.estimated, truth.bias = set(), 0.0
    monkeypatch.setenv("LOWTIDE_CACHE", str(tmp_path / "third.sqlite"))
    done = CliRunner().invoke(cli, ["reprice", "--all", "--stale"], catch_exceptions=False)
    assert stale_id in done.stdout
    assert good_id not in done.stdout
    assert location(good, stale_id).g == pytest.approx(exact_g(), rel=1e-12)


def test_direct_factors_stand_beside(server: Loopback, tmp_path) -> None:
    ledger, run_id = recorded_run(tmp_path)
    assert location(ledger, run_id).direct_g == pytest.approx(exact_g(), rel=1e-12)


def test_marginal_stands_beside_where_a_provider_has_it(server: Loopback, monkeypatch, tmp_path) -> None:
    def marginal(**_):
        return HourlyProvider(
            name="margin", basis="marginal", base_url=server.url, keys=HourlyProvider().keys
        )

    import loopback as module

    monkeypatch.setattr(module, "Margin", marginal, raising=False)
    monkeypatch.setitem(registry.BUILT_IN, "margin", "loopback:Margin")
    monkeypatch.setenv("LOWTIDE_MARGIN_HOURLY", CANARY)
    ledger, run_id = recorded_run(tmp_path)
    emissions = read_view(ledger, run_id).entry.emissions
    assert emissions.marginal is not None
    assert emissions.marginal.intensity.basis == "marginal"
    with cached_only() as access:
        choice = GridChoice(zone="DE", basis="marginal")
        found = intensities_for(choice, start_ns=START_NS, end_ns=START_NS + HOUR_NS, access=access)
    assert found.location is None
    assert found.marginal.signal.basis == "marginal"


def test_a_second_run_is_billed_from_the_cache(server: Loopback, truth, tmp_path) -> None:
    recorded_run(tmp_path)
    n_asked = truth.n_asked
    recorded_run(tmp_path)
    assert truth.n_asked == n_asked


def test_a_plan_gets_values_of_the_past_and_a_forecast(server: Loopback) -> None:
    now_ns = START_NS + 30 * 60 * 10**9
    with grid_access(load_config()) as access:
        access.now_ns = lambda: now_ns
        found = access.find("DE", START_NS - 2 * HOUR_NS, START_NS + 4 * HOUR_NS)
    assert found.intensity.intensity_g_per_kwh.tolist() == [
        truth_g_per_kwh(START_NS + i * HOUR_NS) for i in range(-2, 4)
    ]
    # the hour that has begun is known as a value of the past, the rest is to come
    assert found.intensity.status.tolist() == [0, 0, 0, 2, 2, 2]
    assert found.intensity.signal == true_series(START_NS, 1).signal.__class__(
        zone="DE", factors="lifecycle", flow="consumption", source="Hourly"
    )


def test_key_is_in_no_file_of_cache_and_ledger(server: Loopback, truth, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LOWTIDE_RECORD_REPLIES", str(tmp_path / "replies"))
    recorded_run(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in files)
    assert any(path.parent.name == "replies" for path in files)
    assert [str(path) for path in files if b"canary" in path.read_bytes()] == []


def test_typical_values_are_made_good_by_estimates_and_those_by_measured_ones(
    server: Loopback, truth, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("LOWTIDE_GRID_TIMEOUT", "0")
    ledger, run_id = recorded_run(tmp_path)
    hours = {START_NS + i * HOUR_NS for i in range(24)}

    def restated(days: int) -> dict[str, float] | None:
        with grid_access(load_config()) as access:
            access.now_ns = lambda: START_NS + days * 24 * HOUR_NS
            access.http.wall_ns = access.now_ns
            entry = restate_run(ledger, run_id, load_config(), access=access)
        return None if entry is None else dict(entry.emissions.location.status_fractions)

    truth.estimated = hours
    assert restated(2)["estimated"] == 1.0
    assert restated(3) is None  # still estimates: nothing better
    truth.estimated = set()
    assert restated(4)["measured"] == 1.0
    assert len(read_view(ledger, run_id).entries) == 3


def test_run_command_ends_well_with_a_provider_out_of_reach(tmp_path) -> None:
    """The command line itself, as a user calls it; nobody listens on port 9."""
    env = {
        **os.environ,
        "LOWTIDE_ELECTRICITYMAPS_URL": "http://127.0.0.1:9",
        "LOWTIDE_ELECTRICITYMAPS_KEY": CANARY,
        "LOWTIDE_GRID_TIMEOUT": "2s",
    }
    run = [sys.executable, "-m", "lowtide", "run", "--zone", "DE", "--", "true"]
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "DE, average lifecycle" in done.stderr
    assert "typical" in done.stderr
    show = [sys.executable, "-m", "lowtide", "show", "last", "--json"]
    told = subprocess.run(show, env=env, capture_output=True, text=True, check=True, timeout=60)
    source = json.loads(told.stdout)["emissions"]["location"]["intensity"]["source"]
    assert "because electricitymaps: 127.0.0.1/v4/carbon-intensity/history: no connection" in source
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [str(path) for path in files if b"canary" in path.read_bytes()] == []
    assert "canary" not in done.stderr + told.stdout
