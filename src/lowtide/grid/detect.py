"""Where a cloud machine stands, from its own metadata service: only where the firmware names the cloud.

The address is link-local and the same in every cloud, so nothing leaves the machine's host; neither names nor
proxies are looked up. Only the path of the region is read, never one of credentials.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["METADATA_URL", "CloudPlace", "cloud_of_firmware", "detect_region"]

METADATA_URL: Final = "http://169.254.169.254"
_CONNECT_S: Final = 0.3
_TOTAL_S: Final = 1.0
_MOST_BYTES: Final = 4096
_DMI: Final = "/sys/class/dmi/id"
_AZURE_TAG: Final = "7783-7084-3265-9085-8269-3286-77"
"""The chassis tag of Azure's machines; other machines of the vendor "Microsoft Corporation" are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudPlace:
    """A cloud and the region a machine stands in.

    Attributes
    ----------
    provider : {"aws", "gcp", "azure"}
    region : str
        As the cloud writes it.
    """

    provider: str
    region: str

    @property
    def key(self) -> str:
        """``aws:eu-central-1``, as a zone is typed."""
        return f"{self.provider}:{self.region}"


def cloud_of_firmware(root: str | None = None) -> str | None:
    """Return which cloud the firmware says the machine belongs to, None for any other.

    Parameters
    ----------
    root : str, optional
        Folder of the DMI texts; ``LOWTIDE_DMI_ROOT``, else that of Linux.
    """
    folder = root or os.environ.get("LOWTIDE_DMI_ROOT") or _DMI
    vendor, product = _text(folder, "sys_vendor"), _text(folder, "product_name")
    if vendor == "Amazon EC2" or _text(folder, "board_vendor") == "Amazon EC2":
        return "aws"
    if product == "Google Compute Engine" or (vendor == "Google" and product.startswith("Google Compute")):
        return "gcp"
    if vendor == "Microsoft Corporation" and _text(folder, "chassis_asset_tag") == _AZURE_TAG:
        return "azure"
    return None


def detect_region(
    *,
    root: str | None = None,
    base_urls: Mapping[str, str] | None = None,
    total_s: float = _TOTAL_S,
) -> CloudPlace | None:
    """Return the region of this machine, None where it is in no known cloud or does not say in time.

    Parameters
    ----------
    root : str, optional
        As for :func:`cloud_of_firmware`.
    base_urls : mapping of cloud to URL, optional
        Instead of the link-local address.
    total_s : float
        Most time in all [s].
    """
    cloud = cloud_of_firmware(root)
    if cloud is None:
        return None
    base = (base_urls or {}).get(cloud, METADATA_URL)
    try:
        region = _ask(cloud, base, time.monotonic() + total_s)
    except (OSError, ValueError):
        return None  # no service, not in time, or it answers something else: the place stays unknown
    return CloudPlace(provider=cloud, region=region) if region else None


def _ask(cloud: str, base: str, until_s: float) -> str:
    if cloud == "aws":
        token = _get(
            base, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, until_s
        )
        headers = {"X-aws-ec2-metadata-token": token}
        return _get(base, "GET", "/latest/meta-data/placement/region", headers, until_s)
    if cloud == "gcp":
        path = "/computeMetadata/v1/instance/zone"
        zone = _get(base, "GET", path, {"Metadata-Flavor": "Google"}, until_s).rpartition("/")[2]
        return zone.rpartition("-")[0]  # projects/N/zones/us-central1-a
    path = "/metadata/instance/compute/location?api-version=2021-02-01&format=text"
    return _get(base, "GET", path, {"Metadata": "true"}, until_s)


def _get(base: str, method: str, path: str, headers: Mapping[str, str], until_s: float) -> str:
    """Return a short text from the service.

    No thread bounds the time: this runs in the supervisor of a job, whose signals a thread could catch.

    Raises
    ------
    OSError, ValueError
        If there is none.
    """
    import http.client  # loads ssl with it: 50 ms that a machine in no cloud does not spend

    parts = urlsplit(base)
    left_s = max(until_s - time.monotonic(), 0.001)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=min(_CONNECT_S, left_s))
    try:
        connection.connect()
        connection.sock.settimeout(max(until_s - time.monotonic(), 0.001))
        connection.request(method, path, headers=dict(headers))
        reply = connection.getresponse()
        body = reply.read(_MOST_BYTES).decode("ascii")
    except http.client.HTTPException as error:
        raise ValueError(f"no answer ({type(error).__name__})") from error
    finally:
        connection.close()
    text = body.strip()
    if reply.status != 200 or not text or not all(c.isalnum() or c in "-_=+/." for c in text):
        raise ValueError(f"status {reply.status}")
    return text


def _text(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="ascii", errors="replace") as file:
            return file.read(256).strip()
    except OSError:
        return ""
