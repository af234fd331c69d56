"""Nouns of estimates as plain data for JSON; unknown is null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["plain_of"]


def plain_of(value: Any) -> Any:
    """Return `value` as dicts, lists, strings, finite numbers, booleans and None.

    >>> plain_of((1.0, float("nan"), {"a": None}))
    [1.0, None, {'a': None}]
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_of(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_of(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
