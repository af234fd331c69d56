"""Tags: the unique names by which submitted jobs are found again, whoever asks."""

from __future__ import annotations

import re
import secrets
from typing import Final

from lowtide.errors import InputError

__all__ = ["check_tag", "new_tag"]

_LONGEST: Final = 50
"""Kubernetes takes 63 characters in a label, and names of pods need some more behind that of their job."""
_TAG: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def check_tag(tag: str) -> str:
    """Return a tag, or refuse it.

    Raises
    ------
    InputError
        If it is not lower-case letters, digits and hyphens, or too long.

    Examples
    --------
    >>> check_tag("digits-3f9a")
    'digits-3f9a'
    """
    if len(tag) > _LONGEST or not _TAG.fullmatch(tag):
        raise InputError(
            f"{tag!r} is no tag; use lower-case letters, digits and hyphens, at most {_LONGEST}, like digits-3f9a"
        )
    return tag


def new_tag(name: str) -> str:
    """Return a tag that nobody else has, which begins as a name does.

    >>> new_tag("Train digits.v2")[:16]
    'train-digits-v2-'
    """
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: _LONGEST - 10].strip("-")
    return f"{word or 'job'}-{secrets.token_hex(4)}"
