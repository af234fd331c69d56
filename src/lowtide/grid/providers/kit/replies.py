"""Reading replies strictly: what is not as the source promises ends in one error that names the place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lowtide.errors import AccessError, NotCoveredError, ProviderError, ReplyError
from lowtide.grid.stamps import BadCellError, parse_stamps
from lowtide.model.exchange import Response

__all__ = ["ACCEPT", "Node", "check_status", "instants", "number_or_nan", "read_json", "reply_text"]

ACCEPT: Final = (400, 401, 403, 404)
"""Statuses that say something about the question, which a provider puts into words."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_OFFSET: Final = re.compile(r"\d[+-](\d\d):?(\d\d)$", re.ASCII)
_LONGEST_QUOTE: Final = 160


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a reply, where it stands in it, and whose reply it is."""

    value: Any
    where: str
    provider: str

    def error(self, message: str) -> ReplyError:
        """Return the error to raise about this part."""
        return ReplyError(f"{self.where}: {message}; nothing of the reply was used", provider=self.provider)

    def find(self, key: str) -> Node | None:
        """Return a member of an object; None when it is missing or null."""
        if not isinstance(self.value, dict):
            raise self.error(f"an object was expected, got {_shown(self.value)}")
        value = self.value.get(key)
        return None if value is None else Node(value, f"{self.where}.{key}", self.provider)

    def get(self, key: str) -> Node:
        """Return a member that must be there."""
        found = self.find(key)
        if found is None:
            raise self.error(f"has no {key!r}")
        return found

    def items(self) -> list[Node]:
        """Return the members of an array."""
        if not isinstance(self.value, list):
            raise self.error(f"an array was expected, got {_shown(self.value)}")
        return [Node(v, f"{self.where}[{i}]", self.provider) for i, v in enumerate(self.value)]

    def text(self) -> str:
        """Return a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            raise self.error(f"a text was expected, got {_shown(self.value)}")
        return self.value

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.error(f"true or false was expected, got {_shown(self.value)}")
        return self.value

    def number(self, *, from_text: bool = False) -> float:
        """Return a finite number, written as a text too when `from_text`."""
        value = self.value
        if from_text and isinstance(value, str) and value.isascii() and _NUMBER.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"a number was expected, got {_shown(value)}")
        if not -1e18 <= value <= 1e18:  # true of NaN too, and of integers too long for a float
            raise self.error(f"{_shown(value)} is no plausible number")
        return float(value)

    def integer(self) -> int:
        """Return a whole number, written as a text too."""
        number = self.number(from_text=True)
        if number != int(number):
            raise self.error(f"a whole number was expected, got {_shown(self.value)}")
        return int(number)

    def must_be(self, expected: str, *, what: str) -> None:
        """Refuse a text other than the expected one."""
        if self.text() != expected:
            raise self.error(f"{what} {expected!r} was asked for, the answer is for {_shown(self.value)}")


def number_or_nan(node: Node, key: str, *, from_text: bool = False) -> float:
    """Return a number, NaN when it is null or missing."""
    found = node.find(key)
    return math.nan if found is None else found.number(from_text=from_text)


def instants(nodes: Sequence[Node], *, utc: bool = False) -> list[int]:
    """Return instants [ns] written in texts, which are UTC without an offset only when `utc`."""
    cells = [node.text() for node in nodes]
    for node, cell in zip(nodes, cells, strict=True):
        found = _OFFSET.search(cell)
        if found is not None and (int(found[1]) > 14 or found[2] not in ("00", "15", "30", "45")):
            raise node.error(f"{_cut(cell)!r} has an offset that no place on earth has")
    try:
        return [int(t) for t in parse_stamps(cells, utc=utc)]
    except BadCellError as error:
        raise nodes[error.index].error(_cut(error.message)) from error


def read_json(response: Response, provider: str) -> Node:
    """Return the root of a JSON reply.

    Raises
    ------
    ReplyError
        If it is empty, HTML, cut, has the words NaN or Infinity or a name twice in one object, or is an error.
    """
    root = Node(_parse(reply_text(response, provider), provider), "reply", provider)
    if isinstance(root.value, dict) and root.value.get("error"):
        raise ReplyError(f"answered with an error{_told(root.value)}", provider=provider)
    return root


def reply_text(response: Response, provider: str) -> str:
    """Return a body as text.

    Raises
    ------
    ReplyError
        If it is no UTF-8, or empty.
    """
    try:
        text = response.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReplyError(f"the reply is no UTF-8 text (byte {error.start})", provider=provider) from error
    if not text.strip():
        raise ReplyError("the reply is empty", provider=provider)
    return text


def check_status(response: Response, provider: str, *, asked: str, where: str = "") -> None:
    """Turn a status other than 200 into the error it stands for.

    Parameters
    ----------
    asked : str
        What was asked for, in words.
    where : str
        Where people get a key.

    Raises
    ------
    AccessError, NotCoveredError, ReplyError
    """
    status = response.status
    if status == 200:
        return
    error: type[ProviderError] = ReplyError
    message = f"answered with status {status} to {asked}"
    if status == 401:
        # The body is not quoted: it may repeat the key.
        error, message = AccessError, f"the key was refused (401); check it, or get one: {where}"
    elif status == 403:
        error, message = AccessError, f"this key or plan has no access to {asked} (403)"
    elif status in (400, 404):
        error, message = NotCoveredError, f"does not have {asked} ({status}){_told_in(response)}"
    elif status == 204:
        error, message = NotCoveredError, f"has nothing for {asked} (204)"
    raise error(message, provider=provider)


def _parse(text: str, provider: str) -> Any:
    if text.lstrip()[:1] == "<":
        raise ReplyError(
            "the reply is HTML or XML instead of JSON; is a proxy or a login page in between?",
            provider=provider,
        )
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except RecursionError as error:
        raise ReplyError("the reply is nested too deeply", provider=provider) from error
    except ValueError as error:
        raise ReplyError(
            f"the reply is no JSON, or was cut: {_cut(str(error))}; nothing of it was used", provider=provider
        ) from error


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _told_in(response: Response) -> str:
    try:
        return _told(json.loads(response.body.decode("utf-8-sig")))
    except (ValueError, RecursionError):
        return ""


def _told(body: Any) -> str:
    """Return what an error body says, wherever services put it."""
    for key in ("message", "detail", "title", "error", "code"):
        value = body.get(key) if isinstance(body, dict) else None
        if isinstance(value, dict):
            return _told(value)
        if isinstance(value, str) and value:
            return f": {_cut(value)}"
    return ""


def _shown(value: Any) -> str:
    """Return a value for a message; an integer may be too long to be printed at all."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    return "nothing" if value is None else _cut(repr(value))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."
