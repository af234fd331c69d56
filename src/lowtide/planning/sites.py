"""A place where a job may run: its intensity, its overhead, its hardware."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lowtide.accounting.overhead import check_pue
from lowtide.errors import InputError
from lowtide.model.planning import Job, OperatingPoint
from lowtide.series.types import IntensitySeries

__all__ = ["SiteOption", "check_sites"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOption:
    """One place to choose from.

    Attributes
    ----------
    zone : str
        Its name in the plan; two sites never share one.
    intensity : IntensitySeries
        What is minimised.
    marginal : IntensitySeries or None
        A second account of the same plan, never what is minimised.
    pue : float or None
        Facility energy over node energy, at least 1; None is unknown: grams are then for the node.
    points : tuple of OperatingPoint or None
        The job's menu on this site's hardware, baseline first; None is the job's own menu.

    Raises
    ------
    InputError
        If the PUE is below 1 or above 5.
    """

    zone: str
    intensity: IntensitySeries
    marginal: IntensitySeries | None = None
    pue: float | None = None
    points: tuple[OperatingPoint, ...] | None = None

    def __post_init__(self) -> None:
        if self.pue is not None:
            check_pue(self.pue)
        if self.points is not None and not self.points:
            raise InputError(f"site {self.zone} offers no operating point; leave points out or give one")

    @property
    def overhead(self) -> float:
        """PUE, or 1 where it is unknown."""
        return 1.0 if self.pue is None else self.pue

    def menu(self, job: Job) -> tuple[OperatingPoint, ...]:
        """Return the operating points of `job` here, baseline first."""
        return self.points or job.points


def check_sites(sites: Sequence[SiteOption]) -> None:
    """Refuse an empty choice and two sites of one name.

    Raises
    ------
    InputError
        If there is no site, or a zone is given twice.
    """
    if not sites:
        raise InputError("no site to plan for; give at least one zone with its intensity")
    twice = [zone for zone, n in Counter(site.zone for site in sites).items() if n > 1]
    if twice:
        raise InputError(f"zone {twice[0]!r} is given twice; name every site once")
