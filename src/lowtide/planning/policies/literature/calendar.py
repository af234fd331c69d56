"""Until when people do not mind: the calendar rules of Wiesner et al. 2021 (Let's Wait Awhile)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Literal, get_args

__all__ = ["RULES", "Rule", "finish_by_ns"]

Rule = Literal["next-workday", "semi-weekly", "next-monday"]
RULES: Final[tuple[Rule, ...]] = get_args(Rule)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPENS, _CLOSES = time(9), time(17)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6


def finish_by_ns(finish_ns: int, rule: Rule, *, tz: tzinfo = UTC) -> int:
    """Return when a job must be done that, started at once, would be done at some instant.

    ``next-workday``: in working hours (Monday to Friday, 9:00 to 17:00, both included) nobody waits; else by
    9:00, of the same day before 9:00, of the next day after 17:00, of Monday at the weekend. The published
    code knows no Friday: who would be done on Friday evening must be done on Saturday at 9:00, and so here.
    ``semi-weekly`` and ``next-monday``: by the first Monday or Thursday, or Monday, at 9:00 from then on.

    Parameters
    ----------
    finish_ns : int
        When the job would be done [ns since 1970 UTC].
    rule : {"next-workday", "semi-weekly", "next-monday"}
    tz : tzinfo
        Whose clock and calendar count, like ``zoneinfo.ZoneInfo("Europe/Berlin")``. The paper used the time
        stamps of its data, which are UTC.

    Examples
    --------
    >>> hour_ns, friday_18h_ns = 3600 * 10**9, 1578074400 * 10**9  # 2020-01-03T18:00Z
    >>> (finish_by_ns(friday_18h_ns, "next-workday") - friday_18h_ns) / hour_ns
    15.0
    >>> (finish_by_ns(friday_18h_ns, "semi-weekly") - friday_18h_ns) / hour_ns
    63.0
    """
    # whole microseconds, upwards: a nanosecond after 17:00 is after 17:00
    local = (_EPOCH + timedelta(microseconds=-(-finish_ns // 1000))).astimezone(tz)
    if rule == "next-workday":
        days = _days_to_workday(local)
        return finish_ns if days is None else _nine_ns(local, days, tz)
    wanted = (_MONDAY,) if rule == "next-monday" else (_MONDAY, _THURSDAY)
    opens_later = int(local.time() > _OPENS)
    days = next(d for d in range(opens_later, 8) if (local.weekday() + d) % 7 in wanted)
    return max(finish_ns, _nine_ns(local, days, tz))


def _days_to_workday(local: datetime) -> int | None:
    """Return in how many days the deadline of next-workday is, None where nobody waits."""
    at_weekend = {_SATURDAY: 2, _SUNDAY: 1}.get(local.weekday())
    if at_weekend is not None:
        return at_weekend
    if local.time() > _CLOSES:
        return 1
    return None if local.time() >= _OPENS else 0


def _nine_ns(local: datetime, days: int, tz: tzinfo) -> int:
    """Return 9:00 by the local clock, some days later [ns]."""
    nine = datetime.combine(local.date() + timedelta(days=days), _OPENS, tzinfo=tz)
    return (nine - _EPOCH) // timedelta(microseconds=1) * 1000
