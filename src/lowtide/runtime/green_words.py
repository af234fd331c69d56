"""What is said of a run that waits for green."""

from __future__ import annotations

from typing import Any

from lowtide.quantities import format_duration, format_instant
from lowtide.runtime.green import GreenSpec

__all__ = ["starting_words"]


def starting_words(spec: GreenSpec, answer: dict[str, Any], *, now_ns: int) -> str:
    """Return when a command starts that has not been started yet, and why."""
    if answer["act"] == "hold":
        return _later(spec, answer)
    if answer["late"] and now_ns + spec.longest_ns > spec.deadline_ns:
        took = format_duration(spec.longest_ns / 1e9)
        return (f"cannot be done by {_minute(spec.deadline_ns)} (it may take {took} with its margin): "
                "starts at once, without pauses")  # fmt: skip
    if not answer["time_resolved"]:
        return f"starts at once: only a yearly mean is known of {answer['zone']}, so no hour is better"
    if answer["flat"]:
        return "starts at once: the intensity is the same at all times"
    return f"starts at once: {answer['why']}"


def _later(spec: GreenSpec, answer: dict[str, Any]) -> str:
    promise = answer["promise"]
    if promise is None:
        return f"waits: {answer['why']}"
    start, end = promise["runs_ns"][0][0], promise["runs_ns"][-1][1]
    n = len(promise["runs_ns"]) - 1
    saving = answer["saving"]
    change = "" if saving is None else f", {100.0 * saving:.0f} % less carbon than at once"
    pauses = f" with {n} pause{'s' * (n != 1)}" if n else ""
    done = f", done by {_minute(end)}{pauses}" if spec.work_known else ""
    return f"starts {_minute(start)}{change}{done}"


def _minute(t_ns: int) -> str:
    return f"{format_instant(t_ns)[:16]}Z"
