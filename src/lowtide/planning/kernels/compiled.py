"""The same kernels compiled, for work that is large; numba is imported when they are first asked for.

The k cheapest slots of a window that slides by one slot change by at most one, so it is enough to keep which
ranks are in the window (a set of bits with summaries, 64 to one) and the greatest rank that is chosen. Cost:
O(log n / 6) a start, 40 to 80 ns on one core of 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lowtide.errors import MissingExtraError
from lowtide.planning.kernels.pauses import RunCounter, count_runs
from lowtide.planning.kernels.ranked import Least, Ranking
from lowtide.planning.kernels.slots import BEYOND, LOWEST
from lowtide.series.steps import IntArray

__all__ = ["Compiled", "compiled"]

Words = npt.NDArray[np.uint64]

_ONE: Final = np.uint64(1)
_DE_BRUIJN: Final = np.uint64(0x03F79D71B4CB0A89)
"""Shifted left by i its six highest bits are different for each i: they find the place of a single bit."""
_PLACES: Final = np.zeros(64, dtype=np.int64)
for _i in range(64):
    _PLACES[((0x03F79D71B4CB0A89 << _i) & (2**64 - 1)) >> 58] = _i


class Compiled(NamedTuple):
    """Compiled kernels, equal to those beside which they stand.

    Attributes
    ----------
    slide : callable
        ``slide(ranks, n_slots, k, n_starts)``: the k cheapest slots of the windows of `n_slots` slots that
        start at slots 0, 1 ... ``n_starts - 1``, cut where the slots end.
    runs : RunCounter
        As :func:`~lowtide.planning.kernels.pauses.runs_each`.
    """

    slide: Callable[[Ranking, int, int, int], Least]
    runs: RunCounter


@cache
def compiled() -> Compiled:
    """Return the compiled kernels; the first call of each takes about a second.

    Raises
    ------
    MissingExtraError
        If numba is not installed.
    """
    try:
        import numba
    except ImportError as error:
        raise MissingExtraError("engine='numba'", extra="fast") from error
    jit = numba.njit(nogil=True)
    slide = _slider(jit)
    count = jit(count_runs)

    def runs(values: IntArray, until: IntArray, windows: IntArray, step_ns: int, out: IntArray) -> None:
        for i in range(len(out)):
            first, n_slots, rest_ns, duration_ns, threshold = windows[i]
            out[i] = count(values, until, first, n_slots, rest_ns, duration_ns, threshold, step_ns)

    fast_runs = jit(runs)

    def slide_all(ranks: Ranking, n_slots: int, k: int, n_starts: int) -> Least:
        total, last, following = (np.empty(n_starts, dtype=np.int64) for _ in range(3))
        bits, offsets = _empty_set(ranks.n_known + 1)
        slide(ranks.rank, ranks.values, ranks.n_known, bits, offsets, n_slots, k, total, last, following)
        return Least(total, last, following)

    def runs_all(values: IntArray, until: IntArray, first: IntArray, n_slots: IntArray, rest_ns: IntArray,
                 duration_ns: IntArray, threshold: IntArray, step_ns: int) -> IntArray:  # fmt: skip
        out = np.empty(len(first), dtype=np.int64)
        windows = np.column_stack((first, n_slots, rest_ns, duration_ns, threshold))
        fast_runs(values, until, windows, step_ns, out)
        return out

    return Compiled(slide_all, runs_all)


def _empty_set(greatest: int) -> tuple[Words, IntArray]:
    """Return the words of a set of numbers up to `greatest` and where each level of summaries starts."""
    sizes = [greatest // 64 + 1]
    while sizes[-1] > 1:
        sizes.append((sizes[-1] - 1) // 64 + 1)
    return np.zeros(sum(sizes), dtype=np.uint64), np.cumsum([0, *sizes[:-1]])


def _slider(jit: Callable[..., Any]) -> Any:
    """Return the compiled loop over the starts."""

    def lowest(word: Any) -> Any:
        return _PLACES[((word & (~word + _ONE)) * _DE_BRUIJN) >> np.uint64(58)]

    def highest(word: Any) -> Any:
        for shift in (1, 2, 4, 8, 16, 32):
            word |= word >> np.uint64(shift)
        return _PLACES[((word ^ (word >> _ONE)) * _DE_BRUIJN) >> np.uint64(58)]

    low, high = jit(lowest), jit(highest)

    def insert(bits: Words, offsets: IntArray, number: int) -> None:
        for offset in offsets:
            word = number >> 6
            was_empty = bits[offset + word] == 0
            bits[offset + word] |= _ONE << np.uint64(number & 63)
            if not was_empty:
                break
            number = word

    def remove(bits: Words, offsets: IntArray, number: int) -> None:
        for offset in offsets:
            word = number >> 6
            bits[offset + word] &= ~(_ONE << np.uint64(number & 63))
            if bits[offset + word] != 0:
                break
            number = word

    def below(bits: Words, offsets: IntArray, number: int) -> int:
        """Return the greatest number of the set below `number`, 0 if there is none."""
        for level in range(len(offsets)):
            word = number >> 6
            found = bits[offsets[level] + word] & ((_ONE << np.uint64(number & 63)) - _ONE)
            if found != 0:
                number = (word << 6) + high(found)
                for lower in range(level - 1, -1, -1):
                    number = (number << 6) + high(bits[offsets[lower] + number])
                return number
            number = word
        return 0

    def above(bits: Words, offsets: IntArray, number: int, none: int) -> int:
        """Return the least number of the set above `number`, `none` if there is none."""
        for level in range(len(offsets)):
            word = number >> 6
            found = (bits[offsets[level] + word] >> np.uint64(number & 63)) >> _ONE
            if found != 0:
                number = number + 1 + low(found)
                for lower in range(level - 1, -1, -1):
                    number = (number << 6) + low(bits[offsets[lower] + number])
                return number
            number = word
        return none

    put, take, previous, following_of = jit(insert), jit(remove), jit(below), jit(above)

    def slide(rank: IntArray, values: IntArray, n_known: int, bits: Words, offsets: IntArray, n_slots: int,
              k: int, total: IntArray, last: IntArray, following: IntArray) -> None:  # fmt: skip
        # slots are numbered by rank from 1; chosen are the n_chosen <= k least in the window, top the last of
        # them (0: none) and after_top the next one in the window (none: there is none)
        none = n_known + 1
        n_chosen, top, chosen_sum = 0, 0, 0
        for start in range(1 - n_slots, len(total)):
            new = rank[start + n_slots - 1] + 1 if start + n_slots <= len(rank) else none
            if new < none:
                put(bits, offsets, new)
                if n_chosen < k:
                    n_chosen += 1
                    chosen_sum += values[new - 1]
                    top = max(top, new)
                elif new < top:
                    chosen_sum += values[new - 1] - values[top - 1]
                    top = previous(bits, offsets, top)
            if start < 0:
                continue
            after_top = following_of(bits, offsets, top, none)
            total[start] = chosen_sum
            if k == 0:
                last[start] = LOWEST
            else:
                last[start] = values[top - 1] if n_chosen == k else BEYOND
            following[start] = values[after_top - 1] if after_top < none else BEYOND
            old = rank[start] + 1
            if old < none:
                take(bits, offsets, old)
                if old <= top and after_top < none:
                    chosen_sum += values[after_top - 1] - values[old - 1]
                    top = after_top
                elif old <= top:
                    n_chosen -= 1
                    chosen_sum -= values[old - 1]
                    top = previous(bits, offsets, top) if old == top else top

    return jit(slide)
