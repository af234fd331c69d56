"""A PUE that varies in time, as it is kept with a run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PueSteps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PueSteps:
    """Power usage effectiveness as a step function, kept so that a bill can be made again years later.

    Attributes
    ----------
    edges_ns : tuple of int
        One more than values.
    pue : tuple of float
        Facility energy over node energy; NaN is unknown.
    source : str
        Where it came from, in words.
    path : str
        The file it was read from.
    """

    edges_ns: tuple[int, ...]
    pue: tuple[float, ...]
    source: str
    path: str = ""
