"""What a run may emit or draw, what is to happen there, and what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Budget", "BudgetAct", "BudgetReached", "OnBudget"]

OnBudget = Literal["warn", "checkpoint", "stop"]
BudgetAct = Literal["warned", "stopped", "asked", "saved", "ended", "left running"]
"""``asked``: to save and leave, and nobody saw what came of it; ``ended``: it had left by itself, or left with another
status than 75 when it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may emit, or draw; one of the two limits is given.

    Attributes
    ----------
    limit_g : float or None
        Of the account the run's carbon is stated with, by location where there is one [g].
    limit_kwh : float or None
        Of the energy its bill states, before PUE [kWh].
    on : {"warn", "checkpoint", "stop"}
        What is done once it is reached.
    grace_s : float
        How long the command may take to end, or to save and leave [s].
    pause_signal : str
        Asks a command that looks for no pause file to save: ``TERM``.
    work_s : float or None
        How long all of the work takes, where that is known [s].
    """

    limit_g: float | None = None
    limit_kwh: float | None = None
    on: OnBudget = "warn"
    grace_s: float = 60.0
    pause_signal: str = "TERM"
    work_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached:
    """That a budget was reached, and what was done.

    Attributes
    ----------
    at_ns : int
        Last reading of the look that saw it [ns].
    used : float
        What had been used by then, in the unit of the limit [g or kWh].
    action : str
    """

    at_ns: int
    used: float
    action: BudgetAct
