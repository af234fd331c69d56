"""What a job and its controller say to each other about saving and stopping: names, and nothing that acts.

Decision 0006 has the reasons; ``docs/reference/pausing.md`` is for those who write jobs.
"""

from __future__ import annotations

from typing import Final

__all__ = ["EX_TEMPFAIL", "PAUSE_FILE", "PROGRESS_FILE", "RESUME", "WATCHED"]

PAUSE_FILE: Final = "LOWTIDE_PAUSE_FILE"
"""Environment: a path; while a file is there the job is asked to save, and to leave with :data:`EX_TEMPFAIL`."""

WATCHED: Final = ".watched"
"""Suffix of the file, beside the pause file, that a job makes to say: I look at it, send me no signal."""

PROGRESS_FILE: Final = "LOWTIDE_PROGRESS_FILE"
"""Environment: a path the job may replace with one line, ``420/1000`` (units done of all) or ``0.42``."""

RESUME: Final = "LOWTIDE_RESUME"
"""Environment: ``1`` when the job is to go on from what it saved; not set at its first start."""

EX_TEMPFAIL: Final = 75
"""Exit status of a job that has saved and wants to be started again (``EX_TEMPFAIL`` of sysexits.h)."""
