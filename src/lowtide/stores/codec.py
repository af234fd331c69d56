"""Nouns to plain data for JSON and back, checked where they come in.

Unknown stays unknown: NaN is written as null, and a missing key takes the noun's default.
"""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from lowtide.errors import DataFileError, StoreError

__all__ = ["from_plain", "read_json", "to_plain", "write_json"]

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return `value` as dicts, lists, strings, finite numbers, booleans and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    raise TypeError(f"{type(value).__name__} has no plain form")


def from_plain(cls: type[T], plain: Any, *, path: str) -> T:
    """Return the dataclass `cls` from plain data.

    Raises
    ------
    DataFileError
        If a key is missing or of a wrong kind; names the file and the key.
    """
    return typing.cast(T, _decode(cls, plain, path, cls.__name__))


def _decode(kind: Any, plain: Any, path: str, where: str) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, plain, path, where)
    if origin in (Union, types.UnionType):
        if plain is None and type(None) in args:
            return None
        kinds = [arg for arg in args if arg is not type(None)]
        fitting = [arg for arg in kinds if dataclasses.is_dataclass(arg) == isinstance(plain, dict)]
        return _decode((fitting or kinds)[0], plain, path, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(plain, dict):
            raise DataFileError(f"{where} should be an object, got {plain!r}", path=path)
        return {key: _decode(args[1], item, path, f"{where}.{key}") for key, item in plain.items()}
    if origin is tuple:
        return _decode_tuple(args, plain, path, where)
    if origin is Literal:
        if plain in args:
            return plain
    elif kind is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    elif kind is float and plain is None:
        return float("nan")
    elif isinstance(kind, type) and isinstance(plain, kind) and not (kind is int and isinstance(plain, bool)):
        return plain
    raise DataFileError(f"{where} should be {kind}, got {plain!r}", path=path)


def _decode_tuple(args: tuple[Any, ...], plain: Any, path: str, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise DataFileError(f"{where} should be a list, got {plain!r}", path=path)
    kinds = [args[0]] * len(plain) if args[-1] is Ellipsis else list(args)
    if len(kinds) != len(plain):
        raise DataFileError(f"{where} should have {len(kinds)} items, got {len(plain)}", path=path)
    return tuple(
        _decode(k, item, path, f"{where}[{i}]") for i, (k, item) in enumerate(zip(kinds, plain, strict=True))
    )


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields; finding them out costs more than decoding one."""
    return typing.get_type_hints(cls)


def _decode_dataclass(cls: Any, plain: Any, path: str, where: str) -> Any:
    if not isinstance(plain, dict):
        raise DataFileError(f"{where} should be an object, got {plain!r}", path=path)
    hints = _hints(cls)
    given = {}
    for field in dataclasses.fields(cls):
        if field.name in plain:
            given[field.name] = _decode(hints[field.name], plain[field.name], path, f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DataFileError(f"{where}.{field.name} is missing", path=path)
    return cls(**given)


def write_json(path: str, plain: Any) -> None:
    """Write plain data to `path`: a temporary file beside it, synced, then renamed.

    Raises
    ------
    StoreError
        If it cannot be written, or holds what JSON has no form for (an infinite number, say).
    """
    try:
        text = json.dumps(plain, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"cannot write {path}: {error}") from error
    write_bytes(path, text.encode() + b"\n")


def write_bytes(path: str, data: bytes) -> None:
    """Write bytes to `path`: a temporary file beside it, synced, then renamed."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def read_json(path: str) -> Any:
    """Return the plain data in `path`.

    Raises
    ------
    StoreError
        If there is no such file.
    DataFileError
        If it is no JSON.
    """
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataFileError(f"not JSON ({error})", path=path) from error
