"""Past jobs read for an import: from ``sacct`` as it answers now, or from a file it once wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lowtide.data.accelerator_training import find_accelerator
from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.executors.sacct import PastJob, ask_sacct, energy_plugin, read_sacct
from lowtide.model.energy import Boundary

__all__ = ["JobsRead", "read_jobs"]

_BOUNDARIES: Final[dict[str, Boundary]] = {"rapl": "components"}
"""What a plugin of Slurm measures; all others are meters of the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsRead:
    """Jobs as accounting tells them, what its meters contain, and what to know of it."""

    jobs: tuple[PastJob, ...]
    boundary: Boundary
    notes: tuple[str, ...]


def read_jobs(
    path: str | None,
    *,
    since: str | None = None,
    utc_offset: str | None = None,
    boundary: Boundary | None = None,
    gpu: str | None = None,
) -> JobsRead:
    """Return the jobs of a file that sacct wrote, or of sacct itself.

    Raises
    ------
    InputError
        If the file cannot be read, options stand against each other, or the accelerator is unknown.
    ExecutorError
        If sacct does not answer.
    """
    if gpu is not None and find_accelerator(gpu) is None:
        raise InputError(f"--gpu {gpu!r}: no accelerator of that name; names are like A100, V100, H100")
    if path is not None:
        if since is not None:
            raise InputError("--since is asked of sacct; a file is imported whole")
        jobs, problems = read_sacct(_text(path), path=path, utc_offset_s=_offset_s(utc_offset))
        return JobsRead(jobs=tuple(jobs), boundary=boundary or "node", notes=tuple(problems))
    jobs, problems = read_sacct(ask_sacct(since=since), path="sacct")
    plugin = energy_plugin()
    measured = "nothing" if plugin is None else plugin
    note = f"energy on this cluster is measured by {measured} (AcctGatherEnergyType)"
    return JobsRead(
        jobs=tuple(jobs),
        boundary=boundary or _BOUNDARIES.get(plugin or "", "node"),
        notes=(note, *problems),
    )


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except OSError as error:
        raise DataFileError(f"cannot be read ({error.strerror})", path=path) from error


def _offset_s(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"([+-])(\d{2}):(\d{2})", text)
    if found is None:
        raise QuantityError(f"cannot read {text!r} as an offset from UTC; write it like +01:00")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds
