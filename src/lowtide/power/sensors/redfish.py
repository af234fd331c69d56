"""The node's power from its management controller, through Redfish.

Of the chassis, the first that says its power is read: ``EnvironmentMetrics`` ``PowerWatts.Reading``, else ``Power``
``PowerControl[0].PowerConsumedWatts``. Asked in the background. Source: DMTF DSP0266 and DSP2046, schemas
EnvironmentMetrics and Power.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from lowtide.doors import Outcome, Retry
from lowtide.errors import SensorError
from lowtide.model.exchange import Secret
from lowtide.model.hardware import Channel
from lowtide.power.sensors.background import Background
from lowtide.power.sensors.facts import method

__all__ = ["RedfishSensor"]

_TIME_LIMIT_S: Final = 5.0
_MOST_BYTES: Final = 1_000_000
_MAX_NODE_W: Final = 100_000.0
_HELP: Final = (
    "set LOWTIDE_REDFISH_URL=https://HOST and, of an account that may read, LOWTIDE_REDFISH_USER and "
    "LOWTIDE_REDFISH_PASSWORD"
)


class RedfishSensor:
    """Reads the power of one node.

    Parameters
    ----------
    url : str
        Of the service, ``https://bmc.example``.
    user : str
    password : Secret, optional
        Sent over https only, or to this machine.
    chassis : str, optional
        Name of the chassis to read; the first that says its power by default.
    verify : bool
        Whether the service's certificate has to be valid.
    period_s : float
        Time between two questions [s].

    Raises
    ------
    SensorError
        If the service does not answer, refuses, or no chassis says its power.
    """

    name = "redfish"

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: Secret | None = None,
        chassis: str | None = None,
        verify: bool = True,
        period_s: float = 5.0,
    ) -> None:
        if not url:
            raise SensorError(f"not configured; {_HELP}")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SensorError(f"{url!r} is no address of a Redfish service; {_HELP}")
        is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if password is not None and parts.scheme != "https" and not is_here:
            raise SensorError(f"a password goes over https only, and {parts.hostname} was given with http")
        self._base, self._user, self._password, self._verify = url.rstrip("/"), user, password, verify
        try:
            self._path, field = self._find(chassis)
        except (OSError, ValueError) as error:
            raise SensorError(f"Redfish: {error}") from error
        self._field = field
        self._background = Background(lambda: self._power_w(self._get(self._path)), period_s=period_s)
        self.channels: Sequence[Channel] = (
            Channel(
                name="redfish.node",
                sensor=self.name,
                component="node",
                quantity="power",
                kind="gauge",
                boundary="node",
                device=self._path.split("/")[-2],
                low_fraction=0.9,
                high_fraction=1.1,
                method=method("redfish", f"Redfish {field}"),
                part="node",
                update_s=period_s + 1.0,
                window_s=1.0,
            ),
        )

    def _find(self, chassis: str | None) -> tuple[str, str]:
        """Return the path and the field of the first chassis that says its power."""
        members = self._get("/redfish/v1/Chassis").get("Members")
        paths = (
            [m.get("@odata.id") for m in members if isinstance(m, dict)] if isinstance(members, list) else []
        )
        named = [p for p in paths if isinstance(p, str) and p.startswith("/")]
        for path in named:
            if chassis is not None and path.rstrip("/").rsplit("/", 1)[-1] != chassis:
                continue
            for resource, field in (("EnvironmentMetrics", "PowerWatts"), ("Power", "PowerConsumedWatts")):
                self._field = field
                try:
                    self._power_w(self._get(f"{path.rstrip('/')}/{resource}"))
                except (SensorError, ValueError):
                    continue
                return f"{path.rstrip('/')}/{resource}", field
        asked = "" if chassis is None else f" named {chassis!r}"
        raise SensorError(
            f"no chassis{asked} at {self._base} says its power; there are {', '.join(named) or 'none'}"
        )

    def _power_w(self, resource: dict[str, Any]) -> float:
        if self._field == "PowerWatts":
            value = resource.get("PowerWatts")
            value = value.get("Reading") if isinstance(value, dict) else None
        else:
            control = resource.get("PowerControl")
            first = control[0] if isinstance(control, list) and control else None
            value = first.get("PowerConsumedWatts") if isinstance(first, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < _MAX_NODE_W:
            raise SensorError(f"{self._field} is {value!r}, not a power")
        return float(value)

    def _get(self, path: str) -> dict[str, Any]:
        """Return a resource.

        Raises
        ------
        SensorError
            If the service does not give it.
        """
        import base64
        import ssl
        from urllib.error import HTTPError
        from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

        class Stay(HTTPRedirectHandler):
            """Follows no redirect: the password is for this host alone."""

            def redirect_request(self, *_: Any) -> None:
                return None

        request = Request(self._base + path, headers={"Accept": "application/json"})
        if self._password is not None:
            login = f"{self._user}:{self._password.reveal()}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(login).decode()}")
        context = ssl.create_default_context() if self._verify else ssl._create_unverified_context()
        try:  # a controller is reached directly, never through a proxy that would see the password
            with build_opener(ProxyHandler({}), Stay(), HTTPSHandler(context=context)).open(
                request, timeout=_TIME_LIMIT_S
            ) as answer:
                plain = json.loads(answer.read(_MOST_BYTES))
        except HTTPError as error:
            why = f"; {_HELP}" if error.code in (401, 403) else ""
            raise SensorError(f"{self._base}{path} answers {error.code}{why}") from error
        except OSError as error:
            raise SensorError(f"{self._base} does not answer ({getattr(error, 'reason', error)})") from error
        except ValueError as error:
            raise SensorError(f"{self._base}{path} holds no JSON: {error}") from error
        if not isinstance(plain, dict):
            raise SensorError(f"{self._base}{path} is no Redfish resource")
        return plain

    def read(self) -> Sequence[Outcome]:
        """Return the last watts the service said."""
        latest: float | Retry = self._background.latest()
        return [latest]

    def close(self) -> None:
        """Ask no more."""
        self._background.close()
