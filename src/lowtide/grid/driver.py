"""Holding a provider's conversation: retries, waits, limits, and errors in the words of the door.

Nothing here knows a provider or a library: the transport sends, the clock and the sleep are arguments, so
every rule can be tested without waiting.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from lowtide.errors import AccessError, ProviderError, ReplyError, UnreachableError
from lowtide.grid.http import HttpxTransport, NoAnswer, TooLarge, Transport, scrubbed
from lowtide.grid.keys import KeyRing
from lowtide.grid.replies import Exchange, write_replies
from lowtide.grid.troubles import check_reply, retry_after_s
from lowtide.model.exchange import Request, Response, Secret

if TYPE_CHECKING:
    from lowtide.doors import Answer, Provider, Query

__all__ = ["Http", "Limits", "converse"]

_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same question may be asked again."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 3
_LEAST_TRY_S: Final = 0.05
"""With less time left it is not tried again: the answer would be cut off, and hide why the try before it failed [s]."""
_MOST_REQUESTS: Final = 2000
"""A conversation longer than that is a provider's mistake (3 requests a day for a year, with room)."""
_DOWN_FOR_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how often the driver tries.

    Attributes
    ----------
    connect_s, total_s : float
        For a connection, and for one answer from first to last byte [s].
    reply_bytes : int
        Longest answer that is read, unpacked.
    attempts : int
        How often one question is asked at most.
    backoff_s : float
        Wait before the second attempt [s]; doubled each time, halved at most by chance.
    longest_wait_s : float
        A service that asks for a longer pause is given up on [s].
    """

    connect_s: float = 5.0
    total_s: float = 30.0
    reply_bytes: int = 16 * 2**20
    attempts: int = 4
    backoff_s: float = 0.5
    longest_wait_s: float = 60.0


@dataclass(slots=True, kw_only=True)
class Http:
    """What a conversation is held with; one for all providers of a process.

    Attributes
    ----------
    keys : KeyRing
    transport : Transport
    limits : Limits
    rng : random.Random
        For the jitter of the waits.
    monotonic, sleep, wall_ns : callable
        The clock.
    record : str
        Folder to keep replies in, without secrets; empty for none.
    """

    keys: KeyRing
    transport: Transport = field(default_factory=HttpxTransport)
    limits: Limits = field(default_factory=Limits)
    rng: random.Random = field(default_factory=random.Random)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wall_ns: Callable[[], int] = time.time_ns
    record: str = ""
    _free_at_s: dict[str, float] = field(default_factory=dict)
    _down_until_s: dict[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def silent(self) -> tuple[str, ...]:
        """Providers that did not answer, or not in time."""
        return tuple(self._down_until_s)


def converse(provider: Provider, query: Query, *, http: Http, within_s: float | None = None) -> Answer:
    """Hold a provider's conversation about a query and return its answer.

    Parameters
    ----------
    provider : Provider
    query : Query
    http : Http
    within_s : float, optional
        Most time for all of it [s], whatever hangs: the name service included.

    Raises
    ------
    AccessError, NotCoveredError, ReplyError, UnreachableError
        Never with a secret in the message.
    """
    call = _Call(provider=provider, query=query, http=http, until_s=None)
    if within_s is None:
        return call.run()
    call.until_s = http.monotonic() + within_s
    return _hard(call, within_s)


def _hard(call: _Call, within_s: float) -> Answer:
    """Run a call in a thread that is left behind when the time is up: a name service cannot be interrupted."""
    outcome: list[Answer | BaseException] = []

    def work() -> None:
        try:
            outcome.append(call.run())
        except BaseException as error:  # handed to the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=work, name=f"lowtide-{call.provider.name}", daemon=True)
    thread.start()
    thread.join(within_s)
    if not outcome:
        call.give_up(f"no answer within {within_s:.2g} s")
        raise UnreachableError(f"no answer within {within_s:.2g} s", provider=call.provider.name)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@dataclass(slots=True, kw_only=True)
class _Call:
    provider: Provider
    query: Query
    http: Http
    until_s: float | None
    secrets: set[Secret] = field(default_factory=set)
    exchanges: list[Exchange] = field(default_factory=list)

    def run(self) -> Answer:
        """Answer the generator's requests until it returns."""
        self._check_up()
        conversation = self.provider.ask(self.query)
        try:
            request = next(conversation)
            for _ in range(_MOST_REQUESTS):
                request = conversation.send(self._ask(request))
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer
        except ProviderError as error:
            if isinstance(error, UnreachableError):
                self.give_up(_without_name(error))
            message = self._complete(error)
            if message != str(error):  # the old message, with a secret in it, must not hang on as the cause
                raise type(error)(_without_name(message), provider=error.provider) from None
            raise
        finally:
            conversation.close()
            if self.http.record:
                write_replies(self.http.record, self.provider.name, self.query, self.exchanges, self.secrets)
        message = f"asked {_MOST_REQUESTS} times without coming to an answer; ask for a shorter window"
        raise ReplyError(message, provider=self.provider.name)

    def _complete(self, error: ProviderError) -> str:
        """Return an error's message without secrets, and with how to give a key where that is the trouble."""
        message = scrubbed(str(error), self.secrets)
        keys = self.provider.keys
        if isinstance(error, AccessError) and keys and "LOWTIDE_" not in message:
            message += f"; {self.http.keys.advice(self.provider.name, keys[0])}"
        return message

    def _ask(self, request: Request) -> Response:
        """Return the response to a request, redirects followed on the same host only."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._try(request)
            self.exchanges.append(Exchange(request, response))
            if response.status not in _REDIRECTS or response.status in request.accept:
                check_reply(self.provider, request, response, self.secrets, self._advice(request))
                return response
            request = self._redirected(request, response)
        raise ReplyError(f"{_place(request)} redirects in circles", provider=self.provider.name)

    def _try(self, request: Request) -> Response:
        """Send, waiting and trying again where that may help."""
        secret = self._secret(request)
        for attempt in range(1, self.http.limits.attempts + 1):
            self._pace()
            reason, asked_s, response = self._once(request, secret)
            if response is not None:
                return response
            wait_s = self._wait_s(attempt, asked_s)
            if attempt == self.http.limits.attempts or not self._may_wait(wait_s):
                break
            self.http.sleep(wait_s)
        tries = f" after {attempt} attempts" if attempt > 1 else ""
        asks = f"; it asks to wait {asked_s:.0f} s" if asked_s > 0.0 else ""
        raise UnreachableError(f"{_place(request)}: {reason}{tries}{asks}", provider=self.provider.name)

    def _once(self, request: Request, secret: Secret | None) -> tuple[str, float, Response | None]:
        """Return why to try again and how long the service wants us to wait, or the response."""
        limits = self.http.limits
        try:
            response = self.http.transport.send(
                request,
                secret,
                timeout_s=min(limits.total_s, self._left_s()),
                connect_s=limits.connect_s,
                reply_bytes=limits.reply_bytes,
            )
        except NoAnswer as error:
            return scrubbed(str(error), self.secrets), 0.0, None
        except TooLarge as error:
            message = f"{_place(request)}: {error}; nothing of it was used"
            raise ReplyError(message, provider=self.provider.name) from error
        if response.status not in _AGAIN or response.status in request.accept:
            return "", 0.0, response
        words = "too many requests" if response.status == 429 else f"answered {response.status}"
        return words, retry_after_s(response, self.http.wall_ns()), None

    def _wait_s(self, attempt: int, asked_s: float) -> float:
        backoff_s = self.http.limits.backoff_s * 2.0 ** (attempt - 1)
        return max(asked_s, backoff_s * (0.5 + 0.5 * self.http.rng.random()))

    def _may_wait(self, wait_s: float) -> bool:
        return wait_s <= self.http.limits.longest_wait_s and wait_s + _LEAST_TRY_S < self._left_s()

    def _left_s(self) -> float:
        if self.until_s is None:
            return float("inf")
        return max(self.until_s - self.http.monotonic(), 0.001)

    def _pace(self) -> None:
        """Keep to the provider's rate: requests are spread evenly."""
        name, now_s = self.provider.name, self.http.monotonic()
        free_s = self.http._free_at_s.get(name, now_s)
        if free_s > now_s:
            if not self._may_wait(free_s - now_s):
                raise UnreachableError("its rate limit leaves no time for another request", provider=name)
            self.http.sleep(free_s - now_s)
        self.http._free_at_s[name] = max(free_s, now_s) + 1.0 / self.provider.requests_per_s

    def _check_up(self) -> None:
        """Refuse at once what has just failed, so that many runs do not wait for one dead service."""
        until_s, reason = self.http._down_until_s.get(self.provider.name, (0.0, ""))
        if self.http.monotonic() < until_s:
            raise UnreachableError(f"{reason}; not asked again within a minute", provider=self.provider.name)

    def give_up(self, reason: str) -> None:
        """Remember that the provider cannot be reached just now."""
        words = reason.removesuffix("; not asked again within a minute")
        self.http._down_until_s[self.provider.name] = (self.http.monotonic() + _DOWN_FOR_S, words)

    def _secret(self, request: Request) -> Secret | None:
        """Return the token or key a request needs.

        Raises
        ------
        AccessError
            If nobody has set it.
        """
        if request.auth is None:
            return None
        secret = request.auth.token
        if secret is None:
            key = next((key for key in self.provider.keys if key.name == request.auth.key), None)
            found = None if key is None else self.http.keys.find(self.provider.name, key)
            if found is None:
                advice = f"; {self._advice(request)}" if key else f", and has none named {request.auth.key!r}"
                raise AccessError(f"needs a key{advice}", provider=self.provider.name)
            secret = found.secret
        self.secrets.add(secret)
        return secret

    def _advice(self, request: Request) -> str:
        """Return how to give the key that a request was made with, or the provider's first."""
        wanted = request.auth.key if request.auth is not None else ""
        keys = [key for key in self.provider.keys if key.name == wanted] or list(self.provider.keys)
        return self.http.keys.advice(self.provider.name, keys[0]) if keys else ""

    def _redirected(self, request: Request, response: Response) -> Request:
        """Return the request at its new address; a secret is never taken to another host."""
        target = urljoin(request.url, response.headers.get("location", ""))
        old, new = urlsplit(request.url), urlsplit(target)
        same = old.hostname == new.hostname and (old.port == new.port or new.scheme == "https")
        if new.scheme not in ("https", old.scheme) or (request.auth is not None and not same):
            message = (
                f"{_place(request)} redirects to {new.scheme}://{new.hostname}; a key is not taken there"
            )
            raise ReplyError(scrubbed(message, self.secrets), provider=self.provider.name)
        return replace(request, url=target, params=() if new.query else request.params)


def _place(request: Request) -> str:
    """Return where a request goes, for messages: no query, no user."""
    parts = urlsplit(request.url)
    return f"{parts.hostname or 'no host'}{parts.path}"


def _without_name(error: Any) -> str:
    """Return a provider error's message without the name that begins it."""
    return str(error).partition(": ")[2]
