"""The PUE of a setting: a number, or a file of one that varies in time."""

from __future__ import annotations

import os

from lowtide.errors import QuantityError
from lowtide.model.pue import PueSteps
from lowtide.runtime.config import Setting
from lowtide.runtime.grid_choices import setting_from

__all__ = ["is_pue_file", "pue_number", "pue_of"]


def pue_of(
    setting: Setting | None,
    *,
    zone: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> float | PueSteps | None:
    """Return the PUE of a setting, None where nobody set one.

    Parameters
    ----------
    setting : Setting or None
    zone : str, optional
        Of a file of several.
    start_ns, end_ns : int, optional
        Which part of a file is wanted [ns]; all of it when left out.

    Raises
    ------
    QuantityError
        If it is neither a number nor a file, or no facility can have it.
    DataFileError, CoverageError
        If the file cannot be read, or has nothing in the window.
    """
    if setting is None:
        return None
    if is_pue_file(setting.value):
        return _steps(setting, zone, start_ns, end_ns)
    try:
        pue = float(setting.value)
    except ValueError as error:
        raise QuantityError(
            f"pue {setting.value!r} ({setting_from(setting)}) is no number and no file; write it like 1.2, or "
            "pue.csv with the columns ts_utc,pue"
        ) from error
    if not 1.0 <= pue <= 5.0:
        raise QuantityError(
            f"pue {pue:g} ({setting_from(setting)}) cannot be: facility over node energy is usually 1.05 to 1.6"
        )
    return pue


def is_pue_file(text: str) -> bool:
    """Return whether the text of a setting is that of a file.

    >>> is_pue_file("pue.csv"), is_pue_file("1.2")
    (True, False)
    """
    if text.casefold().endswith((".csv", ".parquet", ".pq")):
        return True
    try:
        float(text)
    except ValueError:
        return os.path.isfile(text)
    return False


def pue_number(text: str, *, what: str) -> str:
    """Return the text of a PUE that must be a number.

    Raises
    ------
    QuantityError
        If it is a file: what is asked has no hours that a series could be laid on.
    """
    if is_pue_file(text):
        raise QuantityError(
            f"--pue {text} is a series and {what} has no hours to lay it on; give its mean, like --pue 1.2 "
            "(`lowtide account`, `run` and `plan` take the file)"
        )
    return text


def _steps(setting: Setting, zone: str | None, start_ns: int | None, end_ns: int | None) -> PueSteps:
    from lowtide.accounting.pue import PueSeries, kept_steps
    from lowtide.runtime.planning_series import read_pue

    series = read_pue(setting.value, zone=zone)
    assert isinstance(series, PueSeries)
    path = os.path.abspath(setting.value)
    first_ns = int(series.edges_ns[0]) if start_ns is None else start_ns
    kept = kept_steps(series, start_ns=first_ns, end_ns=end_ns, path=path)
    return PueSteps(
        edges_ns=kept.edges_ns, pue=kept.pue, source=f"{kept.source} ({setting_from(setting)})", path=path
    )
