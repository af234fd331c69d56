"""Sending one request: the only module that speaks HTTP, through httpx, which is imported when first used.

A transport sends and receives; it knows nothing of providers, and never tries twice. Whatever goes wrong on
the way is :class:`NoAnswer` or :class:`TooLarge`, in words without addresses and secrets.
"""

from __future__ import annotations

import base64
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from lowtide import __version__
from lowtide.model.exchange import Request, Response, Secret

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpxTransport", "NoAnswer", "TooLarge", "Transport", "scrubbed", "user_agent"]

_HIDDEN: Final = "***"
_LEAST_SECRET: Final = 4
"""Shorter texts are not searched for: they would blank out innocent words."""


class NoAnswer(Exception):  # noqa: N818 - it is told to users as an UnreachableError
    """No connection, none in time, or an answer that was cut off; trying again may help."""


class TooLarge(Exception):  # noqa: N818 - it is told to users as a ReplyError
    """The answer is longer than is read; trying again does not help."""


class Transport(Protocol):
    """Sends one request and returns what came back, whatever its status."""

    def send(
        self,
        request: Request,
        secret: Secret | None,
        *,
        timeout_s: float,
        connect_s: float,
        reply_bytes: int,
    ) -> Response:
        """Send a request, with its secret where `request.auth` says.

        Raises
        ------
        NoAnswer, TooLarge
        """
        ...

    def close(self) -> None:
        """Close the connections that are kept open."""
        ...


def user_agent() -> str:
    """Return how lowtide names itself; some services turn nameless clients away.

    >>> user_agent().startswith("lowtide/")
    True
    """
    return f"lowtide/{__version__}"


def scrubbed(text: str, secrets: Iterable[Secret]) -> str:
    """Return a text with every secret in it blanked out, as it is and as URLs and basic auth write it.

    >>> scrubbed("key=abcdef&zone=DE", [Secret("abcdef")])
    'key=***&zone=DE'
    """
    from urllib.parse import quote, quote_plus

    for secret in secrets:
        plain = secret.reveal()
        forms = {plain, quote(plain, safe=""), quote_plus(plain), quote(plain), _base64(plain)}
        if ":" in plain:  # user and password: the password alone is a secret too
            forms.add(plain.partition(":")[2])
        for form in sorted(forms, key=len, reverse=True):
            if len(form) >= _LEAST_SECRET:
                text = text.replace(form, _HIDDEN)
    return text


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class _Quiet(logging.Filter):
    """Keeps secrets out of what httpx logs: it writes whole addresses, keys in queries included."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[Secret] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the arguments of a record by scrubbed texts."""
        if self.secrets:
            record.msg, record.args = scrubbed(record.getMessage(), self.secrets), ()
        return True


_QUIET: Final = _Quiet()
_LOGGERS: Final = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy")


class HttpxTransport:
    """Sends with httpx: proxies and certificates come from the environment, as httpx reads it.

    Parameters
    ----------
    now_ns : callable
        The wall clock.
    """

    def __init__(self, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._client: httpx.Client | None = None

    def send(
        self,
        request: Request,
        secret: Secret | None,
        *,
        timeout_s: float,
        connect_s: float,
        reply_bytes: int,
    ) -> Response:
        """Send a request and read the answer, at most `reply_bytes` of it after unpacking.

        Raises
        ------
        NoAnswer, TooLarge
        """
        import httpx

        params, headers = _signed(request, secret)
        until_s = time.monotonic() + timeout_s
        timeout = httpx.Timeout(timeout_s, connect=min(connect_s, timeout_s))
        try:
            with self._opened().stream(
                request.method,
                request.url,
                params=params or None,
                headers=headers,
                content=request.body or None,
                timeout=timeout,
            ) as reply:
                packed = reply.headers.get("content-encoding", "").lower()
                body = _read(reply.iter_raw(), packed, reply_bytes, until_s)
                known = {name.lower(): value for name, value in reply.headers.items()}
                return Response(status=reply.status_code, body=body, headers=known, fetched_ns=self._now_ns())
        except httpx.InvalidURL as error:
            raise NoAnswer(f"its address is none ({error})") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise NoAnswer(_in_words(error, connect_s, timeout_s)) from error

    def open(self) -> None:
        """Make ready to send, so that a short time limit is the network's alone: httpx takes 0.1 s to load."""
        self._opened()

    def close(self) -> None:
        """Close the connections that are kept open."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> httpx.Client:
        if self._client is None:
            import httpx

            for name in _LOGGERS:
                logging.getLogger(name).addFilter(_QUIET)
            self._client = httpx.Client(follow_redirects=False)
        return self._client


def _signed(request: Request, secret: Secret | None) -> tuple[list[tuple[str, Any]], list[tuple[str, str]]]:
    """Return parameters and headers with the secret in its place."""
    params: list[tuple[str, Any]] = list(request.params)
    headers = [("user-agent", user_agent()), ("accept-encoding", "gzip"), *request.headers]
    auth = request.auth
    if auth is None or secret is None:
        return params, headers
    _QUIET.secrets.add(secret)
    value = secret.reveal()
    if auth.kind == "query":
        params.append((auth.name, value))
    elif auth.kind == "header":
        headers.append((auth.name, value))
    elif auth.kind == "bearer":
        headers.append(("authorization", f"Bearer {value}"))
    else:
        headers.append(("authorization", f"Basic {_base64(value)}"))
    return params, headers


def _read(chunks: Iterator[bytes], packed: str, reply_bytes: int, until_s: float) -> bytes:
    """Return the body; never more than is allowed is unpacked, so that a small reply cannot fill the memory."""
    unpack = zlib.decompressobj(31) if packed == "gzip" else None
    if packed not in ("", "identity", "gzip"):
        raise NoAnswer(f"the answer is packed as {packed!r}, which was not asked for")
    parts: list[bytes] = []
    n_bytes = 0
    try:
        for chunk in chunks:
            part = chunk if unpack is None else unpack.decompress(chunk, reply_bytes - n_bytes + 1)
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > reply_bytes:
                raise TooLarge(f"the answer is longer than {reply_bytes / 2**20:g} MiB")
            if time.monotonic() > until_s:
                raise NoAnswer("the answer came too slowly")
    except zlib.error as error:
        raise NoAnswer("the answer is damaged") from error
    if unpack is not None and not unpack.eof:
        raise NoAnswer("the answer was cut off")
    return b"".join(parts)


def _in_words(error: Any, connect_s: float, timeout_s: float) -> str:
    """Return what went wrong without the address httpx would name."""
    import httpx

    text = str(error)
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return f"no connection within {connect_s:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {timeout_s:g} s"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            "its certificate is not trusted; behind a proxy of your own set SSL_CERT_FILE to its certificates"
        )
    if isinstance(error, httpx.ProxyError):
        return "the proxy of the environment refused"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({text.partition(']')[2].strip() or type(error).__name__})"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return "the answer was cut off"
    if isinstance(error, httpx.UnsupportedProtocol):
        return "its address does not begin with https:// or http://"
    return f"no answer ({type(error).__name__})"
