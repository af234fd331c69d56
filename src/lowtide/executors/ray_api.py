"""The five requests lowtide makes to a Ray dashboard, and how it logs in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from lowtide.errors import InputError

__all__ = ["NotAnswered", "RayApi", "address", "login"]

_TIMEOUT_S: Final = 30.0
Json = dict[str, Any]


class NotAnswered(Exception):  # noqa: N818
    """Ray refused, or did not answer."""


class RayApi:
    """A dashboard by its address.

    Parameters
    ----------
    url : str
    token : str
        Empty where the cluster asks for none.
    """

    def __init__(self, url: str, *, token: str = "") -> None:
        import httpx

        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # reading the system's certificates takes 0.3 s, and http:// has nothing to verify
        self._client = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT_S, verify=url.startswith("https:")
        )

    def jobs(self) -> list[Json]:
        """Return what Ray says of all jobs it remembers."""
        found: list[Json] = self._asked("GET", "/api/jobs/")
        return found

    def job(self, submission_id: str) -> Json | None:
        """Return what Ray says of one job; None where it knows none of that id."""
        found: Json | None = self._asked("GET", f"/api/jobs/{submission_id}", missing=True)
        return found

    def submit(self, body: Json) -> None:
        """Submit a job."""
        self._asked("POST", "/api/jobs/", body=body)

    def stop(self, submission_id: str) -> None:
        """Ask a job to end; one that has ended stays as it is."""
        self._asked("POST", f"/api/jobs/{submission_id}/stop")

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _asked(self, method: str, path: str, *, body: Json | None = None, missing: bool = False) -> Any:
        import httpx

        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise NotAnswered(f"no answer from Ray at {self._client.base_url} ({why})") from error
        if missing and response.status_code == 404:
            return None
        if response.status_code in (401, 403):
            raise NotAnswered(
                f"Ray at {self._client.base_url} lets nobody in without its token; set RAY_AUTH_TOKEN, or "
                "RAY_AUTH_TOKEN_PATH to the file that has it"
            )
        if response.status_code != 200:
            lines = [line for line in response.text.strip().splitlines() if line.strip(". ")]
            raise NotAnswered(f"Ray refused {method} {path}: {lines[-1] if lines else response.status_code}")
        try:
            return response.json()
        except ValueError as error:
            raise NotAnswered(f"Ray answered no JSON to {method} {path}") from error


def address(url: str | None, env: Mapping[str, str]) -> str:
    """Return the dashboard's address.

    Raises
    ------
    InputError
        If none is known, or it is not one of a dashboard.

    Examples
    --------
    >>> address(None, {"RAY_API_SERVER_ADDRESS": "http://head:8265/"})
    'http://head:8265'
    """
    found = url or env.get("RAY_API_SERVER_ADDRESS") or env.get("RAY_ADDRESS") or ""
    if not found.startswith(("http://", "https://")):
        got = f", got {found!r}" if found else ""
        raise InputError(f"where is the Ray dashboard? give an address like http://127.0.0.1:8265{got}")
    return found.rstrip("/")


def login(env: Mapping[str, str]) -> str:
    """Return the token Ray itself would use: of ``RAY_AUTH_TOKEN``, a file, or ``~/.ray/auth_token``.

    Raises
    ------
    InputError
        If a file is named that cannot be read.
    """
    if env.get("RAY_AUTH_MODE") == "disabled":
        return ""
    if env.get("RAY_AUTH_TOKEN"):
        return env["RAY_AUTH_TOKEN"].strip()
    named = env.get("RAY_AUTH_TOKEN_PATH")
    path = named or os.path.join(env.get("HOME", os.path.expanduser("~")), ".ray", "auth_token")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        if named:
            raise InputError(f"cannot read RAY_AUTH_TOKEN_PATH {path}: {error.strerror}") from error
        return ""
