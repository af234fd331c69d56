"""Local stand-ins for a Redfish service and a metrics exporter, and a command that prints like ``ipmitool``."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["FakeExporter", "FakeRedfish", "FakeServer", "make_ipmitool"]

Reply = tuple[int, str, bytes]
"""Status, media type, body."""


class FakeServer:
    """An HTTP server on this machine that answers GET by a function, in a thread.

    Parameters
    ----------
    answer : callable
        ``(path, headers) -> (status, media type, body)``.

    Attributes
    ----------
    url : str
        ``http://127.0.0.1:PORT``.
    asked : list of str
        Paths asked for.
    """

    def __init__(self, answer: Callable[[str, Mapping[str, str]], Reply]) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                status, media, body = answer(self.path, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Type", media)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class FakeRedfish(FakeServer):
    """A management controller with one chassis that measures, and one that does not.

    Parameters
    ----------
    power_w : float or object
        What it says; anything else than a number to be wrong.
    modern : bool
        Whether it has ``EnvironmentMetrics``, else ``Power``.
    login : tuple of (user, password), optional
        Without it everybody may read.
    """

    def __init__(
        self, power_w: Any = 420.0, *, modern: bool = True, login: tuple[str, str] | None = None
    ) -> None:
        self.power_w, self._modern, self._login = power_w, modern, login
        super().__init__(self._answer)

    def _answer(self, path: str, headers: Mapping[str, str]) -> Reply:
        if self._login is not None:
            expected = base64.b64encode(":".join(self._login).encode()).decode()
            if headers.get("Authorization") != f"Basic {expected}":
                return 401, "application/json", b"{}"
        resource = self._resources().get(path)
        if resource is None:
            return 404, "application/json", b"{}"
        return 200, "application/json", json.dumps(resource).encode()

    def _resources(self) -> dict[str, object]:
        chassis = "/redfish/v1/Chassis"
        members = [{"@odata.id": f"{chassis}/{name}"} for name in ("Backplane", "Node1")]
        if self._modern:
            metrics: object = {"PowerWatts": {"Reading": self.power_w}}
            return {chassis: {"Members": members}, f"{chassis}/Node1/EnvironmentMetrics": metrics}
        power = {"PowerControl": [{"MemberId": "0", "PowerConsumedWatts": self.power_w}]}
        return {chassis: {"Members": members}, f"{chassis}/Node1/Power": power}


class FakeExporter(FakeServer):
    """An exporter of metrics; set :attr:`text` to what it shows."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        super().__init__(lambda path, _: (200, "text/plain", self.text.encode()))

    def show(self, **values: Mapping[str, float]) -> None:
        """Show metrics: ``NAME={UUID: value}``, GPUs numbered in that order."""
        lines = []
        for name, by_uuid in values.items():
            lines += [f"# HELP {name} as read.", f"# TYPE {name} gauge"]
            for i, (uuid, value) in enumerate(by_uuid.items()):
                labels = (
                    f'gpu="{i}",UUID="{uuid}",device="nvidia{i}",modelName="NVIDIA H100",Hostname="node7"'
                )
                lines.append(f"{name}{{{labels}}} {value!r}")
        self.text = "\n".join(lines) + "\n"


def make_ipmitool(
    folder: str, *, power_w: object = 220, state: str = "activated", delay_s: float = 0.0
) -> str:
    """Make a command in `folder` that prints as ``ipmitool dcmi power reading``; return its path."""
    path = os.path.join(folder, "ipmitool")
    with open(path, "w") as file:
        file.write(f"""#!/bin/sh
sleep {delay_s}
cat <<END

    Instantaneous power reading:                   {power_w} Watts
    Minimum during sampling period:                   180 Watts
    Maximum during sampling period:                   300 Watts
    Average power reading over sample period:         {power_w} Watts
    IPMI timestamp:                           Sun Mar  1 00:00:00 2026
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   {state}

END
""")
    os.chmod(path, 0o755)
    return path
