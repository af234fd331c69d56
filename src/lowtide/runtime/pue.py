"""The PUE of a setting."""

from __future__ import annotations

from lowtide.errors import QuantityError
from lowtide.runtime.config import Setting
from lowtide.runtime.grid_choices import setting_from

__all__ = ["pue_of"]


def pue_of(setting: Setting | None) -> float | None:
    """Return the PUE of a setting, None where nobody set one.

    Raises
    ------
    QuantityError
        If it is no number, or no facility can have it.
    """
    if setting is None:
        return None
    try:
        pue = float(setting.value)
    except ValueError as error:
        raise QuantityError(
            f"pue {setting.value!r} ({setting_from(setting)}) is no number; write it like 1.2"
        ) from error
    if not 1.0 <= pue <= 5.0:
        raise QuantityError(
            f"pue {pue:g} ({setting_from(setting)}) cannot be: facility over node energy is usually 1.05 to 1.6"
        )
    return pue
