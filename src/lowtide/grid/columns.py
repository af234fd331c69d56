"""What the columns of an intensity file are, told from their names alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lowtide.model.signal import Basis, Factors
from lowtide.units import g_per_kwh_from_lb_per_mwh

__all__ = [
    "UNITS_READ",
    "ZONE_KEYS",
    "ValueColumn",
    "column_key",
    "listed",
    "may_be_zone",
    "scale_of_unit",
    "value_column",
]

TIME_KEYS: Final = (
    "ts_utc", "datetime_utc", "timestamp_utc", "time_utc", "utc_timestamp", "utc_datetime",
    "utc_time", "utc", "date_utc", "point_time", "from_utc", "start_utc", "interval_start_utc",
    "from", "start", "start_time", "time_start", "interval_start", "valid_from",
    "datetime", "timestamp", "date_time", "ts", "time", "instant", "period", "date",
)  # fmt: skip
"""Names of the column with the start of each step, the surest first."""
OTHER_TIME_KEYS: Final = frozenset(
    ("to", "to_utc", "end", "end_utc", "end_time", "interval_end", "interval_end_utc", "valid_to",
     "issue_utc", "generated_at", "updated_at", "created_at", "datetime_local", "local_time")
)  # fmt: skip
ZONE_KEYS: Final = (
    "zone_id", "zone", "zone_key", "zonekey", "zone_code", "region", "region_id", "regionid",
    "region_code", "ba", "ba_code", "balancing_authority", "respondent", "area", "location",
    "zone_name", "country_code", "country",
)  # fmt: skip
ESTIMATED_KEYS: Final = ("data_estimated", "estimated", "is_estimated")
UNIT_KEYS: Final = ("units", "unit")
SIGNAL_KEYS: Final = ("signal_type",)

_UNIT: Final = re.compile(
    r"(?:^|_)(?P<mass>g|gram|grams|kg|t|tonne|tonnes|ton|tons|lb|lbs)_?(?:co2_?(?:e|eq)?_?)?"
    r"(?:per_)?(?P<energy>kwh|mwh)(?=_|$)"
)
_SCALES: Final = {
    ("g", "kwh"): 1.0,
    ("kg", "mwh"): 1.0,
    ("lb", "mwh"): g_per_kwh_from_lb_per_mwh(1.0),
    ("lb", "kwh"): g_per_kwh_from_lb_per_mwh(1000.0),
}
_MASSES: Final = {"gram": "g", "grams": "g", "lbs": "lb"}

UNITS_READ: Final = "g/kWh, kg/MWh, lb/MWh and lb/kWh"
"""The units :func:`scale_of_unit` knows, for messages."""

_LIFECYCLE: Final = frozenset(("lca", "lifecycle", "life"))
_DIRECT: Final = frozenset(("direct", "operational"))
_MARGINAL: Final = frozenset(("marginal", "moer"))
_NEEDS_UNIT: Final = frozenset(("moer",))
"""Words for what is published in g/kWh and in lb/MWh alike: numbers under such a name alone mean nothing."""
_FORECAST: Final = frozenset(("forecast", "forecasted", "predicted"))
_AVERAGE: Final = frozenset(("average", "avg", "mean"))
_NOUNS: Final = frozenset(
    ("ci", "intensity", "carbonintensity", "emission", "emissions", "value", "actual", "rating")
)
_FILLERS: Final = frozenset(
    ("carbon", "co2", "co2e", "co2eq", "cycle", "assessment", "rate", "factor", "grid",
     "electricity", "measured")
)  # fmt: skip
_TELLING: Final = _LIFECYCLE | _DIRECT | _MARGINAL | _FORECAST | _NOUNS
_NO_ZONE: Final = frozenset(
    ("pct", "percent", "percentage", "mw", "mwh", "gw", "gwh", "kw", "kwh", "w", "price", "usd",
     "eur", "gbp", "power", "load", "demand", "temperature", "unix", "epoch", "deltaseconds",
     "seconds", "index", "gen", "generation", "source", "estimated", "method", "name", "id", "hour",
     "day", "month", "year", "status", "unit", "units", "type", "gas", "coal", "nuclear", "wind",
     "solar", "hydro", "biomass", "oil", "imports", "storage", "other", "total")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueColumn:
    """A column of intensities.

    Attributes
    ----------
    index : int
        Position in the file, from 0.
    name : str
    basis : {"average", "marginal"} or None
        None when the name does not tell.
    factors : {"lifecycle", "direct", "unknown"}
    scale : float or None
        What turns its numbers into g/kWh; None when the name gives a unit that is not read, or none where it must.
    forecast : bool
    """

    index: int
    name: str
    basis: Basis | None = None
    factors: Factors = "unknown"
    scale: float | None = 1.0
    forecast: bool = False


def column_key(name: str) -> str:
    """Return a column name folded for comparison.

    >>> column_key("Carbon Intensity gCO₂eq/kWh (LCA)"), column_key("zoneId")
    ('carbon_intensity_gco2eq_kwh_lca', 'zone_id')
    """
    spaced = re.sub(r"(?<=[a-z]{2})(?=[A-Z][a-z])", "_", unicodedata.normalize("NFKC", name))
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def listed(names: Sequence[str], *, n: int = 12) -> str:
    """Return names for a message, at most `n` of them and none too long."""
    shown = [repr(name[:40]) for name in names[:n]]
    return ", ".join(shown) + (f" and {len(names) - n} more" if len(names) > n else "")


def scale_of_unit(text: str) -> float | None:
    """Return what turns numbers in a unit into g/kWh, None for a unit that is not read.

    >>> scale_of_unit("gCO2eq/kWh"), round(scale_of_unit("lbs_co2_per_mwh"), 6)
    (1.0, 0.453592)
    """
    match = _UNIT.fullmatch(column_key(text))
    return _scale(match) if match else None


def _scale(match: re.Match[str]) -> float | None:
    return _SCALES.get((_MASSES.get(match["mass"], match["mass"]), match["energy"]))


def value_column(name: str, index: int, *, strict: bool = True) -> ValueColumn | None:
    """Return what a column of intensities is by its name, None when the name is not that of one.

    With `strict` off a name with unknown words in it passes too: somebody pointed at the column.
    """
    key = column_key(name)
    unit = _UNIT.search(key)
    rest = key.replace(unit[0], "") if unit else key
    words = set(rest.split("_")) - {""}
    known = words <= _TELLING | _FILLERS | _AVERAGE and (unit is not None or words & _TELLING)
    known = known or ({"carbon", "intensity", "kwh"} <= words and words & (_LIFECYCLE | _DIRECT))
    if strict and not known:
        return None
    factors: Factors = "direct" if words & _DIRECT else "unknown"
    factors = "lifecycle" if words & _LIFECYCLE else factors
    averaged = bool(words & (_LIFECYCLE | _DIRECT | _AVERAGE))
    return ValueColumn(
        index=index,
        name=name,
        basis="marginal" if words & _MARGINAL else "average" if averaged else None,
        factors=factors,
        scale=_scale(unit) if unit else None if words & _NEEDS_UNIT else 1.0,
        forecast=bool(words & _FORECAST),
    )


def may_be_zone(name: str) -> bool:
    """Return whether a column can be a zone of the wide form: no word in it says otherwise.

    What begins with two capitals on their own is a country, so ``CI`` and ``ID`` pass.

    >>> may_be_zone("US-CAL-CISO"), may_be_zone("ID"), may_be_zone("gas_mw"), may_be_zone("ci_old")
    (True, True, False, False)
    """
    if re.match(r"[A-Z]{2}(?![A-Za-z])", name):
        return True
    return not set(column_key(name).split("_")) & (_NO_ZONE | _TELLING | _FILLERS | _AVERAGE)
