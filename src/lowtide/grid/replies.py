"""Keeping replies as they came, for tests and reports of mistakes: one file an exchange, no secret in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from lowtide.grid.http import scrubbed
from lowtide.model.exchange import Request, Response, Secret

if TYPE_CHECKING:
    from lowtide.doors import Query

__all__ = ["Exchange", "write_replies"]

_KEPT_HEADERS: Final = ("content-type", "retry-after", "location", "date")
_TOKENS: Final = re.compile(r'("[a-z_-]*(?:token|secret|password|api_?key)[a-z_-]*"\s*:\s*")[^"]*"', re.I)
"""A login's answer holds a token that nobody may have used yet, so it is known by its name alone."""


class Exchange(NamedTuple):
    """One request with its response."""

    request: Request
    response: Response


def write_replies(
    folder: str, provider: str, query: Query, exchanges: Sequence[Exchange], secrets: Collection[Secret]
) -> None:
    """Write each exchange of a conversation to a file ``PROVIDER-WHAT-NNN.json``."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for i, exchange in enumerate(exchanges, start=1):
        path = _free_path(folder, f"{provider}-{query.what}", i)
        with open(path, "w", encoding="utf-8") as file:
            file.write(_document(exchange, secrets))


def _free_path(folder: str, stem: str, number: int) -> str:
    while os.path.exists(path := os.path.join(folder, f"{stem}-{number:03d}.json")):
        number += 1
    return path


def _document(exchange: Exchange, secrets: Collection[Secret]) -> str:
    request, response = exchange
    body = response.body.decode("utf-8", "replace")
    plain = {
        "request": {
            "method": request.method,
            "url": _clean(request.url, secrets),
            "params": [[name, _clean(value, secrets)] for name, value in request.params],
            "body": _clean(request.body.decode("utf-8", "replace"), secrets),
        },
        "response": {
            "status": response.status,
            "headers": {
                n: _clean(response.headers[n], secrets) for n in _KEPT_HEADERS if n in response.headers
            },
            "body": _clean(body, secrets),
            "fetched_ns": response.fetched_ns,
        },
    }
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def _clean(text: str, secrets: Collection[Secret]) -> str:
    return _TOKENS.sub(r'\1***"', scrubbed(text, secrets))
