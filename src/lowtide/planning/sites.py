"""A place where a job may run: its intensity, its price, its overhead, its hardware, and the way there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from lowtide.accounting.overhead import check_pue
from lowtide.errors import InputError
from lowtide.model.planning import Job, OperatingPoint
from lowtide.planning.pue import PueSeries
from lowtide.series.types import IntensitySeries, PriceSeries
from lowtide.units import ns_from_s

__all__ = ["SiteOption", "Transfer", "check_sites"]

_BITS_PER_BYTE = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The data a job needs at a site, and what carrying them there takes.

    Attributes
    ----------
    data_gb : float
        [GB of 10^9 bytes].
    kwh_per_gb : float
        Energy of the network on the way [kWh/GB].
    gbit_per_s : float
        Bandwidth; the job cannot start there before its data have arrived.

    Examples
    --------
    >>> way = Transfer(data_gb=450.0, kwh_per_gb=0.01, gbit_per_s=1.0)
    >>> way.energy_kwh, way.time_s
    (4.5, 3600.0)
    """

    data_gb: float
    kwh_per_gb: float
    gbit_per_s: float

    def __post_init__(self) -> None:
        for name in ("data_gb", "kwh_per_gb", "gbit_per_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0.0):
                raise InputError(f"{name} of a transfer must be at least 0, got {value:g}")
        if self.data_gb and not self.gbit_per_s:
            raise InputError(f"{self.data_gb:g} GB need a bandwidth above 0; give gbit_per_s of the transfer")

    @property
    def energy_kwh(self) -> float:
        """Energy of the way [kWh]."""
        return self.data_gb * self.kwh_per_gb

    @property
    def time_s(self) -> float:
        """Time of the way [s]."""
        return self.data_gb * _BITS_PER_BYTE / self.gbit_per_s if self.data_gb else 0.0

    @property
    def time_ns(self) -> int:
        """Time of the way [ns]."""
        return ns_from_s(self.time_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOption:
    """One place to choose from.

    Attributes
    ----------
    zone : str
        Its name in the plan; two sites never share one.
    intensity : IntensitySeries
        What is minimised, unless prices are weighed.
    marginal : IntensitySeries or None
        A second account of the same plan, never what is minimised.
    market : IntensitySeries or None
        That of contracts, for the market-based account; never what is minimised.
    pue : float, PueSeries or None
        Facility energy over node energy, at least 1; None is unknown: grams are then for the node.
    points : tuple of OperatingPoint or None
        The job's menu on this site's hardware, baseline first; None is the job's own menu.
    price : PriceSeries or None
        Of its electricity.
    regions : tuple of str
        Where data kept there are said to be (``EU``, ``DE``); empty: where its zone is.
    transfer : Transfer or None
        What running there takes if it is not the first site.
    not_before_ns : int or None
        When its data have arrived; nothing runs there earlier.
    submits : bool
        Whether jobs can be handed to it: a plan there without pauses can then be carried out.

    Raises
    ------
    InputError
        If the PUE is below 1 or above 5.
    """

    zone: str
    intensity: IntensitySeries
    marginal: IntensitySeries | None = None
    market: IntensitySeries | None = None
    pue: float | PueSeries | None = None
    points: tuple[OperatingPoint, ...] | None = None
    price: PriceSeries | None = None
    regions: tuple[str, ...] = ()
    transfer: Transfer | None = None
    not_before_ns: int | None = None
    submits: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.pue, float | int):
            check_pue(self.pue)
        if self.points is not None and not self.points:
            raise InputError(f"site {self.zone} offers no operating point; leave points out or give one")

    @property
    def overhead(self) -> float:
        """PUE, or 1 where it is unknown.

        Raises
        ------
        InputError
            If it varies in time: :func:`lowtide.planning.plan.plan` folds it into the intensity first.
        """
        if isinstance(self.pue, PueSeries):
            raise InputError(
                f"the PUE of {self.zone} varies in time; plan with lowtide.planning.plan.plan, "
                "or fold it in with lowtide.planning.objective.offered"
            )
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
