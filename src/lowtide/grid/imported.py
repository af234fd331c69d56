"""Files put into the cache, as a source of their own: a provider that is never asked."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from lowtide.errors import InputError, NotCoveredError
from lowtide.grid.cache import Cache
from lowtide.grid.files import read_intensity_table
from lowtide.grid.registry import IMPORTED_PREFIX, is_imported
from lowtide.model.signal import Basis, Factors

if TYPE_CHECKING:
    from lowtide.doors import Conversation, Key, Query
    from lowtide.grid.intensity_table import FileNotes

__all__ = ["ImportedFile", "ImportedZone", "import_file", "imported_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedZone:
    """One zone that was put into the cache.

    Attributes
    ----------
    zone : str
        Its key in the cache.
    in_file : str or None
        Its name in the file.
    notes : FileNotes
        Rows, duplicates and missing steps.
    """

    zone: str
    in_file: str | None
    notes: FileNotes


@dataclass(slots=True, kw_only=True)
class ImportedFile:
    """An imported source, behind the door of providers: it has values and answers nothing."""

    name: str
    zones: frozenset[str]
    basis: Literal["average", "marginal"] = "average"
    title: str = "imported file"
    attribution: str = ""
    covers: str = "what was imported"
    offers: frozenset[str] = frozenset()
    keys: tuple[Key, ...] = field(default=())
    requests_per_s: float = 1.0

    def has(self, zone: str) -> bool:
        """Return whether values of a zone were imported."""
        return zone in self.zones

    def ask(self, query: Query) -> Conversation:
        """Refuse: a file is not asked.

        Raises
        ------
        NotCoveredError
        """
        raise NotCoveredError(f"has no {query.what} beyond what was imported", provider=self.name)


def import_file(
    path: str | os.PathLike[str],
    cache: Cache,
    *,
    now_ns: int,
    name: str | None = None,
    zone: str | None = None,
    basis: Basis | None = None,
    factors: Factors | None = None,
    column: str | None = None,
) -> tuple[str, tuple[ImportedZone, ...]]:
    """Put an intensity file into the cache; return the name of the source and its zones.

    Parameters
    ----------
    path : path-like
        A CSV or Parquet file as :func:`~lowtide.grid.files.read_intensity_table` reads it.
    cache : Cache
    now_ns : int
        The present [ns]: when the values were learnt.
    name : str, optional
        Of the source, ``file:`` before it; the file's name without its ending when left out.
    zone : str, optional
        Only this zone of the file, or the zone of a file that names none.
    basis, factors, column
        As for reading the file.

    Raises
    ------
    DataFileError, ZoneError
        As for reading the file.
    InputError
        If the file names no zone and none is given.
    """
    table = read_intensity_table(path, basis=basis, factors=factors, column=column)
    stem = os.path.splitext(os.path.basename(os.fspath(path)))[0]
    source = f"{IMPORTED_PREFIX}{(name or stem).removeprefix(IMPORTED_PREFIX)}"
    wanted = table.zones if zone is None else (_zone_of(table, zone),)
    imported = []
    for in_file in wanted:
        key = _key(in_file, zone, str(path))
        series = table.pick(key if in_file is None else in_file)
        series = replace(series, signal=replace(series.signal, zone=key))
        cache.put(source, series, fetched_ns=now_ns)
        imported.append(ImportedZone(zone=key, in_file=in_file, notes=table.notes[in_file]))
    return source, tuple(imported)


def _zone_of(table: Any, zone: str) -> str | None:
    """Return the zone of a file that was asked for, as the file writes it."""
    from lowtide.data.zones import resolve_zone
    from lowtide.grid.intensity_table import choose_zone

    return choose_zone(table.zones, zone, path=str(table.path), resolve=resolve_zone)


def _key(in_file: str | None, zone: str | None, path: str) -> str:
    """Return the key of a zone: lowtide's where the file's name means one, else the file's."""
    from lowtide.data.zones import resolve_zone
    from lowtide.errors import ZoneError

    written = in_file or zone
    if written is None:
        raise InputError(f"{path} names no zone; say whose values they are with --zone KEY")
    try:
        return resolve_zone(written)
    except ZoneError:
        return written


def imported_names(cache: Cache, zone: str, basis: str) -> list[str]:
    """Return the imported sources that have a zone on a basis."""
    keys = cache.series(zone, basis=basis)
    return list(dict.fromkeys(key.provider for key in keys if is_imported(key.provider)))
