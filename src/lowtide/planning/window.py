"""From a window to cells: the stretches of time in which nothing changes, and where a run may start.

Decision instants are the window's start and then every edge of a site's intensity, or the instants of a
slot grid anchored at the window's start. Runs start and resume only there; they may stop at any instant.
Cells are finer: they end wherever anything changes for any site, so that every cost is linear inside one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lowtide.arrays import FloatArray, IntArray
from lowtide.errors import InputError
from lowtide.model.planning import Window
from lowtide.planning.sites import SiteOption
from lowtide.series import steps
from lowtide.units import NS_PER_S

__all__ = ["BoolArray", "Cells", "cut", "decision_instants", "known_hours"]

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """A window cut where anything changes.

    Attributes
    ----------
    edges_ns : int64 array, shape (n + 1,)
        From the window's start to its deadline [ns].
    width_ns : int64 array, shape (n,)
    intensity : float64 array, shape (n_sites, n)
        Grams per kilowatt-hour at the node, PUE included; NaN is unknown, or before the data have arrived.
    may_start : bool array, shape (n_sites, n)
        Whether a run may start or resume where the cell begins.
    """

    edges_ns: IntArray
    width_ns: IntArray
    intensity: FloatArray
    may_start: BoolArray

    @property
    def n(self) -> int:
        """Number of cells."""
        return len(self.width_ns)

    @property
    def width_s(self) -> FloatArray:
        """Lengths of the cells [s]."""
        return self.width_ns / NS_PER_S

    def index_of(self, t_ns: IntArray) -> IntArray:
        """Return the index of each instant among the edges; all of them must be edges."""
        return np.searchsorted(self.edges_ns, t_ns)

    def areas(self, site: int) -> FloatArray:
        """Return the integral of a site's intensity from the first edge to each edge, unknown as 0.

        Shape (n + 1,), in [g/kWh * s].
        """
        areas = np.nan_to_num(self.intensity[site]) * self.width_s
        return np.concatenate(([0.0], np.cumsum(areas)))

    def n_unknown(self, site: int) -> IntArray:
        """Return the number of unknown cells before each edge, shape (n + 1,)."""
        unknown = np.isnan(self.intensity[site])
        return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(unknown)))


def decision_instants(site: SiteOption, window: Window, *, slot_s: float | None = None) -> IntArray:
    """Return the instants at which a run may start or resume at a site [ns], increasing.

    Where data must travel to the site first, the instant of their arrival takes the place of the start.

    Parameters
    ----------
    site : SiteOption
    window : Window
    slot_s : float, optional
        Spacing of a grid anchored at the window's start [s]; without it every edge of the intensity.

    Raises
    ------
    InputError
        If the spacing is not positive.
    """
    start, deadline = window.start_ns, window.deadline_ns
    ready = start if site.not_before_ns is None else max(start, site.not_before_ns)
    if slot_s is not None:
        if not slot_s >= 1e-9:
            raise InputError(f"a slot must be longer than 0, got {slot_s:g} s")
        grid = np.arange(start, deadline, round(slot_s * NS_PER_S), dtype=np.int64)
        return grid[grid >= ready]
    edges = site.intensity.edges_ns
    inside = edges[(edges > ready) & (edges < deadline)]
    return np.concatenate((np.array([ready] if ready < deadline else [], dtype=np.int64), inside))


def cut(
    sites: Sequence[SiteOption],
    window: Window,
    *,
    slot_s: float | None = None,
    after_ns: int = 0,
    before_ns: int = 0,
) -> Cells:
    """Return the cells of a window for some sites.

    Parameters
    ----------
    sites, window, slot_s
        As in :func:`decision_instants`.
    after_ns, before_ns : int
        Cells also end this long after and before every decision instant [ns]: where a resume that
        begins there is over, where a move that arrives there must leave.

    Notes
    -----
    Cost: O(n log n) in the edges of all intensities inside the window.
    """
    instants = [decision_instants(site, window, slot_s=slot_s) for site in sites]
    marks = [np.array([window.start_ns, window.deadline_ns], dtype=np.int64), *instants]
    marks += [site.intensity.edges_ns for site in sites]
    marks += [
        np.array([site.not_before_ns], dtype=np.int64) for site in sites if site.not_before_ns is not None
    ]
    if after_ns:
        marks += [t + after_ns for t in instants]
    if before_ns:
        marks += [t - before_ns for t in instants]
    edges = np.unique(np.concatenate(marks))
    edges = edges[(edges >= window.start_ns) & (edges <= window.deadline_ns)]
    return Cells(
        edges_ns=edges,
        width_ns=np.diff(edges),
        intensity=np.stack([_intensity_at(site, edges[:-1]) for site in sites]),
        may_start=np.stack([_among(edges[:-1], t) for t in instants]),
    )


def _intensity_at(site: SiteOption, t_ns: IntArray) -> FloatArray:
    series = site.intensity
    found = steps.at(series.edges_ns, series.intensity_g_per_kwh, t_ns) * site.overhead
    return found if site.not_before_ns is None else np.where(t_ns >= site.not_before_ns, found, np.nan)


def _among(t_ns: IntArray, instants: IntArray) -> BoolArray:
    """Return which of sorted instants are in a sorted subset of them."""
    found = np.zeros(len(t_ns), dtype=np.bool_)
    found[np.searchsorted(t_ns, instants)] = True
    return found


def known_hours(cells: Cells, site: int) -> float:
    """Return for how much of the window a site's intensity is known [h]."""
    known = ~np.isnan(cells.intensity[site])
    return float(cells.width_s[known].sum()) / 3600.0
