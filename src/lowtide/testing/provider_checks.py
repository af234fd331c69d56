"""Checks that an object is a provider of intensity; each raises AssertionError saying which promise it breaks.

A provider yields requests and receives responses, so everything is checked on saved exchanges, without a network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lowtide.doors import Answer, Provider, Query
from lowtide.errors import AccessError, NotCoveredError, ProviderError, ReplyError
from lowtide.grid.providers.kit.points import PLAUSIBLE_G_PER_KWH
from lowtide.model.exchange import Request, Response
from lowtide.model.signal import STATUSES
from lowtide.testing.provider_cases import Case, Exchange
from lowtide.testing.provider_mutations import broken_bodies, renamed_bodies

__all__ = [
    "Case",
    "Exchange",
    "check_answer",
    "check_provider",
    "converse",
    "replay",
    "same_answer",
]

_LOOPBACK: Final = ("http://localhost", "http://127.0.0.1", "http://[::1]")
_WHATS: Final = ("latest", "history", "forecast", "past-forecasts")


def converse(provider: Provider, query: Query, respond: Callable[[Request], Response]) -> Answer:
    """Run a conversation: give each request to `respond`, return the answer.

    Raises
    ------
    ProviderError
        Whatever the provider raises.
    """
    conversation = provider.ask(query)
    try:
        request = next(conversation)
        while True:
            request = conversation.send(respond(request))
    except StopIteration as done:
        answer: Answer = done.value
        return answer


def check_provider(provider: Provider, cases: Sequence[Case]) -> None:
    """Check a provider on saved exchanges: its requests, its answers, and what it refuses.

    Every reply is also broken in the ways of :mod:`lowtide.testing.provider_mutations`; each must end in a
    ReplyError, NotCoveredError or AccessError, or leave the answer as it is, and never in another series.

    Parameters
    ----------
    provider : Provider
    cases : sequence of Case
        At least one.
    """
    check_members(provider)
    assert cases, f"{provider.name}: nothing to check it on; give it saved exchanges"
    for case in cases:
        assert case.query.what in provider.offers, f"{provider.name} does not offer {case.query.what}"
        assert provider.has(case.query.zone), f"{provider.name}.has({case.query.zone!r}) is false"
        answer = replay(provider, case, {})
        check_answer(provider, case.query, answer)
        _check_values(provider, case, answer)
        again = replay(provider, case, {})
        assert same_answer(answer, again), f"{provider.name}: the same replies give two answers"
        _check_refusals(provider, case, answer)
    _check_not_offered(provider, cases[0].query)


def check_members(provider: Provider) -> None:
    """Check what a provider says of itself."""
    name = provider.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name), f"{name!r} is no name like energy-charts"
    assert provider.title, f"{name} has no title for reports"
    assert provider.attribution, f"{name} does not say what its licence wants said"
    assert provider.covers, f"{name} does not say what it covers"
    assert provider.offers, f"{name} offers nothing"
    assert provider.offers <= set(_WHATS), f"{name} offers {sorted(provider.offers)}; known are {_WHATS}"
    assert provider.basis in PLAUSIBLE_G_PER_KWH, (
        f"{name}: basis {provider.basis!r} is neither average nor marginal"
    )
    assert provider.requests_per_s > 0.0, f"{name}: requests_per_s must be positive"
    for key in provider.keys:
        assert key.name, f"{name} needs a key without a name"
        assert key.where, f"{name} does not say where to get the key {key.name!r}"


def check_answer(provider: Provider, query: Query, answer: Answer) -> None:
    """Check that an answer is to the query: zone, basis, window, statuses and plausible values."""
    name, series = provider.name, answer.intensity
    if query.what == "past-forecasts":
        issues = [t for t, _ in answer.past]
        assert issues, f"{name} answers with past forecasts and has none"
        assert issues == sorted(set(issues)), f"{name}: past forecasts are not in order of issue"
        inside = all(query.start_ns <= t < query.end_ns for t in issues)
        assert inside, f"{name}: a past forecast was not issued in the window"
    for part in (series, *(forecast for _, forecast in answer.past)):
        assert part.signal.zone == query.zone, f"{name} answers for {part.signal.zone!r}, not {query.zone!r}"
        assert part.signal.basis == provider.basis, (
            f"{name} is {provider.basis}, its answer {part.signal.basis}"
        )
        assert part.signal.source, f"{name}: the signal does not name its source"
        known = part.intensity_g_per_kwh[~np.isnan(part.intensity_g_per_kwh)]
        assert len(known), f"{name}: nothing is known; raise NotCoveredError instead"
        low, high = PLAUSIBLE_G_PER_KWH[provider.basis]
        assert low <= known.min(), f"{name}: {known.min()} g/kWh is not plausible"
        assert known.max() <= high, f"{name}: {known.max()} g/kWh is not plausible"
    if query.what in ("history", "forecast"):
        edges = series.edges_ns
        assert edges[1] > query.start_ns, f"{name}: the first step ends before the window"
        assert edges[-2] < query.end_ns, f"{name}: the last step begins after the window"
    if "forecast" in query.what:
        codes = set(series.status[~np.isnan(series.intensity_g_per_kwh)])
        assert codes == {STATUSES.index("forecast")}, f"{name}: values of a forecast are not marked so"
    if answer.updated_ns is not None:
        n, n_steps = len(answer.updated_ns), len(series.intensity_g_per_kwh)
        assert n == n_steps, f"{name}: {n} updates for {n_steps} steps"
    assert all(isinstance(note, str) and note for note in answer.notes), f"{name}: notes are sentences"


def same_answer(one: Answer, other: Answer) -> bool:
    """Return whether two answers have the same steps, values and statuses, their past forecasts too."""
    pairs = [(one.intensity, other.intensity)]
    pairs += [(a, b) for (_, a), (_, b) in zip(one.past, other.past, strict=False)]
    return [t for t, _ in one.past] == [t for t, _ in other.past] and all(
        np.array_equal(a.edges_ns, b.edges_ns)
        and np.array_equal(a.intensity_g_per_kwh, b.intensity_g_per_kwh, equal_nan=True)
        and np.array_equal(a.status, b.status)
        and a.signal == b.signal
        for a, b in pairs
    )


def replay(provider: Provider, case: Case, changed: dict[int, bytes]) -> Answer:
    """Run a conversation on its saved exchanges, the bodies of some of them changed.

    Requests must be those saved, unless a body was changed.

    Raises
    ------
    ProviderError
        Whatever the provider raises, and a ReplyError where a changed body makes it ask for more than was saved.
    """
    turns: Iterator[tuple[int, Exchange]] = iter(enumerate(case.exchanges))

    def respond(request: Request) -> Response:
        _check_request(provider, request)
        i, exchange = next(turns, (0, None))
        if exchange is None:
            # Only a changed reply may lead a provider to ask for more than was saved.
            assert changed, f"{provider.name} asks for more than was saved: {request.url} {request.params}"
            raise _MoreError("asks on", provider=provider.name)
        if not changed:
            asked, saved = (request.url, request.params), (exchange.url, exchange.params)
            assert asked == saved, f"{provider.name} asks {asked}, saved is {saved}"
        return replace(exchange.response, body=changed.get(i, exchange.response.body))

    answer = converse(provider, case.query, respond)
    assert changed or next(turns, None) is None, f"{provider.name} did not ask for all that was saved"
    return answer


class _MoreError(ReplyError):
    """A conversation goes on after the saved exchanges."""


def _check_request(provider: Provider, request: Request) -> None:
    name, url = provider.name, request.url
    assert url.startswith(("https://", *_LOOPBACK)), f"{name} asks {url}, which is not encrypted"
    assert not set("?@#") & set(url), (
        f"{name}: {url} holds a query, a user or a fragment; use params and auth"
    )
    for pair in (*request.params, *request.headers):
        assert len(pair) == 2, f"{name}: {pair!r} is no pair of name and value"
        assert all(isinstance(text, str) for text in pair), f"{name}: {pair!r} are no texts"
    auth = request.auth
    if auth is not None and auth.token is None:
        known = {key.name for key in provider.keys}
        assert auth.key in known, f"{name} uses the key {auth.key!r} and names {sorted(known)}"


def _check_values(provider: Provider, case: Case, answer: Answer) -> None:
    expected = np.array([np.nan if g is None else g for g in case.g_per_kwh])
    found = answer.intensity.intensity_g_per_kwh
    same = found.shape == expected.shape and np.allclose(found, expected, rtol=0.0, atol=1e-6, equal_nan=True)
    assert same, f"{provider.name} {case.query.what}: {found.tolist()} instead of {expected.tolist()}"
    names = [STATUSES[code] for code in answer.intensity.status[~np.isnan(found)]]
    wanted = list(case.status) * (len(names) if len(case.status) == 1 else 1)
    assert names == wanted, f"{provider.name} {case.query.what}: statuses {names} instead of {wanted}"


def _check_refusals(provider: Provider, case: Case, good: Answer) -> None:
    for i, exchange in enumerate(case.exchanges):
        body = exchange.response.body
        if not body or exchange.response.status != 200:
            continue
        for wrong, changed, must in broken_bodies(body):
            _check_refusal(provider, case, good, {i: changed}, f"{wrong} in reply {i + 1}", must=must)
        for wrong, changed in renamed_bodies(body, case.place) if case.place else ():
            _check_refusal(provider, case, good, {i: changed}, wrong, must=True)


def _check_refusal(
    provider: Provider, case: Case, good: Answer, changed: dict[int, bytes], wrong: str, *, must: bool
) -> None:
    who = f"{provider.name} {case.query.what}, {wrong}"
    try:
        answer = replay(provider, case, changed)
    except ProviderError as error:
        _check_error(provider, error, who)
        return
    assert not must, f"{who}: it was not refused"
    assert same_answer(answer, good), f"{who}: another series was accepted"


def _check_error(provider: Provider, error: ProviderError, who: str) -> None:
    kinds = (ReplyError, NotCoveredError, AccessError)
    assert isinstance(error, kinds), f"{who}: {type(error).__name__} is for the driver to raise"
    assert error.provider == provider.name, f"{who}: the error names {error.provider!r}"
    assert "\n" not in str(error), f"{who}: the message has several lines"


def _check_not_offered(provider: Provider, query: Query) -> None:
    for what in set(_WHATS) - provider.offers:
        asked = replace(query, what=what)  # type: ignore[arg-type]
        try:
            converse(provider, asked, _refuse_to_be_asked)
        except NotCoveredError:
            continue
        raise AssertionError(f"{provider.name} does not offer {what} and answers")


def _refuse_to_be_asked(request: Request) -> Response:
    raise AssertionError(f"a request for what is not offered: {request.url}")
