"""The example to copy passes the public check, and the check sees through one that is careless."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lowtide.model.exchange import Response
from lowtide.testing.provider_checks import Case, check_provider

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "extend" / "provider.py"
SPEC = importlib.util.spec_from_file_location("provider_example", EXAMPLE)
assert SPEC is not None
assert SPEC.loader is not None
village = importlib.util.module_from_spec(SPEC)
sys.modules["provider_example"] = village
SPEC.loader.exec_module(village)
CASE = Case(
    query=village.QUERY,
    exchanges=(village.SAVED,),
    g_per_kwh=(120, None, 90),
    status=("measured",),
    place="Village",
)


class Careless:
    """The village's provider with one promise broken."""

    def __init__(self, **broken: Any) -> None:
        self._good = village.Village()
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        return self._broken.get(name, getattr(self._good, name))


def asks_again(query: Any) -> Any:
    """Ask, and ask once more than was saved."""
    conversation = village.Village().ask(query)
    request = next(conversation)
    yield request
    response = yield request
    return finished(conversation, response)


def changed(**changes: Any) -> Callable[[Any], Any]:
    """Return an `ask` whose request is changed."""

    def ask(query: Any) -> Any:
        conversation = village.Village().ask(query)
        response = yield replace(next(conversation), **changes)
        return finished(conversation, response)

    return ask


def answered(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return an `ask` whose answer is changed."""

    def ask(query: Any) -> Any:
        conversation = village.Village().ask(query)
        response = yield next(conversation)
        return change(finished(conversation, response))

    return ask


def reads(change: Callable[[bytes], bytes]) -> Callable[[Any], Any]:
    """Return an `ask` that repairs replies before it reads them."""

    def ask(query: Any) -> Any:
        conversation = village.Village().ask(query)
        response = yield next(conversation)
        return finished(conversation, replace(response, body=change(response.body)))

    return ask


def finished(conversation: Any, response: Response) -> Any:
    """Return what a conversation ends in."""
    try:
        conversation.send(response)
    except StopIteration as done:
        return done.value
    raise AssertionError("it asks on")


def with_zone(answer: Any, zone: str) -> Any:
    """Return an answer for another zone."""
    series = answer.intensity
    return replace(answer, intensity=replace(series, signal=replace(series.signal, zone=zone)))


def test_example_prints_its_output() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)], capture_output=True, text=True, check=True
    )
    assert done.stdout == EXAMPLE.with_suffix(".out").read_text()


def test_example_keeps_the_promises() -> None:
    check_provider(village.Village(), [CASE])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"name": "The Village"}, "is no name like energy-charts"),
        ({"title": ""}, "has no title"),
        ({"attribution": ""}, "what its licence wants said"),
        ({"covers": ""}, "what it covers"),
        ({"offers": frozenset()}, "offers nothing"),
        ({"offers": frozenset({"history", "prophecy"})}, "known are"),
        ({"basis": "mean"}, "neither average nor marginal"),
        ({"requests_per_s": 0.0}, "must be positive"),
        ({"keys": ()}, "uses the key 'village' and names"),
        ({"has": lambda zone: False}, "is false"),
        ({"ask": changed(url="http://village.example/intensity")}, "is not encrypted"),
        ({"ask": changed(url="https://village.example/intensity?key=1")}, "use params and auth"),
        ({"ask": changed(params=(("from", 3),))}, "are no texts"),
        ({"ask": changed(params=())}, "saved is"),
        ({"ask": asks_again}, "asks for more than was saved"),
        ({"ask": answered(lambda a: with_zone(a, "TOWN"))}, "answers for 'TOWN'"),
        ({"ask": answered(lambda a: replace(a, updated_ns=[1]))}, "1 updates for 3 steps"),
        ({"ask": answered(lambda a: replace(a, notes=("",)))}, "notes are sentences"),
        ({"ask": reads(lambda body: body.replace(b"ELSEWHERE", b"Village"))}, "it was not refused"),
        ({"ask": reads(lambda body: body.replace(b"NaN", b"null"))}, "it was not refused"),
        ({"ask": reads(lambda body: body.replace(b"1e30", b"77"))}, "another series was accepted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_check_sees_a_broken_promise(broken: dict[str, Any], message: str) -> None:
    careless: Any = Careless(**broken)
    with pytest.raises(AssertionError, match=message):
        check_provider(careless, [CASE])
