"""What a result cost in all: every run, not the last one (Schwartz et al. 2019: cost is E x D x H).

E is the cost of one example, D the size of the data set, H the number of experiments; epochs belong to D here,
which the authors leave out by their own admission. Runs that failed count. A search for an architecture is done
once for a domain and shared by the models that use it (Patterson et al. 2021, section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lowtide.errors import InputError
from lowtide.estimation.footprint import check_positive

__all__ = ["KINDS", "PHASES", "Experiments", "Trial", "edh_energy_kwh", "summarise"]

Phase = Literal["data", "experiment", "training", "inference"]
Kind = Literal["final", "tuning", "failed", "preliminary", "search", "other"]
PHASES: Final[tuple[Phase, ...]] = ("data", "experiment", "training", "inference")
KINDS: Final[tuple[Kind, ...]] = ("final", "tuning", "failed", "preliminary", "search", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Runs of one kind.

    Attributes
    ----------
    name : str
    phase : {"data", "experiment", "training", "inference"}
    kind : {"final", "tuning", "failed", "preliminary", "search", "other"}
    count : float
        How many of them (H).
    energy_kwh : float
        Of each [kWh at the node].
    shared_by : float
        Models that use the outcome; the energy is divided by it for this one.
    """

    name: str
    phase: Phase
    kind: Kind
    energy_kwh: float
    count: float = 1.0
    shared_by: float = 1.0

    def __post_init__(self) -> None:
        check_positive(f"energy of {self.name}", self.energy_kwh, allow_zero=True)
        check_positive(f"count of {self.name}", self.count)
        if not self.shared_by >= 1.0:
            raise InputError(f"{self.name} is shared by {self.shared_by:g} models; at least this one uses it")

    @property
    def total_kwh(self) -> float:
        """Energy of all of them [kWh]."""
        return self.energy_kwh * self.count

    @property
    def own_kwh(self) -> float:
        """This model's part [kWh]."""
        return self.total_kwh / self.shared_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiments:
    """All runs behind one model [kWh at the node].

    Attributes
    ----------
    trials : tuple of Trial
    total_kwh : float
        Everything that ran.
    own_kwh : float
        With shared work divided among the models that use it.
    final_kwh : float
        The runs that made the model: what is usually printed.
    by_phase, by_kind : dict
        Parts of `own_kwh`.
    """

    trials: tuple[Trial, ...]
    total_kwh: float
    own_kwh: float
    final_kwh: float
    by_phase: dict[str, float]
    by_kind: dict[str, float]

    @property
    def left_out_kwh(self) -> float:
        """What the final model's number leaves out [kWh]."""
        return self.own_kwh - self.final_kwh

    @property
    def own_over_final(self) -> float | None:
        """How many times the printed energy was spent; None when nothing is final."""
        return self.own_kwh / self.final_kwh if self.final_kwh else None


def edh_energy_kwh(kwh_per_example: float, n_examples: float, n_experiments: float) -> float:
    """Return E x D x H [kWh].

    Examples
    --------
    >>> edh_energy_kwh(2e-6, 1e6, 24)
    48.0
    """
    check_positive("energy per example", kwh_per_example, allow_zero=True)
    check_positive("examples", n_examples)
    return kwh_per_example * n_examples * check_positive("experiments", n_experiments)


def summarise(trials: Sequence[Trial]) -> Experiments:
    """Return totals by phase and kind, and what the final model's number leaves out.

    Raises
    ------
    InputError
        Without a run.

    Examples
    --------
    >>> runs = [Trial(name="final", phase="training", kind="final", energy_kwh=10.0),
    ...         Trial(name="grid", phase="experiment", kind="tuning", energy_kwh=2.0, count=24),
    ...         Trial(name="search", phase="experiment", kind="search", energy_kwh=60.0, shared_by=6)]
    >>> found = summarise(runs)
    >>> found.own_kwh, found.left_out_kwh, found.own_over_final
    (68.0, 58.0, 6.8)
    """
    if not trials:
        raise InputError("there are no runs to sum; list at least the final one")

    return Experiments(
        trials=tuple(trials),
        total_kwh=sum(trial.total_kwh for trial in trials),
        own_kwh=sum(trial.own_kwh for trial in trials),
        final_kwh=sum(trial.own_kwh for trial in trials if trial.kind == "final"),
        by_phase={phase: sum(t.own_kwh for t in trials if t.phase == phase) for phase in PHASES},
        by_kind={kind: sum(t.own_kwh for t in trials if t.kind == kind) for kind in KINDS},
    )
