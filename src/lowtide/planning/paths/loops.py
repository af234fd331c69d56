"""The loops of :mod:`~lowtide.planning.paths.labels` in a form that can be compiled; same labels, same joins."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cheapest_join", "join", "label"]


def label(tail: Any, work: Any, cost: Any, tie: Any, first: Any, price: Any, rest: Any, work_ns: int,
          ceiling: float, tolerance: float, most_at_node: int) -> Any:  # fmt: skip
    """Return the columns of :class:`~lowtide.planning.paths.labels.Labels`.

    The arcs into a node bring lists sorted by work, which are merged; of the labels with the same work the
    cheapest is kept, of least tie among those within the tolerance.
    """
    n_nodes = len(first) - 1
    n_prices = len(price)
    room = 1024
    l_work, l_cost = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float64)
    l_tie, l_arc = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    l_before, l_bound = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float64)
    start = np.zeros(n_nodes + 1, dtype=np.int64)
    l_work[0], l_cost[0], l_tie[0], l_arc[0], l_before[0] = 0, 0.0, 0, -1, -1
    n, least_dropped = 1, np.inf
    start[1] = 1
    widest = 1
    for node in range(n_nodes):
        widest = max(widest, first[node + 1] - first[node])
    at, until = np.empty(widest, dtype=np.int64), np.empty(widest, dtype=np.int64)
    for node in range(1, n_nodes):
        n_lists, n_most = first[node + 1] - first[node], 0
        for k in range(n_lists):
            t = tail[first[node] + k]
            at[k], until[k] = start[t], start[t + 1]
            n_most += until[k] - at[k]
        if n + n_most > room:
            room = 2 * (n + n_most)
            for_work, for_cost, for_tie = l_work, l_cost, l_tie
            for_arc, for_before, for_bound = l_arc, l_before, l_bound
            l_work, l_cost = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float64)
            l_tie, l_arc = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
            l_before, l_bound = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float64)
            l_work[:n], l_cost[:n], l_tie[:n] = for_work[:n], for_cost[:n], for_tie[:n]
            l_arc[:n], l_before[:n], l_bound[:n] = for_arc[:n], for_before[:n], for_bound[:n]
        begin = n
        while True:
            least, found = 0, False
            for k in range(n_lists):
                if at[k] < until[k]:
                    reached = l_work[at[k]] + work[first[node] + k]
                    if not found or reached < least:
                        least, found = reached, True
            if not found:
                break
            cheapest = np.inf
            for k in range(n_lists):
                a = first[node] + k
                if at[k] < until[k] and l_work[at[k]] + work[a] == least:
                    cheapest = min(cheapest, l_cost[at[k]] + cost[a])
            chosen, chosen_tie = -1, 0
            for k in range(n_lists):
                a = first[node] + k
                if at[k] < until[k] and l_work[at[k]] + work[a] == least:
                    tied = l_tie[at[k]] + tie[a]
                    if l_cost[at[k]] + cost[a] <= cheapest + tolerance and (chosen < 0 or tied < chosen_tie):
                        chosen, chosen_tie = k, tied
            a = first[node] + chosen
            here = l_cost[at[chosen]] + cost[a]
            bound, room_left = -np.inf, ceiling - here
            for p in range(n_prices):
                bound = max(bound, rest[node, p] + price[p] * (work_ns - least))
                if bound > room_left:
                    break
            bound += here
            if bound <= ceiling:
                l_work[n], l_cost[n], l_tie[n], l_bound[n] = least, here, chosen_tie, bound
                l_arc[n], l_before[n] = a, at[chosen]
                n += 1
            for k in range(n_lists):
                if at[k] < until[k] and l_work[at[k]] + work[first[node] + k] == least:
                    at[k] += 1
        if n - begin > most_at_node:
            order = np.argsort(l_bound[begin:n], kind="mergesort")
            least_dropped = min(least_dropped, l_bound[begin + order[most_at_node]])
            kept = begin + np.sort(order[:most_at_node])
            for i in range(most_at_node):
                k = kept[i]
                l_work[begin + i], l_cost[begin + i], l_tie[begin + i] = l_work[k], l_cost[k], l_tie[k]
                l_arc[begin + i], l_before[begin + i] = l_arc[k], l_before[k]
            n = begin + most_at_node
        start[node + 1] = n
    return (start, l_work[:n], l_cost[:n], l_tie[:n], l_arc[:n], l_before[:n], least_dropped)


def join(f_start: Any, f_work: Any, f_cost: Any, f_tie: Any, b_start: Any, b_work: Any, b_cost: Any,
         b_tie: Any, tail: Any, head: Any, low: Any, high: Any, fixed: Any, rate: Any, tie: Any,
         n_nodes: int, work_ns: int, tolerance: float) -> Any:  # fmt: skip
    """Return the fields of the best :class:`~lowtide.planning.paths.labels.Join`; cost inf where none fits."""
    cost, best_tie, flexible, done, before, after = np.inf, 0, -1, 0, 0, 0
    for i in range(f_start[n_nodes - 1], f_start[n_nodes]):
        if f_work[i] == work_ns:
            cost, best_tie, before = f_cost[i], f_tie[i], i
    for f in range(len(tail)):
        first, last = b_start[n_nodes - 1 - head[f]], b_start[n_nodes - head[f]]
        # the cheapest pair of this arc first, so that equal costs are judged against it and not in a row
        least = np.inf
        for cheapest_only in (True, False):
            own_tie, own_i, own_k = -1, -1, -1
            for i in range(f_start[tail[f]], f_start[tail[f] + 1]):
                missing = work_ns - f_work[i]
                k = first + np.searchsorted(b_work[first:last], missing - high[f], side="right")
                while k < last and missing - b_work[k] > low[f]:
                    here = f_cost[i] + b_cost[k] + (fixed[f] + rate[f] * (missing - b_work[k]))
                    if cheapest_only:
                        least = min(least, here)
                    elif here <= least + tolerance and (own_i < 0 or f_tie[i] + b_tie[k] < own_tie):
                        own_tie, own_i, own_k = f_tie[i] + b_tie[k], i, k
                    k += 1
            if cheapest_only and least == np.inf:
                break
            if own_i >= 0:
                amount = work_ns - f_work[own_i] - b_work[own_k]
                here = f_cost[own_i] + b_cost[own_k] + (fixed[f] + rate[f] * amount)
                tied = own_tie + tie[f]
                if here < cost - tolerance or (here <= cost + tolerance and tied < best_tie):
                    cost, best_tie, flexible, done, before, after = here, tied, f, amount, own_i, own_k
    return cost, best_tie, flexible, done, before, after


def cheapest_join(tail: Any, head: Any, work: Any, cost: Any, f_tail: Any, f_head: Any, low: Any, high: Any,
                  f_cost: Any, rate: Any, plain: Any, flexible: Any, done: Any, cost_to: Any, to_do: Any,
                  cost_from: Any, work_ns: int) -> Any:  # fmt: skip
    """Return (cost, arc, work on it) of the cheapest join of two trees by one arc; inf where none fits."""
    least, arc, amount = np.inf, 0, 0
    for a in plain:
        if done[tail[a]] + to_do[head[a]] + work[a] == work_ns:
            here = cost_to[tail[a]] + cost_from[head[a]] + cost[a]
            if here < least:
                least, arc = here, a
    for f in flexible:
        missing = work_ns - done[f_tail[f]] - to_do[f_head[f]]
        if low[f] < missing < high[f]:
            here = cost_to[f_tail[f]] + cost_from[f_head[f]] + (f_cost[f] + rate[f] * missing)
            if here < least:
                least, arc, amount = here, len(tail) + f, missing
    return least, arc, amount
