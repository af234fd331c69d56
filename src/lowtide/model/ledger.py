"""What a run is billed: energy, emissions with their intensity and range, and the entry that keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lowtide.model.energy import Boundary
from lowtide.model.pue import PueSteps
from lowtide.model.record import Attribution, Gap
from lowtide.model.run_plan import PlanBill
from lowtide.model.signal import Basis, Factors, Flow, Signal, Status

__all__ = [
    "EmbodiedBill",
    "EmissionsBill",
    "EmissionsSet",
    "EnergyBill",
    "Entry",
    "IntensityUsed",
    "JoinedIntensity",
    "MethodKind",
    "PhaseBill",
    "RangePart",
    "SciScore",
    "StepBill",
    "UnitBill",
]

MethodKind = Literal["counter", "gauge", "modelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyBill:
    """Energy of a run at `boundary`, before PUE; ``low``/``high`` are a 90 % interval.

    Attributes
    ----------
    boundary : Boundary
    total_kwh, low_kwh, high_kwh : float
    idle_kwh, dynamic_kwh : float
        Share of what the machine draws anyway, and what the run itself caused; both without `rest_kwh`.
    rest_kwh : float
        Modelled fans, supply loss, board and network, in the total.
    by_component : mapping of str to float
        ``cpu_kwh``, ``memory_kwh``, ``gpu_kwh``.
    method : mapping of str to {"counter", "gauge", "modelled"}
    method_notes : mapping of str to str
        The same in words.
    measured_fraction : float
        Share of the total that a counter or gauge of energy or power has seen.
    known_time_fraction : float
        Share of the run's time for which power is known.
    attribution : {"share", "dynamic", "machine"}
    """

    boundary: Boundary
    total_kwh: float
    low_kwh: float
    high_kwh: float
    idle_kwh: float
    dynamic_kwh: float
    rest_kwh: float
    by_component: Mapping[str, float]
    method: Mapping[str, MethodKind]
    method_notes: Mapping[str, str]
    measured_fraction: float
    known_time_fraction: float
    attribution: Attribution | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensityUsed:
    """The signal a bill rests on, and its mean weighted by the run's energy [g/kWh]."""

    zone: str | None
    basis: Basis
    factors: Factors
    flow: Flow
    vintage: str
    source: str
    time_resolved: bool
    mean_g_per_kwh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangePart:
    """One source of a range: how far it alone would move the grams."""

    source: str
    low_g: float
    high_g: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionsBill:
    """Emissions of one account.

    Attributes
    ----------
    g, low_g, high_g : float or None
        Grams of the covered energy; None when nothing is covered.
    of : {"node", "facility", "components", "gpu", "chip"}
        The energy that was multiplied.
    covered_fraction : float
        Share of the energy for which the intensity is known.
    status_fractions : mapping of status to float
        Shares of the covered energy.
    intensity : IntensityUsed
    range_parts : tuple of RangePart
        Where the range comes from; deviations add in quadrature.
    range_note : str
        What the range leaves out.
    direct_g : float or None
        The same with direct factors, where both are known.
    """

    g: float | None
    low_g: float | None
    high_g: float | None
    of: Boundary
    covered_fraction: float
    status_fractions: Mapping[Status, float]
    intensity: IntensityUsed
    range_parts: tuple[RangePart, ...] = ()
    range_note: str = ""
    direct_g: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbodiedBill:
    """Share of a machine's manufacture: kg x (time / lifetime) x (share of machine / utilization)."""

    g: float
    device_kg: float
    lifetime_years: float
    utilization: float
    machine_share: float
    duration_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionsSet:
    """All accounts of a run, side by side and never summed."""

    location: EmissionsBill | None
    marginal: EmissionsBill | None = None
    market: EmissionsBill | None = None
    embodied: EmbodiedBill | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SciScore:
    """Software Carbon Intensity, (O + M) per R (ISO/IEC 21031:2024).

    Attributes
    ----------
    score_g : float
        Grams per functional unit.
    functional_unit : str
        As declared, ``"1e9:token"``.
    denominator : float
        How many functional units the run delivered.
    operational_g : float
    embodied_g : float or None
        None when nothing is known of the hardware's manufacture: the score is then operational only.
    """

    score_g: float
    functional_unit: str
    denominator: float
    operational_g: float
    embodied_g: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseBill:
    """What the run drew between the beginning and the end of a phase.

    Attributes
    ----------
    name, process : str
    start_ns, end_ns : int
    depth : int
        0 for a phase in no other one.
    parent : int or None
        Index of the phase it is in, whose energy contains this one's.
    energy_kwh : float
        At the bill's boundary.
    emissions_g : float or None
        Of the covered energy; None where nothing is covered.
    known_time_fraction : float
        Share of the phase for which power is known.
    steps : float
    counts : mapping of name to number
    ended : bool
        False when the job ended first, or when the phase around it did.
    """

    name: str
    process: str
    start_ns: int
    end_ns: int
    depth: int
    parent: int | None
    energy_kwh: float
    emissions_g: float | None
    known_time_fraction: float
    steps: float
    counts: Mapping[str, float]
    ended: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBill:
    """Energy of a step: between the first and the last one, and with all that is around them.

    Attributes
    ----------
    n : float
        Steps done.
    first_ns, last_ns : int
        When the first and the last of them were marked [ns].
    energy_per_step_j : float or None
        From the first mark to the last, over the steps in between; None with one mark only.
    total_per_step_j : float
        The run's whole energy over all steps.
    emissions_per_step_g : float or None
        The run's emissions over all steps.
    """

    n: float
    first_ns: int
    last_ns: int
    energy_per_step_j: float | None
    total_per_step_j: float
    emissions_per_step_g: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitBill:
    """The run's whole energy and emissions over the number of things it counted."""

    n: float
    energy_per_unit_j: float
    emissions_per_unit_g: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedIntensity:
    """The intensity steps a bill was joined with, kept so that it can be recomputed years later."""

    edges_ns: tuple[int, ...]
    intensity_g_per_kwh: tuple[float, ...]
    status: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One bill of a run; later ones supersede it and leave it as it is.

    Attributes
    ----------
    id : str
        ``0001``, ``0002`` ...
    made : str
        When, UTC.
    energy : EnergyBill
    pue, facility_kwh : float or None
        The PUE is the mean, weighted by energy, of one that varies.
    emissions : EmissionsSet
    sci : SciScore or None
    gaps : tuple of Gap
    n_readings : int
    joined, signals : mapping of account to JoinedIntensity, to Signal
        The intensities it rests on, cut to the run.
    segments : mapping of file name to SHA-256
        The raw readings it rests on.
    version : str
        Version of lowtide that made it.
    problem : str
        Why emissions are missing, empty when nothing is wrong.
    phases : tuple of PhaseBill
        In order of their beginning.
    outside_phases_kwh : float or None
        Energy in no phase; with the phases of depth 0 of one process it sums to the total.
    steps : StepBill or None
    units : mapping of name to UnitBill
        By what was counted.
    plan : PlanBill or None
        For a run that was to run when green.
    pue_steps : PueSteps or None
        A PUE that varies, as the bill was made with it.
    """

    id: str
    made: str
    energy: EnergyBill
    pue: float | None
    facility_kwh: float | None
    emissions: EmissionsSet
    sci: SciScore | None
    gaps: tuple[Gap, ...]
    n_readings: int
    joined: Mapping[str, JoinedIntensity]
    signals: Mapping[str, Signal]
    segments: Mapping[str, str]
    version: str
    problem: str = ""
    phases: tuple[PhaseBill, ...] = ()
    outside_phases_kwh: float | None = None
    steps: StepBill | None = None
    units: Mapping[str, UnitBill] = field(default_factory=dict)
    plan: PlanBill | None = None
    pue_steps: PueSteps | None = None
