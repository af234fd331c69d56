"""The zone of this machine where nobody has set one: its cloud's metadata, remembered until the next boot."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lowtide.errors import InputError, ZoneError
from lowtide.model.grid_choice import GridChoice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lowtide.runtime.config import Config

__all__ = ["with_detected_zone"]

_WITHIN_S = 0.09
"""A metadata service answers in milliseconds; no start of a run waits longer for one that does not."""


def with_detected_zone(
    choice: GridChoice, config: Config, *, base_urls: Mapping[str, str] | None = None
) -> tuple[GridChoice, str]:
    """Return a choice with the zone of the cloud region this machine stands in, and a remark for the user.

    The choice stays as it is where it names a zone or a file, where lowtide is offline, and on a machine whose
    firmware names no cloud: no network is touched then. Nothing is ever told from an IP address.

    Parameters
    ----------
    choice : GridChoice
    config : Config
    base_urls : mapping of cloud to URL, optional
        As for :func:`lowtide.grid.detect.detect_region`.
    """
    from lowtide.runtime.grid_access import is_offline

    if choice.zone is not None or choice.intensity is not None or is_offline(config):
        return choice, ""
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.detect import cloud_of_firmware

    cloud = cloud_of_firmware()
    if cloud is None:
        return choice, ""
    key = _remembered(cloud) or _asked(base_urls)
    if not key:
        return choice, ""
    try:
        zone = resolve_zone(key)
    except ZoneError as error:
        return choice, f"this machine stands in {key}: {error}"
    found = replace(choice, zone=zone, zone_from=f"cloud metadata {key}")
    return found, f"zone {zone}: this machine stands in {key}; another one is set with --zone"


def _place_file() -> str:
    from platformdirs import user_cache_dir

    folder = os.environ.get("LOWTIDE_NODE_DIR") or user_cache_dir("lowtide", appauthor=False)
    return os.path.join(folder, f"cloud-place-{os.getuid()}.json")


def _remembered(cloud: str) -> str:
    """Return the place found earlier in this boot, empty where there is none."""
    from lowtide.runtime.clock import boot_id

    try:
        with open(_place_file(), encoding="utf-8") as file:
            kept = json.load(file)
        if kept["boot_id"] == boot_id() != "" and kept["key"].startswith(f"{cloud}:"):
            return str(kept["key"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""  # not there, or not ours: the service is asked
    return ""


def _asked(base_urls: Mapping[str, str] | None) -> str:
    from lowtide.errors import StoreError
    from lowtide.grid.detect import detect_region
    from lowtide.runtime.clock import boot_id
    from lowtide.stores.codec import write_json

    place = detect_region(base_urls=base_urls, total_s=_WITHIN_S)
    if place is None:
        return ""
    try:
        os.makedirs(os.path.dirname(_place_file()), exist_ok=True)
        write_json(_place_file(), {"boot_id": boot_id(), "key": place.key})
    except (OSError, StoreError, InputError):
        return place.key  # it is asked again next time
    return place.key
