"""Experiments behind a model, from a file or from the ledger, and what they emitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lowtide.errors import DataFileError, InputError, QuantityError
from lowtide.estimation.experiments import (
    KINDS,
    PHASES,
    Experiments,
    Trial,
    edh_energy_kwh,
    summarise,
)
from lowtide.model.ledger import EmissionsSet
from lowtide.runtime.estimating import estimate_request
from lowtide.runtime.estimating_inputs import EstimateRequest
from lowtide.runtime.user_table import read_user_table

if TYPE_CHECKING:
    from lowtide.runtime.config import Config
    from lowtide.stores.ledger import Ledger

__all__ = ["ExperimentsResult", "estimate_experiments", "read_experiments", "trials_of_ledger"]

_LEDGER: Final = "ledger:"
_WAYS: Final = (("energy_kwh",), ("gpu_hours", "power_w"), ("kwh_per_example", "examples"))
_COLUMNS: Final = ("name", "phase", "kind", "count", "shared_by", *(name for way in _WAYS for name in way))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentsResult:
    """All runs behind a model, with the carbon of this model's part."""

    experiments: Experiments
    pue: float | None
    emissions: EmissionsSet


def estimate_experiments(source: str, config: Config, *, start: str | None = None) -> ExperimentsResult:
    """Return what a model's runs took in all.

    Parameters
    ----------
    source : str
        A CSV file, or ``ledger:NAME`` for the runs of that name (``ledger:`` for all): tags ``phase=...`` and
        ``kind=...`` say what they were; a run that failed is ``failed``.
    config : Config
        Intensity and PUE.

    Raises
    ------
    InputError
        If the file or a value is wrong, or there are no runs.
    """
    if source.startswith(_LEDGER):
        from lowtide.runtime.prepare import ledger_of

        trials = trials_of_ledger(ledger_of(config), source.removeprefix(_LEDGER) or None)
    else:
        trials = read_experiments(source)
    found = summarise(trials)
    if not found.own_kwh:
        raise InputError(f"the runs of {source} took no energy at all; check energy_kwh")
    request = EstimateRequest(node_energy=f"{found.own_kwh!r}kWh", start=start)
    result = estimate_request(request, config)
    pue = None if result.training.pue is None else result.training.pue.amount.value
    return ExperimentsResult(experiments=found, pue=pue, emissions=result.emissions)


def read_experiments(path: str) -> list[Trial]:
    """Return the runs of a CSV file.

    Columns ``name,phase,kind`` and one of ``energy_kwh`` | ``gpu_hours,power_w`` | ``kwh_per_example,examples``;
    ``count`` (H) and ``shared_by`` are 1 where empty or absent. Energy is at the node.

    Raises
    ------
    DataFileError
        With the line.
    """
    rows = read_user_table(path, _COLUMNS, needs=("name", "phase", "kind"))
    return [_trial(row, path, line) for line, row in rows]


def _trial(row: Mapping[str, str], path: str, line: int) -> Trial:
    phase, kind = row["phase"], row["kind"]
    if phase not in PHASES or kind not in KINDS:
        name, value, known = ("phase", phase, PHASES) if phase not in PHASES else ("kind", kind, KINDS)
        raise DataFileError(
            f"{name} is {value!r}; it must be one of {', '.join(known)}", path=path, line=line
        )
    try:
        return Trial(
            name=row["name"] or f"line {line}",
            phase=next(p for p in PHASES if p == phase),
            kind=next(k for k in KINDS if k == kind),
            energy_kwh=_energy_kwh(row),
            count=_number(row, "count", 1.0),
            shared_by=_number(row, "shared_by", 1.0),
        )
    except InputError as error:
        raise DataFileError(str(error), path=path, line=line) from error


def _energy_kwh(row: Mapping[str, str]) -> float:
    given = [way for way in _WAYS if all(row[name] for name in way)]
    if len(given) != 1:
        ways = " or ".join(" and ".join(way) for way in _WAYS)
        raise QuantityError(f"the energy of a run is said once, by {ways}; {len(given)} of these are filled")
    numbers = [_number(row, name, 0.0) for name in given[0]]
    if given[0] == ("energy_kwh",):
        return numbers[0]
    if given[0] == ("gpu_hours", "power_w"):
        return numbers[0] * numbers[1] / 1000.0
    return edh_energy_kwh(numbers[0], numbers[1], 1.0)


def _number(row: Mapping[str, str], name: str, empty: float) -> float:
    text = row[name]
    if not text:
        return empty
    try:
        return float(text)
    except ValueError as error:
        raise QuantityError(f"{name} is {text!r}, which is no number") from error


def trials_of_ledger(ledger: Ledger, name: str | None) -> list[Trial]:
    """Return the runs of the ledger, those of one name when given; energy at the node.

    Raises
    ------
    InputError
        If there is none with a bill at the node.
    """
    from lowtide.runtime.views import read_view

    trials = []
    for run_id, run_name in ledger.names():
        if name is not None and run_name != name:
            continue
        view = read_view(ledger, run_id)
        if view.entry is None or view.entry.energy.boundary != "node":
            continue
        tags = dict(view.header.tags)
        failed = view.status in ("failed", "killed")
        phase = tags.get("phase", "training" if tags.get("kind") == "final" else "experiment")
        kind = tags.get("kind", "failed" if failed else "other")
        trials.append(
            Trial(
                name=f"{run_name} {run_id}",
                phase=next((p for p in PHASES if p == phase), "experiment"),
                kind=next((k for k in KINDS if k == kind), "other"),
                energy_kwh=view.entry.energy.total_kwh,
            )
        )
    if not trials:
        raise InputError(
            f"the ledger has no billed run{'' if name is None else f' called {name!r}'}; tag runs with "
            "--tag phase=training --tag kind=final, or list them in a CSV file"
        )
    return trials
