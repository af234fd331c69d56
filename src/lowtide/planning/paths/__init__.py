"""Cheapest path of an exact length: the one problem behind every policy that may pause, move or scale.

* :mod:`~lowtide.planning.paths.graph`: the problem: a graph in time whose arcs do work at a cost.
* :mod:`~lowtide.planning.paths.relax`: a price on work turns it into plain shortest paths and a lower bound.
* :mod:`~lowtide.planning.paths.labels`: the exact answer, by dynamic programming over what the bound leaves.
* :mod:`~lowtide.planning.paths.solve`: the three in their order.
"""
