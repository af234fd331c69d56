"""``--budget``: what was typed, checked before anything starts, and when to look how much of it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, get_args

from lowtide.errors import InputError, QuantityError
from lowtide.model.budget import Budget, OnBudget
from lowtide.quantities import parse_duration_s, parse_energy_kwh
from lowtide.runtime.ranks import read_place

if TYPE_CHECKING:
    from lowtide.model.record import RunHeader
    from lowtide.runtime.green import GreenAsked, GreenSpec

__all__ = ["BudgetAsked", "budget_of", "first_look_s", "is_blind", "next_look_s", "parse_budget"]

_G: Final = {"mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6}
_FIRST_MOST_S: Final = 60.0
_FIRST_READINGS: Final = 10
_LEAST_S: Final = 10.0
_MOST_S: Final = 1800.0
_TIMES_ITS_COST: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetAsked:
    """``--budget`` and ``--on-budget`` as typed."""

    text: str | None = None
    on: str | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        """The options of waiting runs that mean something for a budget too."""
        if self.text is None:
            return ()
        of_acts = {"stop": ("grace",), "checkpoint": ("grace", "pause_signal")}
        return ("duration", *of_acts.get(self.on or "", ()))


def parse_budget(text: str) -> tuple[float | None, float | None]:
    """Return the grams and the kilowatt-hours a text means; one of them is None.

    Raises
    ------
    QuantityError

    Examples
    --------
    >>> parse_budget("5kg"), parse_budget("2kWh")
    ((5000.0, None), (None, 2.0))
    """
    match = re.fullmatch(r"([0-9.eE+-]+?)\s*([A-Za-z]+)", text.strip())
    try:
        if match is None:
            raise QuantityError("no unit")
        grams = float(match[1]) * _G[match[2]] if match[2] in _G else None
        limit = grams if grams is not None else parse_energy_kwh(text)
    except (QuantityError, ValueError) as error:
        raise QuantityError(f"--budget {text}: write it like 5kg, 300g or 1.2t of CO2e, or 2kWh") from error
    if not 0.0 < limit < float("inf"):
        raise QuantityError(f"--budget {text} must be more than nothing, and finite")
    return (limit, None) if grams is not None else (None, limit)


def budget_of(
    asked: BudgetAsked,
    green: GreenAsked | None,
    spec: GreenSpec | None,
    header: RunHeader,
    env: Mapping[str, str],
    *,
    lenient: bool = False,
) -> tuple[Budget | None, list[str]]:
    """Return the budget of a run, None without one, and remarks for the user.

    Parameters
    ----------
    asked : BudgetAsked
    green : GreenAsked, optional
        Whose duration, grace and signal are the budget's too.
    spec : GreenSpec, optional
        What a waiting run is to hold.
    header : RunHeader
    env : mapping
    lenient : bool
        A place was given and is wrong, and the command is to run all the same.

    Raises
    ------
    InputError
        If a value is wrong, the place is not known, or this is one rank of a launch.
    """
    if asked.text is None:
        if asked.on is not None:
            raise InputError(f"--on-budget {asked.on}: at which budget? --budget 5kg, or --budget 2kWh")
        return None, []
    on = asked.on or "warn"
    if on not in get_args(OnBudget):
        raise InputError(f"--on-budget {on} is unknown; use one of {', '.join(get_args(OnBudget))}")
    limit_g, limit_kwh = parse_budget(asked.text)
    if read_place(env) is not None:
        raise InputError(
            "one rank cannot keep the budget of all: put `lowtide run --budget` before the launcher"
        )
    grace_s, pause_signal = _asking(asked, green)
    budget = Budget(
        limit_g=limit_g, limit_kwh=limit_kwh, on=cast(OnBudget, on), grace_s=grace_s,
        pause_signal=pause_signal, work_s=_work_s(green, spec),
    )  # fmt: skip
    if not is_blind(budget, header):
        return budget, []
    if not lenient:
        raise InputError(f"--budget {asked.text}: a budget in grams needs a place: --zone DE or --intensity FILE; "
                         "one in energy does not: --budget 2kWh")  # fmt: skip
    return budget, [f"without carbon nobody can watch --budget {asked.text}; the command runs without"]


def is_blind(budget: Budget, header: RunHeader) -> bool:
    """Return whether grams are limited and nothing tells them."""
    return budget.limit_g is not None and header.grid.zone is None and header.grid.intensity is None


def _asking(asked: BudgetAsked, green: GreenAsked | None) -> tuple[float, str]:
    from lowtide.runtime.green import grace_s_of, pause_signal_of

    takes = asked.takes if green is not None else ()
    grace = green.grace if green is not None and "grace" in takes else None
    name = green.pause_signal if green is not None and "pause_signal" in takes else None
    return grace_s_of(grace), pause_signal_of(name)


def _work_s(green: GreenAsked | None, spec: GreenSpec | None) -> float | None:
    if spec is not None:
        return spec.work_s if spec.work_known else None
    if green is None or green.duration is None:
        return None
    work_s = parse_duration_s(green.duration)
    if not work_s > 0.0:
        raise InputError(f"--duration {green.duration} must be longer than nothing")
    return work_s


def first_look_s(interval_s: float) -> float:
    """Return how long after its start a run is first looked at [s]: after ten readings, or a minute.

    >>> first_look_s(1.0), first_look_s(30.0)
    (10.0, 60.0)
    """
    return min(_FIRST_MOST_S, _FIRST_READINGS * interval_s)


def next_look_s(
    used: float | None, limit: float, *, rate_per_s: float, age_s: float, took_s: float, interval_s: float
) -> float:
    """Return after what time to look again [s].

    That is half of the time the budget would last, so that few looks come close to it, and the run's age where that is
    shorter: what a job draws while it loads its data tells little of what it draws later. Looks cost time, so they are
    ten times as far apart as the last one took, whatever else.

    Parameters
    ----------
    used : float or None
        In the unit of `limit`; None is not known, which may last: the waits double.
    limit : float
    rate_per_s : float
        Present rate, in that unit.
    age_s : float
        Since the command started [s].
    took_s : float
        What the last look took [s].
    interval_s : float
        Between readings [s].

    Examples
    --------
    Of 5000 g 1000 g are used, at 1 g/s: 4000 s are left.

    >>> next_look_s(1000.0, 5000.0, rate_per_s=1.0, age_s=1e6, took_s=0.5, interval_s=1.0)
    1800.0
    >>> next_look_s(4000.0, 5000.0, rate_per_s=1.0, age_s=1e6, took_s=0.5, interval_s=1.0)
    500.0
    """
    cost_s = _TIMES_ITS_COST * took_s
    if used is None:
        return max(first_look_s(interval_s), cost_s, min(_MOST_S, age_s))
    half_s = 0.5 * (limit - used) / rate_per_s if rate_per_s > 0.0 else _MOST_S
    return max(_LEAST_S, cost_s, min(_MOST_S, half_s, age_s))
