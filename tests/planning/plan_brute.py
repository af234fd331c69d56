"""Plans found by trying everything, written without any of the planner's code; for a few cells only.

What is tried: every cell fully used, not used, or (at most one of them) used in part from its start on. For
costs that are not negative no plan in continuous time is cheaper than the best of these: with the pattern
fixed the amounts are a linear program with one equality.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a job draws and what interrupting it costs: watts, joules, seconds; `second_cost` counts until the end."""

    power_w: float = 100.0
    resume_j: float = 0.0
    resume_s: float = 0.0
    idle_w: float = 0.0
    max_pauses: int | None = None
    move_j: float = 0.0
    move_s: float = 0.0
    second_cost: float = 0.0


@dataclass(frozen=True)
class Best:
    """The cheapest plan: cost [g/kWh * J], start [s], interruptions, moves."""

    cost: float
    start: float
    n_pauses: int
    n_moves: int = 0

    def loses_to(self, other: Best, tolerance: float) -> bool:
        if other.cost < self.cost - tolerance:
            return True
        key = (other.start, other.n_pauses, other.n_moves)
        return other.cost <= self.cost + tolerance and key < (self.start, self.n_pauses, self.n_moves)


def _better(best: Best | None, found: Best | None, tolerance: float) -> Best | None:
    return found if found is not None and (best is None or best.loses_to(found, tolerance)) else best


def cheapest_with_pauses(
    intensity: Sequence[float], width_s: Sequence[float], work_s: float, costs: Costs
) -> Best | None:
    """Return the cheapest way to run in some of the cells of one site, None where there is none."""
    best: Best | None = None
    for pattern in itertools.product((False, True), repeat=len(width_s)):
        full = [w if used else 0.0 for used, w in zip(pattern, width_s, strict=True)]
        best = _better(best, _priced(intensity, width_s, full, work_s, costs), 1e-9)
        for j, used in enumerate(pattern):
            if used:
                continue
            n_runs = len(_runs(width_s, [*full[:j], 1e-9, *full[j + 1 :]]))
            part = work_s + costs.resume_s * (n_runs - 1) - sum(full)
            if 1e-9 < part < width_s[j] - 1e-9:
                on = [*full[:j], part, *full[j + 1 :]]
                best = _better(best, _priced(intensity, width_s, on, work_s, costs), 1e-9)
    return best


def _runs(width_s: Sequence[float], on_s: Sequence[float]) -> list[tuple[float, float]]:
    """Return (start, end) of every run, from how long each cell is used from its start on."""
    found: list[tuple[float, float]] = []
    start = 0.0
    for width, on in zip(width_s, on_s, strict=True):
        if on > 0.0:
            if found and found[-1][1] == start:
                found[-1] = (found[-1][0], start + on)
            else:
                found.append((start, start + on))
        start += width
    return found


def _integral(intensity: Sequence[float], width_s: Sequence[float], a: float, b: float) -> float:
    total, start = 0.0, 0.0
    for c, width in zip(intensity, width_s, strict=True):
        inside = min(b, start + width) - max(a, start)
        total += c * inside if inside > 0.0 else 0.0
        start += width
    return total


def _priced(
    intensity: Sequence[float], width_s: Sequence[float], on_s: Sequence[float], work_s: float, costs: Costs
) -> Best | None:
    runs = _runs(width_s, on_s)
    if not runs or (costs.max_pauses is not None and len(runs) - 1 > costs.max_pauses):
        return None
    if any(end - start <= costs.resume_s for start, end in runs[1:]):
        return None
    done = sum(end - start for start, end in runs) - costs.resume_s * (len(runs) - 1)
    if abs(done - work_s) > 1e-9:
        return None
    cost = sum(costs.power_w * _integral(intensity, width_s, *run) for run in runs)
    edges = np.concatenate(([0.0], np.cumsum(width_s)))
    for start, _ in runs[1:]:
        if costs.resume_s:
            over = _integral(intensity, width_s, start, start + costs.resume_s)
            cost += costs.resume_j / costs.resume_s * over
        elif costs.resume_j:
            cost += costs.resume_j * intensity[int(np.searchsorted(edges, start))]
    if costs.second_cost:
        cost += costs.second_cost * runs[-1][1]
    if costs.idle_w:
        for (_, end), (start, _) in itertools.pairwise(runs):
            cost += costs.idle_w * _integral(intensity, width_s, end, start)
    return None if math.isnan(cost) else Best(cost, runs[0][0], len(runs) - 1)


Menu = Sequence[tuple[float, float]]
State = tuple[int, int] | None
"""Off, or (site, point)."""


@dataclass(frozen=True)
class _Part:
    """A cell used in part: then off, or shared with a quicker point."""

    cell: int
    quicker: int | None


def cheapest_anywhere(
    intensity: Sequence[Sequence[float]], cell_s: float, menus: Sequence[Menu], work_s: float, costs: Costs
) -> Best | None:
    """Return the cheapest plan over sites and points, on equal cells; times of resumes and moves are whole cells."""
    n = len(intensity[0])
    states: list[State] = [None, *((z, k) for z, menu in enumerate(menus) for k in range(len(menu)))]
    best: Best | None = None
    for pattern in itertools.product(states, repeat=n):
        for part in _parts(pattern, menus):
            found = _priced_anywhere(intensity, cell_s, menus, work_s, costs, pattern, part)
            best = _better(best, found, 1e-7)
    return best


def _parts(pattern: Sequence[State], menus: Sequence[Menu]) -> list[_Part | None]:
    found: list[_Part | None] = [None]
    for j, state in enumerate(pattern):
        if state is not None:
            menu = menus[state[0]]
            found.append(_Part(j, None))
            found += [_Part(j, k) for k in range(len(menu)) if menu[k][0] > menu[state[1]][0]]
    return found


def _episodes(pattern: Sequence[State], part: _Part | None) -> list[tuple[int, int, int]]:
    """Return (site, first cell, cell after the last) of every run in one place."""
    found: list[tuple[int, int, int]] = []
    for j, state in enumerate(pattern):
        if state is None:
            continue
        stopped = part is not None and part.quicker is None and part.cell == j - 1
        if found and found[-1][2] == j and found[-1][0] == state[0] and not stopped:
            found[-1] = (*found[-1][:2], j + 1)
        else:
            found.append((state[0], j, j + 1))
    return found


def _priced_anywhere(
    intensity: Sequence[Sequence[float]],
    cell_s: float,
    menus: Sequence[Menu],
    work_s: float,
    costs: Costs,
    pattern: Sequence[State],
    part: _Part | None,
) -> Best | None:
    episodes = _episodes(pattern, part)
    if not episodes or (costs.max_pauses is not None and len(episodes) - 1 > costs.max_pauses):
        return None
    warm = round(costs.resume_s / cell_s)
    work = cost = 0.0
    n_moves = 0
    for i, (z, first, after) in enumerate(episodes):
        cold = warm if i else 0
        if after - first <= cold or (part is not None and first <= part.cell < first + cold):
            return None
        if any(pattern[j] != (z, 0) for j in range(first, first + cold)):
            return None
        cost += sum(intensity[z][j] * menus[z][0][1] * cell_s for j in range(first, first + cold))
        for j in range(first + cold, after):
            throughput, power_w = menus[z][pattern[j][1]]  # type: ignore[index]
            if part is None or part.cell != j:
                cost += intensity[z][j] * power_w * cell_s
                work += throughput * cell_s
        if i:
            between = _between(intensity, cell_s, costs, episodes[i - 1], (z, first, after), part)
            if between is None:
                return None
            cost += between
            n_moves += episodes[i - 1][0] != z
    if part is None:
        done = abs(work - work_s) <= 1e-9
    else:
        last = part.cell >= episodes[-1][1]
        more = _part_cost(intensity, cell_s, menus, work_s - work, costs, pattern, part, last)
        done = more is not None
        cost += more or 0.0
    if costs.second_cost:
        end = episodes[-1][2] * cell_s
        if part is not None and part.quicker is None and part.cell == episodes[-1][2] - 1:
            throughput = menus[pattern[part.cell][0]][pattern[part.cell][1]][0]  # type: ignore[index]
            end += (work_s - work) / throughput - cell_s
        cost += costs.second_cost * end
    if not done or math.isnan(cost):
        return None
    return Best(cost, episodes[0][1] * cell_s, len(episodes) - 1, n_moves)


def _between(
    intensity: Sequence[Sequence[float]],
    cell_s: float,
    costs: Costs,
    before: tuple[int, int, int],
    after: tuple[int, int, int],
    part: _Part | None,
) -> float | None:
    """Return what an interruption costs, None where it is none or does not fit."""
    was, stop, z, start = before[0], before[2], after[0], after[1]
    move = round(costs.move_s / cell_s)
    cost = costs.idle_w * sum(intensity[was][j] for j in range(stop, start)) * cell_s if costs.idle_w else 0.0
    warm = round(costs.resume_s / cell_s)
    if warm:
        cost += (
            costs.resume_j
            / costs.resume_s
            * sum(intensity[z][j] for j in range(start, start + warm))
            * cell_s
        )
    elif costs.resume_j:
        cost += costs.resume_j * intensity[z][start]
    if was == z:
        stopped_inside = part is not None and part.quicker is None and part.cell == stop - 1
        return None if stop == start and not stopped_inside else cost
    if start - move < max(stop, 1):
        return None
    if move and costs.move_j:
        cost += (
            costs.move_j / costs.move_s * sum(intensity[z][j] for j in range(start - move, start)) * cell_s
        )
    elif costs.move_j:
        cost += costs.move_j * intensity[z][start]
    return cost


def _part_cost(
    intensity: Sequence[Sequence[float]],
    cell_s: float,
    menus: Sequence[Menu],
    missing_s: float,
    costs: Costs,
    pattern: Sequence[State],
    part: _Part,
    last: bool,
) -> float | None:
    """Return the cost of the cell used in part so that it does the missing work, None where it cannot."""
    z, k = pattern[part.cell]  # type: ignore[misc]
    c, (throughput, power_w) = intensity[z][part.cell], menus[z][k]
    if part.quicker is None:
        if not 1e-9 < missing_s < throughput * cell_s - 1e-9:
            return None
        on_s = missing_s / throughput
        return c * (power_w * on_s + (0.0 if last else costs.idle_w * (cell_s - on_s)))
    quick, quick_w = menus[z][part.quicker]
    if not throughput * cell_s + 1e-9 < missing_s < quick * cell_s - 1e-9:
        return None
    quick_s = (missing_s - throughput * cell_s) / (quick - throughput)
    return c * (quick_w * quick_s + power_w * (cell_s - quick_s))


def cheapest_with_profile(
    intensity: Sequence[float], width_s: Sequence[int], step_s: int, profile: tuple[list[float], list[float]],
    costs: Costs,
) -> float | None:  # fmt: skip
    """Return the cost of the cheapest plan whose stops are multiples of a step, power following the work done."""
    edges = [0, *itertools.accumulate(width_s)]
    best = None
    for on_s in itertools.product(*(range(0, width + 1, step_s) for width in width_s)):
        runs = _runs([float(w) for w in width_s], [float(on) for on in on_s])
        if not runs or any(end - start <= costs.resume_s for start, end in runs[1:]):
            continue
        if sum(end - start for start, end in runs) - costs.resume_s * (len(runs) - 1) != profile[0][-1]:
            continue
        cost = _profile_cost(intensity, width_s, edges, runs, profile, costs)
        if not math.isnan(cost) and (best is None or cost < best):
            best = cost
    return best


def _profile_cost(
    intensity: Sequence[float], width_s: Sequence[int], edges: Sequence[int], runs: list[tuple[float, float]],
    profile: tuple[list[float], list[float]], costs: Costs,
) -> float:  # fmt: skip
    cost = done = 0.0
    for i, (start, end) in enumerate(runs):
        if i:
            over = _integral(intensity, width_s, start, start + costs.resume_s)
            cost += over * (costs.power_w + costs.resume_j / costs.resume_s) if costs.resume_s else 0.0
            if costs.resume_j and not costs.resume_s:
                cost += costs.resume_j * intensity[edges.index(round(start))]
            if costs.idle_w:
                cost += costs.idle_w * _integral(intensity, width_s, runs[i - 1][1], start)
            start += costs.resume_s
        for c, a, b in zip(intensity, edges, edges[1:], strict=False):
            low, high = max(start, a), min(end, b)
            if high > low:
                cost += c * _energy(profile, done, done + high - low)
                done += high - low
    return cost


def _energy(profile: tuple[list[float], list[float]], a: float, b: float) -> float:
    at, power_w = profile
    steps = zip(at, at[1:], power_w, strict=False)
    return sum(p * max(0.0, min(b, y) - max(a, x)) for x, y, p in steps)
