"""What a status or a page that is no answer means, in the four kinds of the door."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from lowtide.errors import AccessError, NotCoveredError, ProviderError, ReplyError, UnreachableError
from lowtide.grid.http import scrubbed
from lowtide.model.exchange import Request, Response, Secret

if TYPE_CHECKING:
    from lowtide.doors import Provider

__all__ = ["check_reply", "retry_after_s", "said"]

_LONGEST: Final = 200
_WORDS: Final = ("message", "error", "detail", "error_description", "title", "errors")
_UNKNOWN: Final = re.compile(r"zone|region|country|location|postcode|area|domain|respondent|not found", re.I)


def check_reply(
    provider: Provider, request: Request, response: Response, secrets: Collection[Secret], advice: str
) -> None:
    """Let through what a provider understands; raise the rest in the words of the door.

    Parameters
    ----------
    provider : Provider
    request, response
    secrets : collection of Secret
        Blanked out of what the service is quoted with.
    advice : str
        How to give the provider's key, for errors of access.

    Raises
    ------
    AccessError, NotCoveredError, ReplyError, UnreachableError
    """
    if response.status in request.accept:
        return
    if response.status == 200:
        if _is_page(response):
            message = (
                f"answered with a web page{_title(response)} instead of data; is a proxy or login between?"
            )
            raise ReplyError(scrubbed(message, secrets), provider=provider.name)
        return
    quoted = scrubbed(said(response.body), secrets)
    raise _error(provider.name, response.status, f': "{quoted}"' if quoted else "", quoted, advice)


def _error(name: str, status: int, quote: str, quoted: str, advice: str) -> ProviderError:
    how = f"; {advice}" if advice else ""
    if status == 401:
        return AccessError(f"the key is missing or wrong (401{quote}){how}", provider=name)
    if status == 403:
        return AccessError(f"no access with this key or plan (403{quote}){how}", provider=name)
    if status == 404 or (status in (400, 422) and _UNKNOWN.search(quoted)):
        return NotCoveredError(f"does not have that zone, time or signal ({status}{quote})", provider=name)
    if status == 429 or status >= 500:
        return UnreachableError(f"answered {status}{quote}; try again later", provider=name)
    return ReplyError(f"refused the question ({status}{quote})", provider=name)


def said(body: bytes) -> str:
    """Return what an error's body says, in one short line.

    >>> said(b'{"error": {"code": "400 Bad Request", "message": "start is after end"}}')
    'start is after end'
    """
    text = body[: 64 * 1024].decode("utf-8", "replace")
    try:
        found = _message(json.loads(text))
    except ValueError:
        found = re.sub(r"<[^>]*>", " ", text)
    line = " ".join("".join(c if c.isprintable() else " " for c in found).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _message(document: Any) -> str:
    """Return the text of the first field that usually holds it."""
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return "; ".join(filter(None, (_message(item) for item in document[:3])))
    if isinstance(document, dict):
        for word in _WORDS:
            if document.get(word):
                return _message(document[word])
    return ""


def _is_page(response: Response) -> bool:
    if response.headers.get("content-type", "").lower().startswith("text/html"):
        return True
    begin = response.body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return begin.startswith((b"<!doctype html", b"<html"))


def _title(response: Response) -> str:
    found = re.search(rb"<title[^>]*>(.*?)</title>", response.body[:8192], re.I | re.S)
    return f' "{said(found[1])}"' if found else ""


def retry_after_s(response: Response, now_ns: int) -> float:
    """Return how long a service asks to be left alone [s], 0 where it does not say.

    >>> retry_after_s(Response(status=429, body=b"", headers={"retry-after": "7"}, fetched_ns=0), 0)
    7.0
    """
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return 0.0
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ns / 1e9)
    except (TypeError, ValueError):
        return 0.0
