"""When a job that saves and leaves was running and did no work that lasts: while it saved, and while it loaded.

The bill cuts these stretches out of the work, since running at once would have had none of them. What a job works on
between being asked and its save counts as saving too: what it is said to have saved in grams is then too little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lowtide.units import ns_from_s

__all__ = ["overheads_ns"]

Span = tuple[int, int]


def overheads_ns(
    runs: Sequence[Sequence[int | None]],
    runs_ns: Sequence[Span],
    *,
    pauses: Sequence[Mapping[str, Any]],
    ready_s: Sequence[float],
) -> tuple[Span, ...]:
    """Return the stretches of saving and loading by the wall clock [ns], in order of time.

    Parameters
    ----------
    runs : sequence of (start, end or None)
        When it ran, by the clock of the boot [ns].
    runs_ns : sequence of (start, end)
        The same by the wall clock, without stretches of no length.
    pauses : sequence of mapping
        ``asked_ns`` by the clock of the boot, and ``effect_s`` until it had left; None where it did not.
    ready_s : sequence of float
        From each start to the first word of the job [s]; the first start is no resume.

    Examples
    --------
    >>> s = 10**9
    >>> told = [{"asked_ns": 8 * s, "effect_s": 2.0}]
    >>> [(a // s, b // s) for a, b in overheads_ns([[0, 10 * s], [50 * s, None]], [(100 * s, 110 * s),
    ...  (150 * s, 160 * s)], pauses=told, ready_s=[1.0, 3.0])]
    [(108, 110), (150, 153)]
    """
    kept = [(start, end) for start, end in runs if start is not None and (end is None or end > start)]
    saved = [int(p["asked_ns"]) + ns_from_s(p["effect_s"]) for p in pauses if p["effect_s"]]
    lengths = [ns_from_s(p["effect_s"]) for p in pauses if p["effect_s"]]
    found: list[Span] = []
    for i, ((_, left_ns), (start_ns, end_ns)) in enumerate(zip(kept, runs_ns, strict=False)):
        ready_ns = ns_from_s(ready_s[i]) if 0 < i < len(ready_s) else 0
        loaded_ns = min(start_ns + ready_ns, end_ns)
        if loaded_ns > start_ns:
            found.append((start_ns, loaded_ns))
        # A stretch ends within microseconds of the save that ended it; the two are written apart.
        took_ns = next(
            (n for t, n in zip(saved, lengths, strict=True) if left_ns and abs(t - left_ns) < 10**8), 0
        )
        if end_ns > max(loaded_ns, end_ns - took_ns):
            found.append((max(loaded_ns, end_ns - took_ns), end_ns))
    return tuple(found)
