"""Levers: nothing counted twice, and the map computed."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.cli.main import main
from lowtide.data.levers import FOUR_MS, levers
from lowtide.errors import InputError
from lowtide.estimation.levers import bigger_levers, parse_pull, waterfall

NAMES = [lever.name for lever in levers()]


def test_twelve_times_contains_the_two_and_four_tenths():
    # Wu et al. 2022: 12 = 2.4 x 5; adding 2.4 or 5 again must change nothing
    alone = waterfall([parse_pull("algorithmic")])
    with_parts = waterfall([parse_pull(name) for name in ("fp16", "algorithmic", "fused-kernels")])
    assert with_parts.energy_fraction == alone.energy_fraction
    assert alone.energy_fraction.value == pytest.approx(1 / 12)
    parts = waterfall([parse_pull("fp16"), parse_pull("fused-kernels")])
    assert parts.energy_fraction.value == pytest.approx(1 / 12)


def test_map_levers_lower_carbon_and_not_energy():
    found = waterfall([parse_pull("clean-region=8")])
    assert (found.energy_fraction.value, found.carbon_fraction.value) == (1.0, 0.125)


def test_overlap_is_named():
    found = waterfall([parse_pull("newer-accelerator"), parse_pull("cloud-datacenter")])
    assert found.steps[1].note == "overlaps newer-accelerator: together they save less than their product"


@given(st.sets(st.sampled_from(NAMES), min_size=1, max_size=6))
def test_more_levers_never_leave_more_and_order_does_not_matter(chosen):
    pulls = [parse_pull(name) for name in sorted(chosen)]
    found, turned = waterfall(pulls), waterfall(pulls[::-1])
    assert found.carbon_fraction.value == pytest.approx(turned.carbon_fraction.value)
    assert found.carbon_fraction.low <= found.carbon_fraction.value <= found.carbon_fraction.high <= 1.0
    fewer = waterfall(pulls[:-1]) if len(pulls) > 1 else None
    if fewer is not None:
        assert found.carbon_fraction.value <= fewer.carbon_fraction.value + 1e-12
    order = [FOUR_MS.index(step.pull.lever.m) for step in found.steps]
    assert order == sorted(order)


def test_every_lever_says_its_price_and_source():
    for lever in levers():
        assert 1.0 <= lever.low <= lever.value <= lever.high
        assert lever.accuracy
        assert lever.rebound
        assert str(lever.year)[:2] == "20"


def test_bigger_levers_leave_out_what_is_done():
    assert "fp16" not in [lever.name for lever in bigger_levers(pulled=("algorithmic",), n=20)]
    assert not [lever for lever in bigger_levers(pue=1.1, n=20) if lever.m == "mechanization"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fp61", "did you mean fp16"),
        ("fp16=two", "is no number"),
        ("fp16=0.25", "write fp16=4"),
        ("fp16=0", "1 or more"),
    ],
)
def test_wrong_levers_are_refused(text, says):
    with pytest.raises(InputError, match=says):
        parse_pull(text)


def test_lever_twice_is_refused():
    with pytest.raises(InputError, match="named twice"):
        waterfall([parse_pull("fp16"), parse_pull("fp16=2")])


@pytest.fixture
def lowtide(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["lowtide", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return call


def test_map_is_computed_by_the_planner(lowtide, tmp_path):
    path = tmp_path / "grid.csv"
    # an hour of work: AA now 400, later 200; BB now 100, later 50
    path.write_text("ts_utc,AA,BB\n2026-01-01T00:00Z,400,100\n2026-01-01T01:00Z,200,50\n")
    words = ("levers", "--zone", "AA", "--zone", "BB", "--duration", "1h", "--slack", "1h", "--intensity", str(path),
             "--start", "2026-01-01T00:00Z")  # fmt: skip
    status, out, _ = lowtide(*words, "--json")
    plain = json.loads(out)
    assert status == 0
    assert plain["map"]["best_zone"] == "BB"
    assert (plain["map"]["region_factor"], plain["map"]["hours_factor"]) == (
        pytest.approx(4.0),
        pytest.approx(2.0),
    )
    assert plain["waterfall"]["emissions_fraction"] == pytest.approx(1 / 8)
    assert [step["note"] for step in plain["waterfall"]["steps"]] == ["", ""]


def test_hours_of_a_zone_with_a_yearly_mean_alone_are_unknown_and_that_is_said(lowtide):
    words = ("levers", "--zone", "DE", "--zone", "FR", "--duration", "36h")
    plain = json.loads(lowtide(*words, "--json")[1])
    assert (plain["map"]["best_zone"], plain["map"]["hours_factor"]) == ("FR", None)
    assert plain["map"]["hours_unknown"] == "only a yearly mean of FR is known"
    assert [step["lever"] for step in plain["waterfall"]["steps"]] == ["clean-region"]
    assert "clean-hours     unknown: only a yearly mean of FR is known" in lowtide(*words)[1]


def test_waterfall_is_drawn(lowtide, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert lowtide("levers", "--lever", "fp16", "--lever", "algorithmic", "--plot", "w.svg")[0] == 0
    assert "contained" in (tmp_path / "w.svg").read_text()
    status, _, err = lowtide("levers", "--plot", "w.png")
    assert status == 1
    assert "nothing to draw" in err


def test_map_needs_to_know_how_long(lowtide):
    status, _, err = lowtide("levers", "--zone", "DE")
    assert status == 1
    assert "needs --duration" in err


def test_list_has_every_lever_with_source(lowtide):
    _, out, _ = lowtide("levers")
    assert out.count("source:") == len(NAMES)
    _, out, _ = lowtide("levers", "--lever", "fp16", "--emissions", "24t")
    assert "10.0 t left" in out  # 24 / 2.4
