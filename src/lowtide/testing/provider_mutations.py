"""Replies gone wrong: what services, proxies and networks have sent instead of what they promise."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any, Final

__all__ = ["broken_bodies", "fuzzed", "renamed_bodies"]

Path = tuple[Any, ...]
_HTML: Final = b"<!DOCTYPE html>\n<html><body><h1>Welcome to the guest network</h1></body></html>"
_ERROR: Final = b'{"error": {"code": "SOMETHING", "message": "something went wrong"}}'
_HUGE: Final = ("1e30", "-1e30", "1e999", "9" * 400, "NaN", "Infinity", "-Infinity", '"many"')
_NUMERIC: Final = re.compile(r"-?\d+(\.\d+)?")
_STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d(:\d\d)?")
_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    "",
    "x",
    -1,
    0,
    1e9,
    1.5,
    [],
    {},
    "2026-01-01T00:00:00Z",
    "NaN",
    2**70,
)


def broken_bodies(body: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Yield (what is wrong, body, whether it must be refused) for a good body.

    Where it need not be refused, because what is wrong may not matter, the answer must be the one to the good body.
    """
    yield "HTML", _HTML, True
    yield "nothing", b"", True
    yield "half of it", body[: len(body) // 2], True
    yield "no UTF-8", b"\xff\xfe" + body, True
    yield "a 200 with an error inside", _ERROR, True
    root = _json_or_none(body)
    if root is None:
        yield from _broken_xml(body)
        return
    for path in _kinds(root, _is_number):
        for word in _HUGE:
            where = f"{word[:12]} at {_shown(path)}"
            yield where, _with_word(root, path, word), "N" in word or "Inf" in word
    for path in _kinds(root, _is_rows):
        rows = _at(root, path)
        yield f"{_shown(path)} twice", _dumped(_set(root, path, [*rows, *rows])), False
        yield f"{_shown(path)} backwards", _dumped(_set(root, path, rows[::-1])), False


def renamed_bodies(body: bytes, place: str) -> Iterator[tuple[str, bytes]]:
    """Yield bodies that are for another place: one whole text that is the name of the place changed, and all."""
    whole = re.compile(rb'(?<=[">])' + re.escape(place.encode()) + rb'(?=["<])')
    if whole.search(body):
        yield "one place name of another zone", whole.sub(b"ELSEWHERE", body, count=1)
        yield "all place names of another zone", whole.sub(b"ELSEWHERE", body)


def fuzzed(body: bytes, rng: Random) -> bytes:
    """Return a body with one to three random changes: bytes, names, types, numbers, stamps, rows."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        body = rng.choice((_flip, _cut, _splice, _shift, _restructure, _restructure, _renumber))(body, rng)
    return body


def _flip(body: bytes, rng: Random) -> bytes:
    changed = bytearray(body)
    for _ in range(rng.choice((1, 1, 4, 16)) if body else 0):
        changed[rng.randrange(len(changed))] = rng.choice(
            (rng.randrange(256), rng.choice(b'0123456789-"{}[],.'))
        )
    return bytes(changed)


def _cut(body: bytes, rng: Random) -> bytes:
    a, b = sorted((rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)))
    return rng.choice((body[:a], body[b:], body[:a] + body[b:]))


def _splice(body: bytes, rng: Random) -> bytes:
    """Repeat a stretch somewhere: doubled rows, doubled names, nested rubbish."""
    a, b = sorted((rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)))
    at = rng.randrange(len(body) + 1)
    return body[:at] + body[a : min(b, a + 400)] + body[at:]


def _shift(body: bytes, rng: Random) -> bytes:
    """Change one stamp: another year, day or hour, or the stamp of another row."""
    stamps = list(_STAMP.finditer(body))
    if not stamps:
        return _renumber(body, rng)
    found = rng.choice(stamps)
    other = rng.choice(stamps)[0] if rng.random() < 0.5 else _moved(found[0], rng)
    return body[: found.start()] + other + body[found.end() :]


def _moved(stamp: bytes, rng: Random) -> bytes:
    at = rng.choice((3, 6, 9, 12, len(stamp) - 1))
    return stamp[:at] + str(rng.randrange(10)).encode() + stamp[at + 1 :]


def _renumber(body: bytes, rng: Random) -> bytes:
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", body))
    if not numbers:
        return body
    found = rng.choice(numbers)
    value = rng.choice((b"0", b"-7", b"12", b"123.5", b"1e5", b"1e300", b"1e999", b"NaN", b"null", b"9" * 30))
    return body[: found.start()] + value + body[found.end() :]


def _restructure(body: bytes, rng: Random) -> bytes:
    """Drop, swap, retype or move a member of the JSON; bytes are flipped where there is none."""
    root = _json_or_none(body)
    paths = [] if root is None else [path for path, _ in _walk(root, ()) if path]
    if not paths:
        return _flip(body, rng)
    path = rng.choice(paths)
    holder, key = _at(root, path[:-1]), path[-1]
    what = rng.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1:
        holder[key] = copy.deepcopy(rng.choice(_ODD))
    elif what == 2:
        holder[key] = copy.deepcopy(_at(root, rng.choice(paths)))
    elif isinstance(holder, list):
        rng.shuffle(holder)
    else:
        holder[f"{key}_"] = holder.pop(key)
    return _dumped(root)


def _broken_xml(body: bytes) -> Iterator[tuple[str, bytes, bool]]:
    text = body.decode()
    for value in ("NaN", "Infinity", "1e30", "-", ""):
        changed = re.sub(r"(<quantity>)[^<]*", rf"\g<1>{value}", text, count=1)
        yield f"quantity {value!r}", changed.encode(), True
    entity = '<!DOCTYPE a [<!ENTITY b "1"><!ENTITY c "&b;&b;">]>'
    yield "an entity", re.sub(r"<quantity>[^<]*", "<quantity>&c;", entity + text).encode(), True
    rows = re.findall(r"<Point>.*?</Point>", text, re.DOTALL)
    yield "a point twice", text.replace(rows[0], rows[0] * 2, 1).encode(), False


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _dumped(root: Any) -> bytes:
    return json.dumps(root).encode()


def _walk(node: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    yield path, node
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in inner:
        yield from _walk(child, (*path, key))


def _kinds(root: Any, wanted: Any) -> list[Path]:
    """Return the first path of each kind: paths that differ in places of arrays alone are one kind."""
    found: dict[Path, Path] = {}
    for path, node in _walk(root, ()):
        if path and wanted(node):
            found.setdefault(
                tuple(step if isinstance(step, str) else 0 for step in path[:-1]) + path[-1:], path
            )
    return list(found.values())


def _is_number(node: Any) -> bool:
    if isinstance(node, str):
        return _NUMERIC.fullmatch(node) is not None
    return isinstance(node, int | float) and not isinstance(node, bool)


def _is_rows(node: Any) -> bool:
    return isinstance(node, list) and bool(node) and isinstance(node[0], dict | list)


def _at(root: Any, path: Path) -> Any:
    for key in path:
        root = root[key]
    return root


def _set(root: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(root)
    _at(changed, path[:-1])[path[-1]] = value
    return changed


def _with_word(root: Any, path: Path, word: str) -> bytes:
    mark = "@@here@@"
    return _dumped(_set(root, path, mark)).replace(f'"{mark}"'.encode(), word.encode())


def _shown(path: Path) -> str:
    return ".".join(map(str, path))
