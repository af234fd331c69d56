"""All zones of an intensity file, what was noticed while reading them, and choosing one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lowtide.errors import LowtideError, ZoneError, near_matches
from lowtide.series.types import IntensitySeries

__all__ = ["FileNotes", "IntensityTable", "Resolve", "choose_zone", "named"]

Resolve = Callable[[str], str | None]
"""From a zone as somebody writes it to its usual key, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNotes:
    """What was noticed while reading one zone of a file.

    Attributes
    ----------
    n_rows : int
        Rows with a value.
    n_duplicates : int
        Rows merged into an earlier one of the same instant.
    n_missing_steps : int
        Steps without a value: empty cells, and stamps that would have fit into holes.
    step_s : float
        The most frequent step [s].
    n_step_changes : int
        How often the step changes for good (half hours, then quarter hours: once).
    """

    n_rows: int
    n_duplicates: int
    n_missing_steps: int
    step_s: float
    n_step_changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityTable:
    """The zones of one intensity file.

    Attributes
    ----------
    path : Path
        The file.
    series : mapping of str or None to IntensitySeries
        One a zone, in the order of the file; the key is None when the file names no zone.
    notes : mapping of str or None to FileNotes
        What was noticed, under the same keys.
    """

    path: Path
    series: Mapping[str | None, IntensitySeries]
    notes: Mapping[str | None, FileNotes]

    @property
    def zones(self) -> tuple[str | None, ...]:
        """The zones of the file, in its order."""
        return tuple(self.series)

    def pick(self, zone: str | None = None, *, resolve: Resolve | None = None) -> IntensitySeries:
        """Return one zone.

        Parameters
        ----------
        zone : str, optional
            Its key; not needed when the file has one zone.
        resolve : callable, optional
            Turns an alias into a key; tried when the file has no zone of that name.

        Raises
        ------
        ZoneError
            If there is no such zone, or several and none was named.
        """
        chosen = choose_zone(self.zones, zone, path=str(self.path), resolve=resolve)
        return named(self.series[chosen], zone)


def named(series: IntensitySeries, zone: str | None) -> IntensitySeries:
    """Return a series that knows no zone as that of `zone`, any other unchanged."""
    if series.signal.zone is not None or zone is None:
        return series
    return replace(series, signal=replace(series.signal, zone=zone))


def choose_zone(
    zones: Sequence[str | None], zone: str | None, *, path: str, resolve: Resolve | None = None
) -> str | None:
    """Return which zone of a file is meant.

    A file that names no zone is that of the zone asked for. A name the file has comes first, then
    the only zone of the file that `resolve` takes to the same key.

    Raises
    ------
    ZoneError
        If there is no such zone, or several and none was named.
    """
    keys = [z for z in zones if z is not None]
    if not keys:
        return None
    if zone is None:
        if len(keys) == 1:
            return keys[0]
        raise ZoneError(f"{path} has {len(keys)} zones; say which: {', '.join(keys)}")
    if zone in keys:
        return zone
    same = [z for z in keys if _same(z, zone, resolve)]
    if len(same) == 1:
        return same[0]
    near = near_matches(zone, keys) if not same else ""
    what = f"{zone} could be {' or '.join(same)}" if same else f"no zone {zone!r}"
    raise ZoneError(f"{what} in {path}{near or ';'} it has {', '.join(keys)}")


def _same(file_zone: str, zone: str, resolve: Resolve | None) -> bool:
    """Return whether both resolve to one key; what cannot be resolved stands for itself."""
    if resolve is None:
        return file_zone.casefold() == zone.casefold()
    return _resolved(file_zone, resolve).casefold() == _resolved(zone, resolve).casefold()


def _resolved(zone: str, resolve: Resolve) -> str:
    try:
        return resolve(zone) or zone
    except LowtideError:
        return zone
