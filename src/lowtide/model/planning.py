"""The nouns of planning: what a job is, when it may run, and what a plan says.

A job is a menu of operating points (:mod:`lowtide.model.jobs`); a plan is a step function of which zone and
which point. Sites carry series and are therefore further up, in :mod:`lowtide.planning.sites`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from lowtide.model.jobs import Job, OperatingPoint, Window, WorkProfile
from lowtide.model.signal import Signal

__all__ = [
    "Infeasible",
    "Job",
    "Minimised",
    "OperatingPoint",
    "ParetoPoint",
    "Plan",
    "PlanSet",
    "Segment",
    "SegmentKind",
    "Waiting",
    "Window",
    "WorkProfile",
]

SegmentKind = Literal["run", "resume", "idle", "migrate", "transfer"]
Minimised = Literal["emissions_g", "usd", "elapsed_s"]
"""What a plan makes least: grams, dollars of a weighed sum, or seconds from the window's start to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a plan at one zone and one operating point.

    Attributes
    ----------
    zone : str
        Where the energy is drawn.
    start_ns, end_ns : int
        Half-open interval [ns since 1970 UTC].
    throughput : float
        Work per second relative to the baseline; 0 unless `kind` is ``run``.
    power_w : float
        Power at the node [W], the energy of a resume or move spread over its time included.
    kind : {"run", "resume", "idle", "migrate", "transfer"}
        A transfer carries data to another zone; it draws at home and may overlap anything in time.
    impulse_kwh : float
        Energy drawn at the start instant, on top of power times time [kWh]: a resume or move that
        takes no time.
    """

    zone: str
    start_ns: int
    end_ns: int
    throughput: float
    power_w: float
    kind: SegmentKind = "run"
    impulse_kwh: float = 0.0

    @property
    def duration_s(self) -> float:
        """Length [s]."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a plan pays for not running through at once.

    Attributes
    ----------
    delay_s : float
        End of the plan after the end of the baseline [s]; negative where it is done sooner.
    idle_kwh : float
        Energy at the node while paused [kWh].
    idle_g : float or None
        Its emissions, PUE included [g]; None where the intensity is unknown.
    embodied_g : float or None
        Embodied share of hardware that stays reserved for the delay [g]; None where that is not given.
    """

    delay_s: float
    idle_kwh: float
    idle_g: float | None
    embodied_g: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one policy would do, and what it promises.

    Attributes
    ----------
    policy : str
    zone : str
        Where it first runs.
    segments : tuple of Segment
        In order of time; idle and migrating ones may overlap in time, in different zones.
    energy_kwh : float
        At the node, before PUE, resumes, idling and moves included.
    emissions_g : float or None
        By :func:`lowtide.accounting.operational` of the plan's own power, after PUE where one is known;
        None where it runs through unknown intensity.
    marginal_g : float or None
        The same plan priced on the marginal intensity; None when there is none.
    market_g : float or None
        The same plan on the intensity of contracts; None when there are none.
    signal : Signal
        The intensity it was planned on.
    n_pauses, n_migrations : int
        Interruptions (moves included), and how many of them changed the zone.
    lower_bound_g : float or None
        No plan of this policy emits less; equal to `emissions_g` where the plan is exact.
    profile : WorkProfile or None
        What it draws over the work done, where that was recorded; its running segments say their mean.
    executable : bool
        Whether ``lowtide run`` can carry it out where it was planned.
    saving_fraction : float or None
        1 - emissions over those of the baseline; None when the baseline is unknown or not positive.
    saving_same_zone_fraction : float or None
        The same against run-now in the plan's own zone.
    marginal_saving_fraction : float or None
        `saving_fraction` on the marginal account.
    cost_usd : float or None
        Its electricity at the sites' prices, PUE included [USD, or the currency of the prices]; None where a
        price is unknown or none was given.
    objective : float or None
        The value of what was minimised, in the unit its :class:`PlanSet` names.
    lower_bound_usd, lower_bound_s : float or None
        Like `lower_bound_g`, where dollars or time were minimised.
    waiting : Waiting or None
    group : str
        ``literature`` for policies as published by others, empty for our own.
    """

    policy: str
    zone: str
    segments: tuple[Segment, ...]
    energy_kwh: float
    emissions_g: float | None
    marginal_g: float | None
    signal: Signal
    n_pauses: int = 0
    n_migrations: int = 0
    lower_bound_g: float | None = None
    profile: WorkProfile | None = None
    executable: bool = True
    saving_fraction: float | None = None
    saving_same_zone_fraction: float | None = None
    marginal_saving_fraction: float | None = None
    cost_usd: float | None = None
    objective: float | None = None
    lower_bound_usd: float | None = None
    lower_bound_s: float | None = None
    waiting: Waiting | None = None
    group: str = ""
    market_g: float | None = None

    @property
    def start_ns(self) -> int:
        """First instant of the job [ns]; its data may travel before."""
        return next(segment.start_ns for segment in self.segments if segment.kind != "transfer")

    @property
    def end_ns(self) -> int:
        """When the work is done [ns]."""
        return max(segment.end_ns for segment in self.segments)

    @property
    def basis(self) -> str:
        """Basis of the intensity it was planned on."""
        return self.signal.basis

    @property
    def gap_fraction(self) -> float | None:
        """How far above its lower bound the plan may be, as a share of its emissions; 0 where exact."""
        if self.emissions_g is None or self.lower_bound_g is None:
            return None
        over_g = self.emissions_g - self.lower_bound_g
        return over_g / abs(self.emissions_g) if self.emissions_g else (inf if over_g else 0.0)

    @property
    def work_s(self) -> float:
        """Work done [s at throughput 1]."""
        return sum(segment.throughput * segment.duration_s for segment in self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """A policy that has no plan for a zone (None: for any), and why."""

    policy: str
    zone: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoPoint:
    """A plan that no other beats on both sides of a trade.

    Attributes
    ----------
    trade : {"carbon-time", "carbon-cost"}
    plan : Plan
    elapsed_s : float
        From the window's start to the plan's end [s].
    exact : bool
        Whether its policy can do no better: for ``carbon-time`` at that end, for ``carbon-cost`` at its price
        of carbon.
    """

    trade: Literal["carbon-time", "carbon-cost"]
    plan: Plan
    elapsed_s: float
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSet:
    """All plans for one job, against one baseline.

    Attributes
    ----------
    baseline : Plan
        Run-now in the first site, even where it passes the deadline.
    baseline_meets_deadline : bool
    plans : tuple of Plan
        By what was minimised (emissions unless asked otherwise), unknown ones last.
    infeasible : tuple of Infeasible
    warnings : tuple of str
        What a reader must know before believing the savings.
    verdict : str
        One line: what is worth doing.
    minimised : {"emissions_g", "usd", "elapsed_s"}
        What `objective` of a plan is.
    pareto : tuple of ParetoPoint
        The front, where it was asked for: first carbon against time, by end; then carbon against cost.
    """

    baseline: Plan
    baseline_meets_deadline: bool
    plans: tuple[Plan, ...]
    infeasible: tuple[Infeasible, ...]
    warnings: tuple[str, ...]
    verdict: str
    minimised: Minimised = "emissions_g"
    pareto: tuple[ParetoPoint, ...] = ()

    @property
    def best(self) -> Plan | None:
        """The plan that is least in what was minimised, None when none is known."""
        return next((plan for plan in self.plans if plan.objective is not None), None)
