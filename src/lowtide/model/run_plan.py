"""A run that waited for a plan: what it was asked to hold, what was planned, when it ran, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lowtide.model.signal import Basis

__all__ = ["PauseKind", "PlanBill", "Promise", "PromiseBill", "RunPlan"]

PauseKind = Literal["none", "freeze", "checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A plan as it was made, with the intensity it was made on, so that it can be priced at measured power.

    Attributes
    ----------
    made_ns : int
    runs_ns : tuple of (start, end)
        When the job was to run [ns]: as it had run until then, and as planned from there.
    edges_ns : tuple of int, length n + 1
        Edges of the intensity known then [ns].
    intensity_g_per_kwh : tuple of float, length n
        NaN is unknown.
    """

    made_ns: int
    runs_ns: tuple[tuple[int, int], ...]
    edges_ns: tuple[int, ...]
    intensity_g_per_kwh: tuple[float, ...]


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
    waited_s : float
        From being asked to its start [s].
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
    waited_s: float = 0.0
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
class PromiseBill:
    """What one plan promised, at the power that was measured.

    Attributes
    ----------
    made, start, end : int
        Instants [ns]; the end for the work that was really done.
    n_pauses : int
    emissions_g : float or None
        None where the plan met intensity that was unknown.
    """

    made_ns: int
    start_ns: int
    end_ns: int
    n_pauses: int
    emissions_g: float | None


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
        Run-now less executed; negative where waiting emitted more.
    basis : {"average", "marginal"}
        Average: what is allocated changes; marginal: what is avoided.
    provisional : bool
        Some of the intensity is a forecast or a typical profile.
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
    basis: Basis | None = None
    provisional: bool = False
    problem: str = ""
