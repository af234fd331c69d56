"""What forecasts of a zone are worth to a job, and the gate a robust plan goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast, get_args

import numpy as np

from lowtide.errors import InputError
from lowtide.forecasting.choose import METHODS, method_called
from lowtide.forecasting.history import DAY_NS, History, history_until
from lowtide.forecasting.issue import Method
from lowtide.forecasting.rolling import origins_every, points_from, roll
from lowtide.forecasting.scores import Scores, score
from lowtide.planning.regret import Regret, regret
from lowtide.planning.robust import Gate, GateRecord, gate_from, tried_gate
from lowtide.planning.shifting import Asked
from lowtide.planning.swept import Slack, SweepPolicy
from lowtide.quantities import parse_asked_ns, parse_duration_s
from lowtide.series.types import IntensitySeries
from lowtide.units import NS_PER_S

__all__ = ["ScoreReport", "gate_for", "score_history"]

_WARM_UP_NS: Final = 98 * DAY_NS
"""What a method should have learnt from before it is judged: 56 days of usual values of 28 days, and two weeks."""
_GATE_NS: Final = 365 * DAY_NS


def gate_for(
    history: IntensitySeries,
    *,
    duration_s: float,
    slack_s: float,
    policy: str = "flexible-start",
    method: str | Method = "blend",
    tolerance_fraction: float = 0.01,
) -> Gate:
    """Return the gate of a robust plan, chosen on the last year of a history.

    Parameters
    ----------
    history : IntensitySeries
    duration_s, slack_s : float
        The job, and how much later it may end [s].
    policy : str
        Every policy but ``flexible-start`` and ``run-now`` is judged as ``pause-resume``.
    method : str or Method
        What plans are made with; the name of the forecast that was made where that was chosen.
    tolerance_fraction : float
        How much worse than run-now a group of past starts may be in total.

    Raises
    ------
    InputError
        If the history is too short, or a value is wrong.
    """
    shown = policy if policy in ("flexible-start", "run-now") else "pause-resume"
    asked = Asked(duration_s=duration_s, slack_s=slack_s, policy=shown)  # type: ignore[arg-type]
    found_method = method_called(method) if isinstance(method, str) else method
    past = history_until(history)
    learning_ns = min(_WARM_UP_NS, (past.end_ns - past.start_ns) // 4)
    first_ns = max(past.start_ns + learning_ns, past.end_ns - _GATE_NS)
    found = regret(past, [found_method], asked, first_ns=first_ns)
    return gate_from(found.shifted[found_method.name], found.starts_ns, tolerance_fraction=tolerance_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """What forecasts of a zone are worth to a job.

    Attributes
    ----------
    history : History
    scores : tuple of tuple of Scores
        By method: over all leads, then by band of leads.
    regret : Regret
    gates : tuple of (str, Gate, GateRecord)
        By method: the gate that a robust plan would use today, and what gates chosen on the past alone did.
    from_ns, to_ns : int
        The starts that were judged lie between [ns].
    """

    history: History
    scores: tuple[tuple[Scores, ...], ...]
    regret: Regret
    gates: tuple[tuple[str, Gate, GateRecord], ...]
    from_ns: int
    to_ns: int


def score_history(
    series: IntensitySeries,
    *,
    duration: str | float = "6h",
    slack: str | float = "24h",
    policy: str = "flexible-start",
    methods: Sequence[str] = (),
    provider: Method | None = None,
    start: str | int | None = None,
    end: str | int | None = None,
) -> ScoreReport:
    """Return what each forecaster would have been worth over a history.

    Parameters
    ----------
    series : IntensitySeries
        The truth.
    duration, slack : str or float
        The job that is planned, a duration or [s]; a slack may be a share like ``50%``.
    policy : {"flexible-start", "pause-resume", "run-now"}
    methods : sequence of str
        Names; all of ours without them.
    provider : Method, optional
        A provider's own forecasts, beside ours; starts that it does not tell are then left out.
    start, end : str or int, optional
        Judge starts between these instants, ISO 8601 or [ns]. Without a start the first 98 days, at most a
        quarter of the history, are for learning alone.

    Raises
    ------
    InputError
        If a value is wrong, or the history is too short.
    """
    duration_s = parse_duration_s(duration) if isinstance(duration, str) else float(duration)
    slack_s = Slack.of(slack).ns_of(round(duration_s * NS_PER_S)) / NS_PER_S
    if policy not in get_args(SweepPolicy):
        raise InputError(f"no policy {policy!r}; there are {', '.join(get_args(SweepPolicy))}")
    asked = Asked(duration_s=duration_s, slack_s=slack_s, policy=cast(SweepPolicy, policy))
    history = history_until(series, None if end is None else _instant(end))
    chosen: list[Method] = [method_called(name) for name in methods] or list(METHODS)
    chosen += [] if provider is None else [provider]
    first_ns = history.start_ns + min(_WARM_UP_NS, (history.end_ns - history.start_ns) // 4)
    first_ns = first_ns if start is None else _instant(start)
    n_leads = asked.n_slots(history.step_ns)
    origins = origins_every(history, DAY_NS / NS_PER_S, n_leads=n_leads, first_ns=first_ns)
    if provider is not None:
        told = ~np.isnan(points_from(provider, history, origins, n_leads)).any(axis=1)
        origins = origins[told]
        if not len(origins):
            raise InputError("the provider's forecasts tell no whole window of this history; give others")
    found = regret(history, chosen, asked, first_ns=first_ns)
    if not found.n_starts:
        raise InputError("no start whose whole window is known; give a longer history, or other forecasts")
    window_ns = n_leads * history.step_ns
    gates = tuple(
        (
            method.name,
            gate_from(found.shifted[method.name], found.starts_ns),
            tried_gate(found.shifted[method.name], found.starts_ns, window_ns=window_ns),
        )
        for method in chosen
    )
    return ScoreReport(
        history=history,
        scores=tuple(score(roll(method, history, origins, n_leads)) for method in chosen),
        regret=found,
        gates=gates,
        from_ns=int(found.starts_ns[0]),
        to_ns=int(found.starts_ns[-1]),
    )


def _instant(given: str | int) -> int:
    return parse_asked_ns(given) if isinstance(given, str) else int(given)
