"""After training: what queries cost, when they have cost as much as training, and what a thousand cost."""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.data.constants import Constant, constants
from lowtide.errors import InputError, QuantityError, near_matches
from lowtide.estimation.footprint import check_positive
from lowtide.estimation.ranged import Ranged
from lowtide.quantities import parse_energy_kwh

__all__ = ["Serving", "break_even_queries", "query_energy", "query_tasks", "serving"]

_PREFIX = "query_kwh_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A model's queries beside its training, at one boundary.

    Attributes
    ----------
    query_kwh : Ranged
    query_source : str
    break_even : Ranged
        Queries that take as much energy as training; high where a query takes little.
    per_1000_g : float or None
        [g] of a thousand queries; None without an intensity.
    n_queries : float or None
    queries_kwh : Ranged or None
    queries_g : float or None
    training_share : float or None
        Training's share of training and queries together.
    """

    query_kwh: Ranged
    query_source: str
    break_even: Ranged
    per_1000_g: float | None
    n_queries: float | None
    queries_kwh: Ranged | None
    queries_g: float | None
    training_share: float | None


def break_even_queries(training_kwh: float, query_kwh: float, *, fine_tuning_kwh: float = 0.0) -> float:
    """Return after how many queries serving has taken as much energy as training and fine-tuning.

    ``(E_train + E_fine_tuning) / E_query`` (Luccioni et al. 2023, arXiv 2311.16863).

    Raises
    ------
    InputError
        If an energy is negative, or a query takes none.

    Examples
    --------
    >>> break_even_queries(51_686.0, 1.0e-4, fine_tuning_kwh=7571.0)  # BLOOMz 7B
    592570000.0
    """
    check_positive("training_kwh", training_kwh, allow_zero=True)
    check_positive("fine_tuning_kwh", fine_tuning_kwh, allow_zero=True)
    return (training_kwh + fine_tuning_kwh) / check_positive("query_kwh", query_kwh)


def query_tasks() -> dict[str, Constant]:
    """Return the published energy of a query [kWh] by task.

    >>> sorted(query_tasks())[:2]
    ['extractive-qa', 'image-captioning']
    """
    found = {name: row for name, row in constants().items() if name.startswith(_PREFIX)}
    return {name.removeprefix(_PREFIX).replace("_", "-"): row for name, row in found.items()}


def query_energy(text: str) -> tuple[Ranged, str]:
    """Return the energy of a query and who says so, from a task's name or an energy like ``0.05Wh``.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> query_energy("text-generation")[0].value, query_energy("0.05Wh")[0].value
    (4.7e-05, 5e-05)
    """
    task = text.strip().lower().replace("_", "-").replace(" ", "-")
    if task in query_tasks():
        row = query_tasks()[task]
        low = row.low or row.value / 10.0  # a spread as wide as its mean tells no lower end
        return Ranged(low=low, value=row.value, high=row.high), f"{task}: {row.source}"
    try:
        kwh = parse_energy_kwh(text)
    except QuantityError as error:
        tasks = ", ".join(sorted(query_tasks()))
        raise InputError(
            f"{text!r} is no energy like 0.05Wh and no task{near_matches(task, query_tasks())}; tasks: {tasks}"
        ) from error
    return Ranged.exact(check_positive("energy per query", kwh)), "as given"


def serving(
    training_kwh: Ranged,
    query: tuple[Ranged, str],
    *,
    n_queries: float | None = None,
    intensity_g_per_kwh: float | None = None,
) -> Serving:
    """Return what queries cost beside training.

    Parameters
    ----------
    training_kwh : Ranged
    query : (Ranged, str)
        Energy of one query [kWh] at the same boundary, and its source.
    n_queries : float, optional
    intensity_g_per_kwh : float, optional

    Examples
    --------
    >>> found = serving(Ranged.exact(100.0), (Ranged.exact(1e-4), "example"), n_queries=3e6,
    ...                 intensity_g_per_kwh=400.0)
    >>> found.break_even.value, round(found.training_share, 6), round(found.per_1000_g, 6)
    (1000000.0, 0.25, 40.0)
    """
    each, source = query
    total = None
    if n_queries is not None:
        check_positive("n_queries", n_queries)
        total = Ranged(low=each.low * n_queries, value=each.value * n_queries, high=each.high * n_queries)
    g = intensity_g_per_kwh
    return Serving(
        query_kwh=each,
        query_source=source,
        break_even=Ranged(
            low=training_kwh.low / each.high,
            value=break_even_queries(training_kwh.value, each.value),
            high=training_kwh.high / each.low,
        ),
        per_1000_g=None if g is None else 1000.0 * each.value * g,
        n_queries=n_queries,
        queries_kwh=total,
        queries_g=None if total is None or g is None else total.value * g,
        training_share=None if total is None else training_kwh.value / (training_kwh.value + total.value),
    )
