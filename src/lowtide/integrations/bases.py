"""Base classes of frameworks that may not be installed, and what callbacks that measure begin with."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lowtide.errors import MissingExtraError
from lowtide.integrations.meter import TrainingMeter

__all__ = ["Metered", "base_class", "check_base"]


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


class Metered:
    """A part of a framework that has a meter; it stands before the framework's own class in the list of bases.

    Parameters
    ----------
    **options
        Those of :class:`~lowtide.integrations.meter.TrainingMeter`: ``sinks``, ``log_every_s``, ``say``, and those of
        :func:`lowtide.measure`.

    Attributes
    ----------
    meter : TrainingMeter
        Has ``result`` and ``run_id`` after the training.

    Raises
    ------
    MissingExtraError
        If the framework is not installed.
    """

    _of: tuple[Any, str, str]
    """The framework's class, what is made of it, and the extra that brings it."""

    def __init__(self, **options: Any) -> None:
        base, what, extra = self._of
        check_base(base, what=what, extra=extra)
        self.meter = TrainingMeter(**options)
        super().__init__()
