"""A run that waited for a plan: what it was asked to hold, what was planned, when it ran, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lowtide.model.signal import Basis

__all__ = ["PauseKind", "PlanBill", "Promise", "PromiseBill", "RunPlan", "Way", "WayStep"]

PauseKind = Literal["none", "freeze", "checkpoint"]
WayStep = Literal["promised", "intensity", "power", "duration", "timing", "pauses", "residual"]
"""The steps from a promise to what was executed, in the order in which they are always taken."""
Word = Literal["allocated", "avoided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A plan as it was made, with all it was made on, so that its error can be explained later.

    Attributes
    ----------
    made_ns : int
    runs_ns : tuple of (start, end)
        When the job was to run [ns]: as it had run until then, and as planned from there, its margin included.
        Every stretch but the first begins with `resume_s`.
    edges_ns : tuple of int, length n + 1
        Edges of the intensity known then [ns]; empty where that was not kept.
    intensity_g_per_kwh : tuple of float, length n
        NaN is unknown.
    power_w, paused_w : float or None
        At the node, at work and in pauses [W]; None where the plan knew no power.
    work_s : float or None
        How long all of the work was expected to take, without its margin [s]; None is unknown.
    resume_kwh, resume_s : float
        Energy of each resume on top of the power at work [kWh], and its time [s].
    stated_g : float or None
        What was said when it was made, for a plan whose intensity was not kept [g].
    """

    made_ns: int
    runs_ns: tuple[tuple[int, int], ...]
    edges_ns: tuple[int, ...] = ()
    intensity_g_per_kwh: tuple[float, ...] = ()
    power_w: float | None = None
    paused_w: float | None = None
    work_s: float | None = None
    resume_kwh: float = 0.0
    resume_s: float = 0.0
    stated_g: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run was asked to hold, and what it did.

    Attributes
    ----------
    bound : str
        As asked for: ``--within 24h``.
    asked_ns : int
    deadline_ns : int or None
        None where only the start is bounded.
    start_by_ns : int or None
        None where the end is bounded.
    pause : {"none", "freeze", "checkpoint"}
    work_s : float or None
        How long it was expected to take; None is unknown.
    runs_ns : tuple of (start, end)
        When it ran [ns]; what lies between them it was paused.
    overheads_ns : tuple of (start, end)
        Stretches inside those in which it ran and did no work that lasts: saving, loading, work done twice [ns].
    waited_s : float
        From being asked to its start [s].
    hold_allocation : bool
        Whether hardware was reserved for it, and stood idle, while it waited to be started.
    first, half, last : Promise or None
        The first plan that was followed, the last one made before half of the work was done, and the last one.
    n_decisions : int
    """

    bound: str
    asked_ns: int
    deadline_ns: int | None
    start_by_ns: int | None
    pause: PauseKind
    work_s: float | None
    runs_ns: tuple[tuple[int, int], ...] = ()
    overheads_ns: tuple[tuple[int, int], ...] = ()
    waited_s: float = 0.0
    hold_allocation: bool = False
    first: Promise | None = None
    half: Promise | None = None
    last: Promise | None = None
    n_decisions: int = 0

    @property
    def pauses_ns(self) -> tuple[tuple[int, int], ...]:
        """The stretches between two runs [ns]."""
        return tuple(
            (end, start) for (_, end), (start, _) in zip(self.runs_ns, self.runs_ns[1:], strict=False)
        )

    @property
    def paused_s(self) -> float:
        """Time in pauses [s]."""
        return sum(end - start for start, end in self.pauses_ns) / 1e9

    @property
    def running_s(self) -> float:
        """Time at work [s]."""
        return sum(end - start for start, end in self.runs_ns) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One step of the way from a promise to what was executed.

    Attributes
    ----------
    step : str
        ``promised``: planned power, planned times, the intensity that was believed. Then one thing at a time is
        put as it really was: ``intensity``; ``power`` over the work; its ``duration``; ``timing``, when it was
        done; ``pauses``, what was drawn in them; and the ``residual`` up to the bill.
    g : float or None
        Emissions with this and all steps before it taken [g]; None where something in it is unknown.
    delta_g : float or None
        What the step alone added [g]; None for the first.
    """

    step: WayStep
    g: float | None
    delta_g: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseBill:
    """What one plan promised, and how its error came about.

    Attributes
    ----------
    made, start, end : int
        Instants [ns]; the end for the work that was really done.
    n_pauses : int
    emissions_g : float or None
        At the power that was measured, on the intensity that was believed; None where the plan met intensity
        that was unknown.
    promised_g : float or None
        As it was made: at the power it knew, or where it knew none at the mean of what was measured.
    power_w : float or None
        Power it was made with, at the node [W]; None where it knew none.
    way : tuple of Way
        From `promised_g` to what was executed.
    """

    made_ns: int
    start_ns: int
    end_ns: int
    n_pauses: int
    emissions_g: float | None
    promised_g: float | None = None
    power_w: float | None = None
    way: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanBill:
    """Promise, execution, and what running at once would have emitted, by the same account.

    Attributes
    ----------
    bound : str
    asked_ns, deadline_ns, start_by_ns : int or None
    deadline_met : bool or None
        None while that is not known. For a bounded start: whether it started in time.
    waited_s, paused_s, running_s : float
    n_pauses : int
    first, half, last : PromiseBill or None
    executed_g : float or None
        As billed.
    run_now_g : float or None
        The run's own power over the work done, from when it was asked for, without pauses, on the final intensity.
    saving_g, saving_fraction : float or None
        Run-now less executed and reserved; negative where waiting emitted more.
    saving_low_g, saving_high_g : float or None
        90 % interval of the saving, in which errors that both sides share cancel.
    word : {"allocated", "avoided"} or None
        What the saving is a change of.
    basis : {"average", "marginal"}
        Average: what is allocated changes; marginal: what is avoided.
    oracle_g : float or None
        A lower bound: no way to do the same work in the same window with the same permission to pause could have
        emitted less, on the final intensity. None while that of the whole window is not known.
    oracle_kind : {"", "starts", "parts"}
        What was tried: every start, or the greenest parts of the window with pauses that cost nothing.
    regret_fraction : float or None
        How much more the oracle would have saved, as a share of run-now.
    way : tuple of Way
        That of the first plan.
    reservation_g : float or None
        What the reserved hardware drew while the run waited to be started; 0 where none was reserved.
    idle_anyway_g : float or None
        What the run's share of the machine draws idle in the time it waited and was paused; in no other figure.
    idle_w : float or None
        That power at the node, by the machine's model [W].
    idle_note : str
    provisional : bool
        Some of the intensity of the run or of run-now is a forecast or a typical profile.
    window_provisional : bool
        So is some that only the oracle and the way of the promises rest on, or it is not known yet.
    problem : str
        Why there is no comparison.
    """

    bound: str
    asked_ns: int
    deadline_ns: int | None
    start_by_ns: int | None
    deadline_met: bool | None
    waited_s: float
    paused_s: float
    running_s: float
    n_pauses: int
    first: PromiseBill | None = None
    half: PromiseBill | None = None
    last: PromiseBill | None = None
    executed_g: float | None = None
    run_now_g: float | None = None
    saving_g: float | None = None
    saving_fraction: float | None = None
    saving_low_g: float | None = None
    saving_high_g: float | None = None
    word: Word | None = None
    basis: Basis | None = None
    oracle_g: float | None = None
    oracle_kind: Literal["", "starts", "parts"] = ""
    regret_fraction: float | None = None
    way: tuple[Way, ...] = ()
    reservation_g: float | None = None
    idle_anyway_g: float | None = None
    idle_w: float | None = None
    idle_note: str = ""
    provisional: bool = False
    window_provisional: bool = False
    problem: str = ""

    @property
    def is_open(self) -> bool:
        """Whether better values of the intensity would change it."""
        return self.provisional or self.window_provisional

    @property
    def n_known(self) -> int:
        """How much of it is known for good, to tell which of two bills of one plan rests on more."""
        figures = (self.saving_g, self.oracle_g, *(step.g for step in self.way))
        return sum(g is not None for g in figures) + (not self.provisional) + (not self.window_provisional)
