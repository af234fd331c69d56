"""Base classes of frameworks that may not be installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lowtide.errors import MissingExtraError

__all__ = ["base_class", "check_base"]


def base_class(*places: str) -> Any:
    """Return the first class that can be imported, or ``object`` where there is none.

    Parameters
    ----------
    *places : str
        ``module:Class``.

    Examples
    --------
    >>> base_class("no_such_framework:Callback")
    <class 'object'>
    """
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue  # not installed, or of a version without it
    return object


def check_base(base: Any, *, what: str, extra: str) -> None:
    """Refuse to make a callback of a framework that is not there.

    Raises
    ------
    MissingExtraError
    """
    if base is object:
        raise MissingExtraError(what, extra=extra)
