"""Accounting a power log that somebody else measured: the bill without a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lowtide.accounting.bills import NodeEnergy, emissions_bill, energy_of
from lowtide.accounting.intensities import Intensities
from lowtide.accounting.operational import check_covers
from lowtide.accounting.pue import Overhead, PueSeries, check_pue_covers, kept_steps, overhead
from lowtide.accounting.uncertainty import scale_to
from lowtide.errors import BoundaryError, InputError
from lowtide.model.energy import Boundary
from lowtide.model.grid_choice import GridChoice
from lowtide.model.ledger import EmissionsBill, EmissionsSet, EnergyBill
from lowtide.model.pue import PueSteps
from lowtide.model.record import Gap
from lowtide.quantities import format_instant, parse_asked_ns
from lowtide.runtime.pue import pue_of
from lowtide.series import steps
from lowtide.series.types import IntensitySeries, PowerSeries
from lowtide.stores.codec import to_plain

if TYPE_CHECKING:
    from lowtide.runtime.config import Config

__all__ = ["AccountResult", "Gaps", "account", "account_file"]

Gaps = Literal["partial", "typical"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccountResult:
    """The bill of a power series.

    Attributes
    ----------
    power : PowerSeries
        What was accounted, at its own boundary.
    energy : EnergyBill
        At the boundary of the power, before PUE.
    pue, facility_kwh : float or None
        None without a PUE; the grams are then of the power's own boundary. The mean, weighted by energy, of a
        PUE that varies; ``facility_kwh`` is None where some of the energy meets an unknown one.
    pue_steps : PueSteps or None
        A PUE that varies.
    emissions : EmissionsSet
        All accounts, None where there is no signal.
    gaps : tuple of Gap
        When power is unknown, and when intensity is (channel ``intensity``).
    """

    power: PowerSeries
    energy: EnergyBill
    pue: float | None
    facility_kwh: float | None
    emissions: EmissionsSet
    gaps: tuple[Gap, ...]
    pue_steps: PueSteps | None = None

    @property
    def duration_s(self) -> float:
        """From the first reading to the last [s], known or not."""
        return self.power.duration_s

    @property
    def mean_power_w(self) -> float | None:
        """Mean over the known time [W]; None when nothing is known."""
        known_s = self.power.covered_fraction() * self.power.duration_s
        return self.power.energy_j() / known_s if known_s > 0.0 else None

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON of ``lowtide account``: unknown is null, instants are UTC."""
        is_known = self.mean_power_w is not None
        return {
            "energy_kwh": self.energy.total_kwh if is_known else None,
            "boundary": self.energy.boundary,
            "pue": self.pue,
            "pue_source": None if self.pue_steps is None else self.pue_steps.source,
            "facility_kwh": self.facility_kwh if is_known else None,
            "emissions": to_plain(self.emissions),
            "gaps": [
                {
                    "start": format_instant(gap.start_ns),
                    "end": format_instant(gap.end_ns),
                    "channel": gap.channel,
                    "reason": gap.reason,
                }
                for gap in self.gaps
            ],
            "known_fraction": self.energy.known_time_fraction,
            "mean_power_w": self.mean_power_w,
            "duration_s": self.duration_s,
        }


def account(
    power: PowerSeries | str | os.PathLike[str],
    intensity: IntensitySeries | Intensities | str | os.PathLike[str] | float | None = None,
    *,
    pue: float | PueSeries | str | os.PathLike[str] | None = None,
    start: str | int | None = None,
    boundary: Boundary | None = None,
    gaps: Gaps | None = None,
    zone: str | None = None,
    column: str | Sequence[str] | None = None,
    utc_offset: str | None = None,
) -> AccountResult:
    """Return the energy and emissions of a power log.

    Parameters
    ----------
    power : PowerSeries or path-like
        A series, or a file that :func:`~lowtide.power.logs.read_power_log` reads.
    intensity : IntensitySeries, Intensities, path-like, number or None
        A series, a file, or a constant [g/kWh]; None bills energy alone.
    pue : float, PueSeries or path-like, optional
        Turns node energy into facility energy, once; without it grams are of the node.
    start : str or int, optional
        Instant of ``t_s = 0`` in a file, ISO 8601 with offset, or [ns].
    boundary : Boundary, optional
        What the watts of a file contain; a series knows it.
    gaps : {"partial", "typical"}, optional
        What to do where intensity does not cover the power: bill the rest, or fill with the zone's
        typical profile. Without it that is refused.
    zone : str, optional
        Which zone of an intensity file.
    column, utc_offset
        As for :func:`~lowtide.power.logs.read_power_log`.

    Raises
    ------
    CoverageError
        If the intensity does not cover the power and `gaps` is None.
    BoundaryError
        If a PUE is given for power that is not a node's.
    DataFileError, InputError
        If a file cannot be read, or a value is wrong.

    Examples
    --------
    >>> one_kw = PowerSeries.constant(1000.0, start_ns=0, end_ns=3600 * 10**9)
    >>> result = account(one_kw, 400.0, pue=1.2)
    >>> result.energy.total_kwh, result.facility_kwh, round(result.emissions.location.g, 6)
    (1.0, 1.2, 480.0)
    """
    if isinstance(power, PowerSeries):
        for name, given in (("start", start), ("boundary", boundary), ("column", column),
                            ("utc_offset", utc_offset)):  # fmt: skip
            if given is not None:
                raise InputError(f"{name}={given!r} is for a file; a PowerSeries says it itself")
        no_gaps: tuple[Gap, ...] = ()
        series, power_gaps, note, known = power, no_gaps, "power series as given", None
    else:
        series, power_gaps, note, known = _from_file(power, start, column, boundary, utc_offset)
    intensities = _intensities(intensity, zone, series)
    return _bill(
        series,
        intensities,
        pue=_pue_given(pue, zone, series),
        gaps=gaps,
        power_gaps=power_gaps,
        note=note,
        known_fraction=known,
    )


def _pue_given(
    pue: float | PueSeries | str | os.PathLike[str] | None, zone: str | None, power: PowerSeries
) -> float | PueSteps | None:
    if isinstance(pue, PueSeries):
        return kept_steps(pue, start_ns=power.start_ns, end_ns=power.end_ns)
    if pue is None or isinstance(pue, int | float):
        return pue
    from lowtide.runtime.config import Setting

    setting = Setting(value=os.fspath(pue), origin="pue=")
    return pue_of(setting, zone=zone, start_ns=power.start_ns, end_ns=power.end_ns)


def account_file(
    path: str,
    config: Config,
    *,
    start: str | None = None,
    column: str | Sequence[str] | None = None,
    boundary: Boundary | None = None,
    gaps: Gaps | None = None,
    utc_offset: str | None = None,
) -> AccountResult:
    """Return the bill of a power log with the configured intensity and PUE; see :func:`account`."""
    from lowtide.runtime.billing import intensities_for
    from lowtide.runtime.prepare import grid_choice

    choice = grid_choice(config)
    series, power_gaps, note, known = _from_file(path, start, column, boundary, utc_offset)
    pue = pue_of(config.get("pue"), zone=choice.zone, start_ns=series.start_ns, end_ns=series.end_ns)
    intensities = intensities_for(choice, start_ns=series.start_ns, end_ns=series.end_ns)
    return _bill(
        series, intensities, pue=pue, gaps=gaps, power_gaps=power_gaps, note=note, known_fraction=known
    )


def _from_file(
    path: str | os.PathLike[str],
    start: str | int | None,
    column: str | Sequence[str] | None,
    boundary: Boundary | None,
    utc_offset: str | None,
) -> tuple[PowerSeries, tuple[Gap, ...], str, float | None]:
    from lowtide.power.logs import read_power_log

    start_ns = parse_asked_ns(start) if isinstance(start, str) else start
    log = read_power_log(path, start_ns=start_ns, column=column, boundary=boundary, utc_offset=utc_offset)
    devices = f" of {len(log.devices)} devices" if len(log.devices) > 1 else ""
    note = f"{' + '.join(log.columns)}{devices} in {os.path.basename(path)}, {log.n_rows} readings"
    return log.power, log.gaps, note, log.known_fraction


def _intensities(
    given: IntensitySeries | Intensities | str | os.PathLike[str] | float | None,
    zone: str | None,
    power: PowerSeries,
) -> Intensities:
    if given is None:
        return Intensities()
    if isinstance(given, Intensities):
        return given
    if isinstance(given, IntensitySeries):
        is_marginal = given.signal.basis == "marginal"
        return Intensities(marginal=given) if is_marginal else Intensities(location=given)
    from lowtide.runtime.billing import intensities_for

    text = repr(float(given)) if isinstance(given, int | float) else os.fspath(given)
    choice = GridChoice(zone=zone, intensity=text)
    return intensities_for(choice, start_ns=power.start_ns, end_ns=power.end_ns)


def _bill(
    power: PowerSeries,
    intensities: Intensities,
    *,
    pue: float | PueSteps | None,
    gaps: str | None,
    power_gaps: tuple[Gap, ...],
    note: str,
    known_fraction: float | None,
) -> AccountResult:
    if gaps not in (None, "partial", "typical"):
        raise InputError(f"gaps={gaps!r} is unknown; use 'partial' or 'typical', or leave it out")
    energy = energy_of(power, note=note, known_fraction=known_fraction)
    if pue is not None:
        _check_boundary(power)
    added = overhead(power, energy.bill.total_kwh, pue)
    main = intensities.location or intensities.marginal
    intensity_gaps = () if main is None else _unknown(main, power)
    if gaps is None:
        check_pue_covers(power, pue)
        for series in (main, intensities.market):
            if series is not None:
                check_covers(power, series)
    if gaps == "typical" and intensity_gaps:
        intensities = _filled(intensities, power)
    return AccountResult(
        power=power,
        energy=energy.bill,
        pue=added.pue,
        pue_steps=added.steps,
        facility_kwh=added.facility_kwh,
        emissions=_emissions(added, energy, intensities),
        gaps=(*power_gaps, *intensity_gaps),
    )


def _filled(intensities: Intensities, power: PowerSeries) -> Intensities:
    from lowtide.runtime.billing import fill_with_typical

    if intensities.location is None:
        raise InputError("a marginal intensity cannot be filled with typical values; pass --gaps partial")
    direct = intensities.direct
    return replace(
        intensities,
        location=fill_with_typical(intensities.location, power.start_ns, power.end_ns),
        direct=None if direct is None else fill_with_typical(direct, power.start_ns, power.end_ns),
    )


def _check_boundary(power: PowerSeries) -> None:
    """Refuse a PUE for power that is not a node's."""
    if power.boundary == "facility":
        raise BoundaryError(
            "these watts are the facility's already and PUE applies once; drop --pue (pue=None)"
        )
    if power.boundary != "node":
        raise BoundaryError(
            f"PUE applies to a node and these watts are at boundary {power.boundary!r}; if the log is of whole "
            "nodes pass --boundary node (boundary='node'), else drop --pue (pue=None)"
        )


def _emissions(added: Overhead, energy: NodeEnergy, intensities: Intensities) -> EmissionsSet:
    deviations = scale_to(energy.deviations, added.pue or 1.0)

    def bill(series: IntensitySeries | None, direct: IntensitySeries | None = None) -> EmissionsBill | None:
        if series is None:
            return None
        return emissions_bill(
            added.power,
            series,
            energy_deviations=deviations,
            direct=direct,
            known_fraction=added.known_fraction * energy.known_fraction,
        )

    return EmissionsSet(
        location=bill(intensities.location, intensities.direct),
        marginal=bill(intensities.marginal),
        market=bill(intensities.market),
    )


def _unknown(intensity: IntensitySeries, power: PowerSeries) -> tuple[Gap, ...]:
    """Return when, within the power's time, the intensity is unknown, steps in a row as one."""
    edges = np.union1d(intensity.edges_ns, power.edges_ns[[0, -1]])
    edges = edges[(edges >= power.start_ns) & (edges <= power.end_ns)]
    unknown = np.isnan(steps.at(intensity.edges_ns, intensity.intensity_g_per_kwh, edges[:-1]))
    turns = np.flatnonzero(np.diff(np.concatenate(([False], unknown, [False]))))
    return tuple(
        Gap(start_ns=int(edges[a]), end_ns=int(edges[b]), channel="intensity", reason="unknown")
        for a, b in turns.reshape(-1, 2)
    )
