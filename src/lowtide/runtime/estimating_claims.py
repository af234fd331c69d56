"""Claims from files, standard input and options."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lowtide.errors import DataFileError, InputError
from lowtide.estimation.claims import KEYS, claim_of, front_matter
from lowtide.estimation.slips import Claim

__all__ = ["read_claim"]


def read_claim(path: str | None, options: Mapping[str, str | None]) -> Claim:
    """Return the claim of a file with options on top.

    Parameters
    ----------
    path : str or None
        TOML, JSON, YAML or a model card (Markdown with front matter); ``-`` is standard input.
    options : mapping
        Of :data:`lowtide.estimation.claims.KEYS`; None was not given.

    Raises
    ------
    InputError
        If nothing is claimed, or a value or file is wrong.
    """
    plain = {} if path is None else _fields(path)
    given = {key: value for key, value in options.items() if value is not None}
    if not plain and not given:
        raise InputError(f"nothing is claimed: give a FILE, or options such as {', '.join(list(KEYS)[1:6])}")
    claim = claim_of({**plain, **given}, path=path or "the options")
    if claim.zone is None:
        return claim
    from dataclasses import replace

    from lowtide.data.zones import resolve_zone

    return replace(claim, zone=resolve_zone(claim.zone))


def _fields(path: str) -> dict[str, Any]:
    if path != "-" and path.lower().endswith((".toml", ".json")):
        from lowtide.runtime.estimating_inputs import read_fields

        return read_fields(path)
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(f"cannot be read: {error}", path=path) from error
    found = front_matter(text, path=path)
    if not path.lower().endswith(".md"):
        return found
    # a card's other keys (license, tags ...) are none of ours
    return {key: value for key, value in found.items() if key in KEYS or key == "co2_eq_emissions"}
