"""The nouns of a sweep: jobs and slacks that go in, rows that come out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Final, Literal, get_args

from lowtide.errors import InputError, QuantityError
from lowtide.model.signal import Basis, Factors, Status
from lowtide.planning.starts import Edge
from lowtide.quantities import format_duration, format_instant, parse_duration_s, parse_fraction
from lowtide.units import ns_from_s

__all__ = [
    "POLICIES",
    "Slack",
    "SweepJob",
    "SweepPolicy",
    "SweepResult",
    "SweepRow",
    "SweptZone",
    "ZonesMean",
]

SweepPolicy = Literal["run-now", "flexible-start", "pause-resume"]
POLICIES: Final[tuple[SweepPolicy, ...]] = get_args(SweepPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepJob:
    """A job of constant power.

    Attributes
    ----------
    name : str
    duration_s : float
        How long it runs [s].
    energy_kwh : float
        What it draws in all [kWh]; with 1, the default, grams are per kWh.
    """

    name: str
    duration_s: float
    energy_kwh: float = 1.0

    def __post_init__(self) -> None:
        if not isfinite(self.duration_s) or ns_from_s(self.duration_s) <= 0:
            raise InputError(
                f"job {self.name!r} lasts {self.duration_s:g} s; give a duration above 0, like 24h"
            )
        if not (isfinite(self.energy_kwh) and self.energy_kwh >= 0.0):
            raise InputError(f"job {self.name!r} draws {self.energy_kwh:g} kWh; give an energy of 0 or more")

    @classmethod
    def lasting(cls, duration: str) -> SweepJob:
        """Return the job of a duration as people write it (``"24h"``), named after it."""
        return cls(name=duration.strip(), duration_s=parse_duration_s(duration))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """How much later a job may end than it would if it started at once.

    Attributes
    ----------
    label : str
        As it was written: ``"24h"`` or ``"50%"``.
    seconds, fraction : float or None
        A time [s], or a share of the job's duration; the other is None.
    """

    label: str
    seconds: float | None = None
    fraction: float | None = None

    @classmethod
    def of(cls, given: str | float) -> Slack:
        """Return the slack in a text (a duration or a percentage) or in a number of seconds.

        Raises
        ------
        InputError
            If it is neither, or below 0.

        Examples
        --------
        >>> Slack.of("50%").fraction, Slack.of("1h30m").seconds
        (0.5, 5400.0)
        """
        if isinstance(given, str):
            label = given.strip()
            if label.endswith("%"):
                return cls(label=label, fraction=parse_fraction(label))
            try:
                return cls(label=label, seconds=parse_duration_s(label))
            except QuantityError as error:
                raise QuantityError(
                    f"slack {label}: {error}, or as a share of the duration, like 50%"
                ) from error
        if not (isfinite(given) and given >= 0.0):
            raise InputError(f"a slack of {given} s cannot be; give 0 or more, or a text like 24h or 50%")
        return cls(label=format_duration(given), seconds=float(given))

    def ns_of(self, duration_ns: int) -> int:
        """Return the slack of a job of some duration [ns]."""
        if self.fraction is not None:
            return round(duration_ns * self.fraction)
        return ns_from_s(self.seconds or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """One job in one zone under one policy with one slack, over all its starts.

    Attributes
    ----------
    job, zone, policy, slack : str
        The zone is None when nobody named it.
    n_starts : int
        Starts in the means.
    mean_saving_fraction : float or None
        Mean of the starts' own savings against run-now; None when there is none, or when only a yearly mean
        of the zone is known.
    ratio_saving_fraction : float or None
        1 - mean emissions / mean baseline; None as well when the baseline is not positive.
    mean_emissions_g, mean_baseline_g : float or None
        Of the plan and of run-now [g], for the job's energy.
    pauses_per_hour : float or None
        Mean pauses of a plan per hour of slack + duration; None when not counted.
    duration_h, slack_h, energy_kwh : float
        The job and its slack in numbers.
    n_unknown : int
        Starts left out because run-now meets unknown intensity.
    n_not_positive : int
        Starts of `n_starts` whose run-now emits nothing or less, so that they save no fraction of it.
    """

    job: str
    zone: str | None
    policy: SweepPolicy
    slack: str
    n_starts: int
    mean_saving_fraction: float | None
    ratio_saving_fraction: float | None
    mean_emissions_g: float | None
    mean_baseline_g: float | None
    pauses_per_hour: float | None
    duration_h: float
    slack_h: float
    energy_kwh: float
    n_unknown: int
    n_not_positive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptZone:
    """The intensity of a zone as it was swept.

    Attributes
    ----------
    zone : str or None
    basis, factors : str
    source : str
        Who says so.
    start_ns, end_ns : int
        The time that was swept [ns since 1970 UTC].
    slot_s : float
        Length of a slot [s].
    n_slots, n_unknown_slots : int
    statuses : tuple of str
        Which of measured, estimated, forecast and typical its values are.
    time_resolved : bool
        False when only a yearly mean is known, so that shifting in time cannot be judged.
    """

    zone: str | None
    basis: Basis
    factors: Factors
    source: str
    start_ns: int
    end_ns: int
    slot_s: float
    n_slots: int
    n_unknown_slots: int
    statuses: tuple[Status, ...]
    time_resolved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonesMean:
    """One job, policy and slack over all zones that have a figure, each counted alike.

    Attributes
    ----------
    job, policy, slack : str
    n_zones : int
        Zones with a saving.
    mean_saving_fraction, ratio_saving_fraction, mean_emissions_g, mean_baseline_g, pauses_per_hour : float or None
        Means over zones of what their rows say.
    """

    job: str
    policy: SweepPolicy
    slack: str
    n_zones: int
    mean_saving_fraction: float | None
    ratio_saving_fraction: float | None
    mean_emissions_g: float | None
    mean_baseline_g: float | None
    pauses_per_hour: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """What a sweep found.

    Attributes
    ----------
    rows : tuple of SweepRow
        By job, zone, policy and slack, in the order they were asked for.
    zones : tuple of SweptZone
    edge : {"drop", "cut"}
        What became of starts whose window passes the end of the data.
    """

    rows: tuple[SweepRow, ...]
    zones: tuple[SweptZone, ...]
    edge: Edge

    def over_zones(self) -> tuple[ZonesMean, ...]:
        """Return the mean over zones for each job, policy and slack, in the order of the rows."""
        groups: dict[tuple[str, SweepPolicy, str], list[SweepRow]] = {}
        for row in self.rows:
            groups.setdefault((row.job, row.policy, row.slack), []).append(row)
        return tuple(_mean_of(rows) for rows in groups.values())

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON of ``lowtide sweep``: unknown is null, instants are UTC."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "over_zones": [asdict(mean) for mean in self.over_zones()],
            "edge": self.edge,
            "zones": [_plain_zone(zone) for zone in self.zones],
        }


def _mean_of(rows: list[SweepRow]) -> ZonesMean:
    first = rows[0]
    return ZonesMean(
        job=first.job,
        policy=first.policy,
        slack=first.slack,
        n_zones=sum(row.mean_saving_fraction is not None for row in rows),
        mean_saving_fraction=_mean(row.mean_saving_fraction for row in rows),
        ratio_saving_fraction=_mean(row.ratio_saving_fraction for row in rows),
        mean_emissions_g=_mean(row.mean_emissions_g for row in rows),
        mean_baseline_g=_mean(row.mean_baseline_g for row in rows if row.mean_emissions_g is not None),
        pauses_per_hour=_mean(row.pauses_per_hour for row in rows),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _plain_zone(zone: SweptZone) -> dict[str, Any]:
    plain = asdict(zone)
    start_ns, end_ns = plain.pop("start_ns"), plain.pop("end_ns")
    return {**plain, "start": format_instant(start_ns), "end": format_instant(end_ns)}
