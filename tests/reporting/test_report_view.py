"""The JSON of a run: what `lowtide show --json` promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_views import failed_view, make_bill, make_end, make_entry, make_view

from lowtide.reporting.view import view_plain

PROMISED = (
    "run_id name command tags host started ended duration_s running_s paused_s waited_s exit_code signal status "
    "interval_s n_readings gaps energy pue facility_kwh emissions sci entries telemetry"
)
PROMISED_ENERGY = (
    "boundary total_kwh low_kwh high_kwh idle_kwh dynamic_kwh rest_kwh by_component method attribution"
)
PROMISED_ACCOUNT = "g low_g high_g of covered_fraction status_fractions intensity"
PROMISED_INTENSITY = "zone basis factors flow vintage source mean_g_per_kwh"


def test_every_promised_key_is_there() -> None:
    plain = view_plain(make_view())
    location = plain["emissions"]["location"]
    assert set(PROMISED.split()) <= set(plain)
    assert set(PROMISED_ENERGY.split()) <= set(plain["energy"])
    assert set(PROMISED_ACCOUNT.split()) <= set(location)
    assert set(PROMISED_INTENSITY.split()) <= set(location["intensity"])
    assert set(plain["emissions"]) == {"location", "marginal", "market", "embodied"}


def test_a_run_without_a_bill_has_the_same_keys_with_nulls() -> None:
    plain = view_plain(make_view(entry=None, end=None))
    assert set(PROMISED.split()) <= set(plain)
    assert (plain["energy"], plain["started"], plain["duration_s"], plain["n_readings"]) == (None,) * 4
    assert plain["emissions"] == dict.fromkeys(("location", "marginal", "market", "embodied"))
    assert plain["gaps"] == []


def test_instants_are_utc_with_microseconds() -> None:
    plain = view_plain(make_view())
    assert (plain["started"], plain["ended"]) == (
        "2026-03-01T00:00:00.000000Z",
        "2026-03-01T01:00:00.000000Z",
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "finished"),
        ({"exit_code": 1}, "failed"),
        ({"exit_code": None, "signal": 15}, "killed"),
        ({"exit_code": 0, "observed": False}, "incomplete"),
        ({"exit_code": None}, "failed"),
    ],
)
def test_status_is_how_it_ended(changes: dict[str, object], status: str) -> None:
    assert view_plain(make_view(end=make_end(**changes)))["status"] == status
    assert view_plain(make_view(end=None))["status"] == "running"


def test_unknown_numbers_are_null() -> None:
    model = replace(failed_view().header.memory_model, installed_gb=float("nan"))
    assert view_plain(make_view(memory_model=model))["models"]["memory"]["installed_gb"] is None


def test_entries_say_what_supersedes_them() -> None:
    first, second = make_entry(make_bill()), make_entry(make_bill(zone="FR"), id="0002")
    entries = view_plain(replace(make_view(entry=second), entries=(first, second)))["entries"]
    assert [(e["id"], e["superseded_by"], e["intensity"]["zone"]) for e in entries] == [
        ("0001", "0002", "DE"),
        ("0002", None, "FR"),
    ]
