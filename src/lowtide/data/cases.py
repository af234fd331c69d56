"""Published trainings: what their authors print of the inputs, and what these come to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from lowtide.data.tables import Row, read_table
from lowtide.errors import InputError, near_matches

__all__ = ["Case", "CaseMethod", "all_cases", "find_cases"]

CaseMethod = Literal["formula", "given", "tdp", "embodied"]
_METHODS: Final[tuple[CaseMethod, ...]] = ("formula", "given", "tdp", "embodied")
_BOUNDARIES: Final = ("gpu", "node", "facility")
_COLUMNS: Final = (
    "case", "group", "title", "method", "accelerator", "n", "hours", "power_w", "given_kwh", "boundary", "pue",
    "intensity_g_per_kwh", "net_g_per_kwh", "published_kwh", "published_of", "published_kg", "published_net_kg",
    "tolerance", "year", "why", "source",
)  # fmt: skip
_ALIASES: Final = {
    "gpt3": "gpt-3",
    "gshard-600b": "gshard",
    "switch-transformer": "switch",
    "evolved-transformer": "evolved-transformer-nas",
    "et-nas": "evolved-transformer-nas",
    "nas": "evolved-transformer-nas",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of a paper; None was not printed.

    Attributes
    ----------
    name, group, title : str
    method : {"formula", "given", "tdp", "embodied"}
        How our figure is made: hours x n x W (x PUE x intensity); the printed energy x intensity; the design
        power for a run whose power was measured (an upper bound); the share of the hardware's manufacture.
    accelerator : str or None
    n, hours, power_w, given_kwh : float or None
        [1], [h], [W for each accelerator], [kWh].
    boundary : str
        Of `power_w` or `given_kwh`.
    pue, intensity_g_per_kwh, net_g_per_kwh : float or None
    published_kwh : float or None
        At the boundary `published_of`.
    published_kg, published_net_kg : float or None
        With the grid's intensity, and after matched carbon-free energy.
    tolerance : float or None
        Fraction by which ours may differ; None where ours is a bound.
    year : int
    why : str
        Where a difference comes from.
    source : str
    """

    name: str
    group: str
    title: str
    method: CaseMethod
    accelerator: str | None
    n: float | None
    hours: float | None
    power_w: float | None
    given_kwh: float | None
    boundary: str
    pue: float | None
    intensity_g_per_kwh: float | None
    net_g_per_kwh: float | None
    published_kwh: float | None
    published_of: str
    published_kg: float | None
    published_net_kg: float | None
    tolerance: float | None
    year: int
    why: str
    source: str


def _case(row: Row) -> Case:
    method = row.choice("method", _METHODS)
    boundary = row.text("boundary", optional=True)
    if boundary and boundary not in _BOUNDARIES:
        raise row.error("boundary", f"boundary is {boundary!r}; it must be one of {', '.join(_BOUNDARIES)}")
    return Case(
        name=row.text("case"),
        group=row.text("group"),
        title=row.text("title"),
        method=next(known for known in _METHODS if known == method),
        accelerator=row.text("accelerator", optional=True) or None,
        n=row.optional_number("n", low=1.0),
        hours=row.optional_number("hours", low=0.0),
        power_w=row.optional_number("power_w", low=1.0, high=3000.0),
        given_kwh=row.optional_number("given_kwh", low=0.0),
        boundary=boundary,
        pue=row.optional_number("pue", low=1.0, high=5.0),
        intensity_g_per_kwh=row.optional_number("intensity_g_per_kwh", low=0.0, high=1200.0),
        net_g_per_kwh=row.optional_number("net_g_per_kwh", low=0.0, high=1200.0),
        published_kwh=row.optional_number("published_kwh", low=0.0),
        published_of=row.text("published_of", optional=True),
        published_kg=row.optional_number("published_kg", low=0.0),
        published_net_kg=row.optional_number("published_net_kg", low=0.0),
        tolerance=row.optional_number("tolerance", low=0.0, high=1.0),
        year=row.integer("year", low=2015, high=2100),
        why=row.text("why"),
        source=row.text("source"),
    )


@cache
def all_cases() -> tuple[Case, ...]:
    """Return every case, in the order of the file."""
    return tuple(_case(row) for row in read_table("cases.csv", _COLUMNS, ("case",)).rows)


def find_cases(name: str) -> tuple[Case, ...]:
    """Return the case of that name, the cases of that group, or with ``all`` every one.

    Raises
    ------
    InputError
        If there is none; names near matches and what there is.

    Examples
    --------
    >>> [case.title for case in find_cases("GPT-3")], len(find_cases("dodge"))
    (['GPT-3 175B'], 11)
    """
    wanted = name.strip().lower().replace(" ", "-").replace("_", "-")
    wanted = _ALIASES.get(wanted, wanted)
    cases = all_cases()
    groups = list(dict.fromkeys(case.group for case in cases))
    if wanted in groups:
        return tuple(case for case in cases if case.group == wanted)
    found = cases if wanted == "all" else tuple(case for case in cases if case.name == wanted)
    if not found:
        known = [*(case.name for case in cases), *_ALIASES, *groups]
        singles = ", ".join(case.name for case in cases)
        raise InputError(
            f"no case {name!r}{near_matches(wanted, known)}; there are {singles}; groups: {', '.join(groups)}, all"
        )
    return found
