"""Lowtide inside training frameworks: a callback for each, and sinks that carry its figures to trackers.

Nothing here is imported unless asked for by name (``from lowtide.integrations.lightning import LowtideCallback``), and
no framework is a dependency. A callback measures on every rank and logs on the first; it raises nothing into training.
"""
