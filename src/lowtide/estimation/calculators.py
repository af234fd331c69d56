"""The same training under other calculators' assumptions, so that one sees why two tools disagree."""

from __future__ import annotations

from dataclasses import dataclass

from lowtide.data.board_power import accelerator
from lowtide.data.calculators import Calculator, calculators
from lowtide.errors import InputError
from lowtide.estimation.footprint import check_fraction, check_positive, facility_energy_kwh, grams_of
from lowtide.estimation.hardware_power import power_factor

__all__ = ["Compared", "Machine", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What every calculator is asked about.

    Attributes
    ----------
    n_gpus : float
    gpu : str
    hours : float
    gpu_load : float
        Mean power of a GPU over its design power.
    cpu_tdp_w, memory_gb : float
        Of all nodes together [W], [GB].
    pue, g_per_kwh : float or None
        The user's own; None leaves each calculator its default.
    """

    n_gpus: float
    gpu: str
    hours: float
    gpu_load: float = 1.0
    cpu_tdp_w: float = 0.0
    memory_gb: float = 0.0
    pue: float | None = None
    g_per_kwh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One calculator's answer, with the parts that make it differ.

    Attributes
    ----------
    name, version : str
    gpu_w, cpu_w, memory_w : float
        Of the whole job [W].
    pue : float or None
        None where none is applied for want of one.
    g_per_kwh : float or None
    own_intensity : bool
        Whether the intensity is the calculator's default.
    energy_kwh : float
        After its PUE.
    emissions_g : float or None
    leaves_out, source : str
    """

    name: str
    version: str
    gpu_w: float
    cpu_w: float
    memory_w: float
    pue: float | None
    g_per_kwh: float | None
    own_intensity: bool
    energy_kwh: float
    emissions_g: float | None
    leaves_out: str
    source: str


def compare(machine: Machine) -> list[Compared]:
    """Return lowtide's answer and then every calculator's, from the same inputs.

    Raises
    ------
    InputError
        If a value cannot be, or the GPU is unknown.

    Examples
    --------
    >>> rows = compare(Machine(n_gpus=8, gpu="V100", hours=100.0, g_per_kwh=400.0))
    >>> [(row.name, round(row.energy_kwh)) for row in rows][:4]
    [('lowtide', 260), ('CodeCarbon', 240), ('Green Algorithms', 374), ('ML CO2 Impact', 240)]
    """
    check_positive("gpus", machine.n_gpus)
    check_positive("hours", machine.hours)
    check_fraction("load", machine.gpu_load)
    check_positive("cpu power", machine.cpu_tdp_w, allow_zero=True)
    check_positive("memory", machine.memory_gb, allow_zero=True)
    return [_ours(machine), *(_theirs(machine, calculator) for calculator in calculators())]


def _ours(machine: Machine) -> Compared:
    factor, _ = power_factor(machine.gpu, None, n_processors=machine.n_gpus)
    node_w = machine.n_gpus * factor.amount.value
    node_kwh = node_w * machine.hours / 1000.0
    kwh = node_kwh if machine.pue is None else facility_energy_kwh(node_kwh, machine.pue)
    return Compared(
        name="lowtide",
        version="",
        gpu_w=node_w,
        cpu_w=0.0,
        memory_w=0.0,
        pue=machine.pue,
        g_per_kwh=machine.g_per_kwh,
        own_intensity=False,
        energy_kwh=kwh,
        emissions_g=None if machine.g_per_kwh is None else grams_of(kwh, machine.g_per_kwh),
        leaves_out="" if machine.pue is not None else "PUE: none was given and none is assumed",
        source=f"{factor.kind} power of the node: {factor.source}",
    )


def _theirs(machine: Machine, calculator: Calculator) -> Compared:
    load = 1.0 if calculator.gpu == "tdp" else machine.gpu_load
    gpu_w = machine.n_gpus * accelerator(machine.gpu).tdp_w * load
    cpu_w = machine.cpu_tdp_w * calculator.cpu_share
    memory_w = machine.memory_gb * calculator.memory_w_per_gb
    kwh = facility_energy_kwh((gpu_w + cpu_w + memory_w) * machine.hours / 1000.0, calculator.pue)
    g_per_kwh = calculator.g_per_kwh if machine.g_per_kwh is None else machine.g_per_kwh
    if calculator.name == "Strubell et al.":
        g_per_kwh = calculator.g_per_kwh  # the formula has one intensity and no place
    if g_per_kwh is not None and g_per_kwh < 0.0:
        raise InputError(f"{g_per_kwh:g} g/kWh is a marginal intensity; these calculators use averages")
    return Compared(
        name=calculator.name,
        version=calculator.version,
        gpu_w=gpu_w,
        cpu_w=cpu_w,
        memory_w=memory_w,
        pue=calculator.pue,
        g_per_kwh=g_per_kwh,
        own_intensity=g_per_kwh is not None and g_per_kwh != machine.g_per_kwh,
        energy_kwh=kwh,
        emissions_g=None if g_per_kwh is None else grams_of(kwh, g_per_kwh),
        leaves_out=calculator.leaves_out,
        source=calculator.source,
    )
