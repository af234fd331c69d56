"""Finding parts by entry point: our own are listed in the same groups as everybody's."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUPS", "find_plugins"]

GROUPS = (
    "lowtide.sensors",
    "lowtide.providers",
    "lowtide.policies",
    "lowtide.executors",
    "lowtide.exporters",
)


def find_plugins(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, nothing loaded yet."""
    return dict(_points(group, tuple(sys.path)))


@functools.cache
def _points(group: str, _path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Return what is installed on a path; looking through all packages takes milliseconds, so it is done once."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=group)}
