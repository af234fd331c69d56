"""The zone of a cloud machine: only where the firmware says so, from a service on this machine here."""

from __future__ import annotations

import threading
import time

import pytest
from loopback import Asked, Reply, loopback

from lowtide.grid.detect import CloudPlace, cloud_of_firmware, detect_region
from lowtide.model.grid_choice import GridChoice
from lowtide.runtime.config import load_config
from lowtide.runtime.grid_place import with_detected_zone

FIRMWARE = {
    "aws": {"sys_vendor": "Amazon EC2", "product_name": "m7i.large"},
    "gcp": {"sys_vendor": "Google", "product_name": "Google Compute Engine"},
    "azure": {"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"},
    "desk": {"sys_vendor": "Microsoft Corporation", "product_name": "Surface"},
    "server": {"sys_vendor": "Dell Inc."},
}


def firmware(folder, name):
    """Write the texts of a machine's firmware and return their folder."""
    root = folder / name
    root.mkdir(exist_ok=True)
    for key, text in FIRMWARE[name].items():
        (root / key).write_text(f"{text}\n")
    return str(root)


def metadata(asked: Asked) -> Reply:
    """Answer as the three services do; without their header they refuse."""
    if (asked.method, asked.path) == ("PUT", "/latest/api/token"):
        return Reply("token==")
    if asked.path == "/latest/meta-data/placement/region":
        good = asked.headers.get("x-aws-ec2-metadata-token") == "token=="
        return Reply("eu-central-1") if good else Reply("", status=401)
    if asked.path == "/computeMetadata/v1/instance/zone":
        good = asked.headers.get("metadata-flavor") == "Google"
        return Reply("projects/123/zones/europe-west4-b") if good else Reply("", status=403)
    if asked.path == "/metadata/instance/compute/location":
        good = asked.headers.get("metadata") == "true" and asked.query["format"] == ["text"]
        return Reply("northeurope") if good else Reply("", status=400)
    return Reply("", status=404)


@pytest.mark.parametrize(
    ("name", "cloud"), [("aws", "aws"), ("gcp", "gcp"), ("azure", "azure"), ("desk", None), ("server", None)]
)
def test_firmware_names_the_cloud(tmp_path, name, cloud):
    assert cloud_of_firmware(firmware(tmp_path, name)) == cloud


def test_no_firmware_is_no_cloud(tmp_path):
    assert cloud_of_firmware(str(tmp_path / "nothing")) is None


@pytest.mark.parametrize(
    ("cloud", "region"), [("aws", "eu-central-1"), ("gcp", "europe-west4"), ("azure", "northeurope")]
)
def test_region_of_each_cloud(tmp_path, cloud, region):
    with loopback(metadata) as server:
        found = detect_region(root=firmware(tmp_path, cloud), base_urls={cloud: server.url})
    assert found == CloudPlace(provider=cloud, region=region)


def test_only_the_place_is_read_never_a_credential(tmp_path):
    with loopback(metadata) as server:
        for cloud in ("aws", "gcp", "azure"):
            detect_region(root=firmware(tmp_path, cloud), base_urls={cloud: server.url})
        paths = {asked.path for asked in server.asked}
    assert paths == {
        "/latest/api/token",
        "/latest/meta-data/placement/region",
        "/computeMetadata/v1/instance/zone",
        "/metadata/instance/compute/location",
    }


def test_machine_of_no_cloud_asks_nobody(tmp_path):
    with loopback(metadata) as server:
        urls = dict.fromkeys(("aws", "gcp", "azure"), server.url)
        assert detect_region(root=firmware(tmp_path, "server"), base_urls=urls) is None
        assert server.asked == []


@pytest.mark.parametrize("reply", [Reply("", status=404), Reply("<html>login</html>"), Reply("")])
def test_answer_that_is_no_region_is_none(tmp_path, reply):
    with loopback(lambda asked: reply) as server:
        assert detect_region(root=firmware(tmp_path, "azure"), base_urls={"azure": server.url}) is None


def test_slow_service_is_waited_for_the_time_given_and_no_longer(tmp_path):
    release = threading.Event()

    def hang(asked: Asked) -> Reply:
        release.wait(5.0)
        return Reply("northeurope")

    with loopback(hang) as server:
        began = time.monotonic()
        found = detect_region(root=firmware(tmp_path, "azure"), base_urls={"azure": server.url}, total_s=0.1)
        took_s = time.monotonic() - began
        release.set()
    assert found is None
    assert took_s < 1.0


@pytest.fixture
def on_aws(tmp_path, monkeypatch):
    monkeypatch.setenv("LOWTIDE_DMI_ROOT", firmware(tmp_path, "aws"))


def test_zone_of_the_machine_is_taken_where_none_is_set_and_remembered(on_aws):
    with loopback(metadata) as server:
        for _ in range(2):
            choice, remark = with_detected_zone(GridChoice(), load_config(), base_urls={"aws": server.url})
            assert (choice.zone, choice.zone_from) == ("DE", "cloud metadata aws:eu-central-1")
            assert "this machine stands in aws:eu-central-1" in remark
        assert len(server.asked) == 2  # the token and the region, once


@pytest.mark.parametrize("given", [GridChoice(zone="FR", zone_from="flag"), GridChoice(intensity="400")])
def test_what_is_set_comes_first(on_aws, given):
    with loopback(metadata) as server:
        assert with_detected_zone(given, load_config(), base_urls={"aws": server.url}) == (given, "")
        assert server.asked == []


def test_offline_asks_nobody(on_aws, monkeypatch):
    monkeypatch.setenv("LOWTIDE_OFFLINE", "yes")
    with loopback(metadata) as server:
        choice, _ = with_detected_zone(GridChoice(), load_config(), base_urls={"aws": server.url})
        assert server.asked == []
    assert choice.zone is None


def test_unknown_region_is_said_and_no_zone_is_guessed(on_aws):
    def new_region(asked: Asked) -> Reply:
        return Reply("token==" if asked.method == "PUT" else "mars-north-1")

    with loopback(new_region) as server:
        choice, remark = with_detected_zone(GridChoice(), load_config(), base_urls={"aws": server.url})
    assert choice.zone is None
    assert "unknown cloud region 'aws:mars-north-1'" in remark
