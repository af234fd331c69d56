"""When a run has left the machine: between a checkpoint and the next start it has no part of anything that idles."""

from __future__ import annotations

import numpy as np

from lowtide.arrays import FloatArray, IntArray
from lowtide.model.record import Record

__all__ = ["away_edges_ns", "present_fraction"]


def away_edges_ns(record: Record) -> IntArray:
    """Return the instants at which a run left and came back, in turn [ns], shape (2 n,); none where it stayed.

    A frozen job has not left: it holds its memory and its place.
    """
    plan = None if record.end is None else record.end.plan
    if plan is None or plan.pause != "checkpoint" or record.header.attribution == "machine":
        return np.zeros(0, dtype=np.int64)
    return np.array(plan.pauses_ns, dtype=np.int64).reshape(-1)


def present_fraction(record: Record, edges_ns: IntArray) -> FloatArray:
    """Return the part of each step in which the run was there; one, without dimensions, where it never left.

    Parameters
    ----------
    record : Record
    edges_ns : int64 array, shape (n + 1,)

    Returns
    -------
    float64 array, shape (n,) or ()
    """
    away = away_edges_ns(record)
    if not len(away):
        return np.asarray(1.0)
    lengths = np.diff(away).astype(np.float64)
    lengths[1::2] = 0.0  # from coming back to leaving again it was there
    gone_ns = np.interp(edges_ns - away[0], away - away[0], np.concatenate([[0.0], np.cumsum(lengths)]))
    present: FloatArray = 1.0 - np.diff(gone_ns) / np.diff(edges_ns)
    return present
