"""Federated training: its terms, each client's grid, PUE for the server alone."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowtide.cli.main import main
from lowtide.errors import InputError
from lowtide.estimation.federated import ClientGroup, federated


def group(**changes) -> ClientGroup:
    base = {"name": "phones", "n_selected": 1000.0, "local_time_s": 60.0, "device_w": 3.0, "router_w": 7.5,
            "idle_w": 1.0, "download_mbit_s": 50.0, "upload_mbit_s": 10.0, "intensity_g_per_kwh": 400.0}  # fmt: skip
    return ClientGroup(**{**base, **changes})


def test_pue_is_for_the_server_alone():
    bare, housed = (federated([group()], model_mb=12.5, server_kwh=1.0, server_pue=p, server_g_per_kwh=100.0)
                    for p in (1.0, 2.0))  # fmt: skip
    assert housed.compute_kwh == bare.compute_kwh
    assert housed.network_kwh == bare.network_kwh
    assert housed.server_kwh == 2 * bare.server_kwh
    assert housed.emissions_g - bare.emissions_g == pytest.approx(100.0)


def test_clients_are_billed_at_their_own_grid():
    found = federated(
        [group(name="a", intensity_g_per_kwh=50.0), group(name="b", intensity_g_per_kwh=500.0)], model_mb=12.5
    )
    # 0.07833 kWh each
    assert found.emissions_g == pytest.approx(0.0783333 * 550.0, rel=1e-5)
    assert federated([group(), group(name="b", intensity_g_per_kwh=None)], model_mb=1.0).emissions_g is None


def test_big_models_on_slow_lines_are_dominated_by_communication():
    assert federated([group(upload_mbit_s=1.0)], model_mb=500.0).dominant == "communication"
    assert federated([group()], model_mb=1.0).dominant == "computation"


@given(st.floats(1.0, 1e4), st.floats(0.1, 1e3), st.floats(1.0, 1e3), st.floats(1.1, 5.0))
def test_energy_is_linear_in_participations_and_size(n, size, speed, k):
    base = federated([group(n_selected=n, upload_mbit_s=speed)], model_mb=size)
    more = federated([group(n_selected=n * k, upload_mbit_s=speed)], model_mb=size)
    assert more.total_kwh == pytest.approx(k * base.total_kwh)
    larger = federated([group(n_selected=n, upload_mbit_s=speed)], model_mb=size * k)
    assert larger.network_kwh == pytest.approx(k * base.network_kwh)
    faster = federated([group(n_selected=n, upload_mbit_s=speed * k)], model_mb=size)
    assert faster.network_kwh < base.network_kwh


@pytest.mark.parametrize("change", [{"upload_mbit_s": 0.0}, {"device_w": -1.0}, {"n_selected": 0.0}])
def test_what_cannot_be_is_refused(change):
    with pytest.raises(InputError, match="of phones must be"):
        group(**change)


def test_without_clients_there_is_nothing():
    with pytest.raises(InputError, match="no clients"):
        federated([], model_mb=1.0)


@pytest.fixture
def lowtide(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["lowtide", "federated", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return call


def test_command_compares_with_one_place(lowtide):
    words = ("--clients", "20", "--rounds", "100", "--share", "50%", "--model-mb", "12.5MB", "--download", "50",
             "--upload", "10", "--idle-power", "1W", "--intensity", "400", "--central-energy", "0.02kWh",
             "--server-intensity", "50")  # fmt: skip
    status, out, _ = lowtide(*words, "--json")
    plain = json.loads(out)
    assert status == 0
    assert plain["emissions_g"] == pytest.approx(31.333, abs=0.01)
    assert plain["central_kwh"] == pytest.approx(0.02 * 1.67)
    assert "computation dominates" in lowtide(*words)[1]


def test_command_reads_groups_of_clients(lowtide, tmp_path):
    path = tmp_path / "clients.csv"
    path.write_text("name,clients,local_time_s,device_w,download_mbit_s,upload_mbit_s,zone,g_per_kwh\n"
                    "home,10,60,,50,10,,400\nlab,5,30,10,1000,1000,FR,\n")  # fmt: skip
    status, out, _ = lowtide("--clients-file", str(path), "--rounds", "10", "--model-mb", "1", "--json")
    plain = json.loads(out)
    assert status == 0
    assert [row["name"] for row in plain["groups"]] == ["home", "lab"]
    assert plain["groups"][0]["compute_kwh"] == pytest.approx(10 * 10 * 60 * 3 / 3.6e6)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rounds", "1", "--model-mb", "1"), "give the clients once"),
        (("--rounds", "1", "--model-mb", "1", "--clients", "5"), "how fast are the clients' lines"),
        (("--rounds", "1", "--model-mb", "1", "--clients", "5", "--share", "50", "--download", "1", "--upload", "1"),
         "50 % is 0.5"),
        (("--rounds", "x", "--model-mb", "1", "--clients", "5"), "--rounds"),
    ],
)  # fmt: skip
def test_wrong_inputs_are_refused(lowtide, words, says):
    status, _, err = lowtide(*words)
    assert status == 1
    assert says in err


def test_wrong_row_names_its_line(lowtide, tmp_path):
    path = tmp_path / "clients.csv"
    path.write_text("name,clients,local_time_s,device_w,download_mbit_s,upload_mbit_s\na,10,x,3,50,10\n")
    status, _, err = lowtide("--clients-file", str(path), "--rounds", "1", "--model-mb", "1")
    assert status == 1
    assert "line 2: local_time_s is 'x'" in err
