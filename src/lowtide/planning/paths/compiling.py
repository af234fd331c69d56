"""Compiling a loop when the work is large and the compiler is there; results are the same either way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lowtide.errors import MissingExtraError

__all__ = ["compiled", "worth_compiling"]

_MANY = 20_000_000
"""Steps of an interpreted loop that take longer than importing the compiler (about 2 s)."""
_FEW = 20_000
"""Steps below which a compiled loop saves nothing."""


def worth_compiling(n_steps: int) -> bool:
    """Return whether a loop of `n_steps` should be compiled.

    Importing numba costs about as much as twenty million interpreted steps, so it is used above that, or
    above a few where the process has it already.
    """
    if n_steps < _FEW:
        return False
    if "numba" in sys.modules:
        return True
    return n_steps > _MANY and _can_compile()


@lru_cache(maxsize=1)
def _can_compile() -> bool:
    from importlib.util import find_spec

    return find_spec("numba") is not None


@lru_cache(maxsize=64)
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the compiled form of a function of arrays; it is kept beside the source for the next process.

    Raises
    ------
    MissingExtraError
        If numba is not installed.
    """
    try:
        import numba
    except ImportError as error:
        raise MissingExtraError("compiled planning", extra="fast") from error
    jit: Callable[..., Any] = numba.njit(cache=True)
    return jit(function)  # type: ignore[no-any-return]
