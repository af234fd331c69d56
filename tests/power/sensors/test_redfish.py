"""Redfish: the chassis that measures, both schemas, and a password that goes nowhere else."""

from __future__ import annotations

import pytest

from lowtide.errors import SensorError
from lowtide.model.exchange import Secret
from lowtide.power.sensors.redfish import RedfishSensor
from lowtide.testing.checks import check_sensor
from lowtide.testing.fake_servers import FakeRedfish, FakeServer


@pytest.fixture
def serve():
    servers = []

    def start(*args, **options):
        servers.append(FakeRedfish(*args, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("modern", [True, False])
def test_chassis_that_measures_is_found_in_both_schemas(serve, modern):
    sensor = RedfishSensor(serve(420.5, modern=modern).url)
    assert list(sensor.read()) == [420.5]
    assert sensor.channels[0].device == "Node1"
    sensor.close()


def test_refused_login_says_what_to_set(serve):
    server = serve(login=("me", "secret"))
    with pytest.raises(SensorError, match=r"401.*LOWTIDE_REDFISH_USER"):
        RedfishSensor(server.url)
    sensor = RedfishSensor(server.url, user="me", password=Secret("secret"))
    assert list(sensor.read()) == [420.0]
    sensor.close()


def test_password_is_not_sent_in_the_clear():
    with pytest.raises(SensorError, match="over https only") as caught:
        RedfishSensor("http://bmc.example", user="me", password=Secret("hunter2"))
    assert "hunter2" not in str(caught.value)


def test_redirect_is_not_followed():
    server = FakeServer(lambda path, _: (302, "text/plain", b""))
    with pytest.raises(SensorError, match="302"):
        RedfishSensor(server.url, user="me", password=Secret("x"))
    server.close()


@pytest.mark.parametrize("wrong", [None, "420", True, -5, {"a": 1}, 1e9])
def test_power_that_is_none_is_refused(serve, wrong):
    with pytest.raises(SensorError, match=r"no chassis .* says its power"):
        RedfishSensor(serve(wrong).url)


def test_address_that_is_none_is_said():
    with pytest.raises(SensorError, match="LOWTIDE_REDFISH_URL"):
        RedfishSensor("bmc.example")


def test_redfish_keeps_the_door_s_promises(serve):
    url = serve().url
    check_sensor(lambda: RedfishSensor(url))


def test_without_an_address_it_is_not_configured():
    with pytest.raises(SensorError, match=r"^not configured; set LOWTIDE_REDFISH_URL="):
        RedfishSensor("")
