"""Power of what has no energy counter: processors, memory and the rest of a node.

Every model carries a 90 % interval as fractions of its figure, a method in words and a source; a
figure that comes from here is never shown without them. The formulas and their errors are in
``docs/reference/power-models.md``; the constants in the packaged table ``power_constants.csv``.
"""

from __future__ import annotations

from lowtide.data.cpu_tables import (
    CpuTdp,
    FamilyPower,
    PowerConstant,
    family_power,
    find_architecture,
    find_tdp,
    power_constant,
)
from lowtide.errors import QuantityError
from lowtide.model.machine import CpuPowerModel, Machine, MemoryPowerModel, RestModel

__all__ = [
    "cpu_power_model",
    "cpu_power_w",
    "gpu_to_components",
    "memory_power_model",
    "memory_power_w",
    "rest_model",
    "rest_power_w",
]

_BYTES_PER_GB = 2**30
"""Memory modules are sold in GB of 2**30 bytes, and W/GB figures mean those."""

_SHARE_SLACK = 0.01
"""How far above 1 a measured utilization may be: CPU time is counted in ticks of 10 ms."""

_TDP_INTERVALS = {
    "server": (0.5, 1.5),
    "desktop": (0.4, 2.0),
    "laptop": (0.4, 2.5),
    "soc": (0.4, 2.0),
}
"""Server: the load tests behind ``tdp_idle_fraction`` lie at 0.54 (idle) to 1.22 (half load) of the
line, and at 0.9 to 1.3 of TDP under full load. Desktop and laptop: boards may let them draw two
times the base power for as long as they stay cool, and configure them below it."""

_VM_INTERVAL = (0.5, 2.0)
"""A virtual machine's at least: a vCPU may be a whole core, and neighbours share the idle power."""


def cpu_power_model(machine: Machine) -> CpuPowerModel:
    """Return the power model of a machine's processors (of a virtual machine: of its vCPUs).

    The first that applies: thermal design power by brand; whole-server watts per thread of the
    micro-architecture, less memory and rest; the same for the mean of all architectures.

    Parameters
    ----------
    machine : Machine

    Returns
    -------
    CpuPowerModel
        With idle and full power [W] at the boundary ``components``.

    Examples
    --------
    >>> model = cpu_power_model(Machine(cpu_brand="AMD EPYC 7763 64-Core Processor",
    ...                                 n_logical_cpus=256, n_sockets=2))
    >>> model.full_w, model.method
    (560.0, 'TDP 280 W x 2 sockets (epyc 7763)')
    """
    tdp = find_tdp(machine.cpu_brand)
    if tdp is not None:
        return _from_tdp(machine, tdp)
    architecture = find_architecture(
        machine.cpu_vendor,
        machine.cpu_model,
        family=machine.cpu_family,
        stepping=machine.cpu_stepping,
        brand=machine.cpu_brand,
    )
    if architecture is None:
        return _from_family(machine, family_power("generic"), "an unknown processor")
    return _from_family(machine, family_power(architecture.power_family), architecture.name)


def cpu_power_w(model: CpuPowerModel, utilization: float) -> float:
    """Return the power of the processors [W] at a utilization of 0 to 1 of all of them.

    The line is the only shape for which power follows from the mean utilization and splits over
    processes by CPU time. Real processors lie above it at part load: see the reference page.

    Raises
    ------
    QuantityError
        If `utilization` is not within 0 and 1 (1.01 is forgiven, NaN gives NaN).

    Examples
    --------
    >>> model = CpuPowerModel(idle_w=20.0, full_w=100.0, low_fraction=0.5, high_fraction=1.5,
    ...                       method="", source="")
    >>> cpu_power_w(model, 0.25)
    40.0
    """
    if utilization < 0 or utilization > 1 + _SHARE_SLACK:
        raise QuantityError(
            f"a CPU utilization of {utilization:g} is not within 0 and 1; "
            "divide CPU seconds by elapsed seconds times the number of CPUs"
        )
    busy = 1.0 if utilization > 1 else utilization  # not min(): NaN must stay NaN
    return model.idle_w + (model.full_w - model.idle_w) * busy


def memory_power_model(machine: Machine) -> MemoryPowerModel:
    """Return the power model of a machine's memory.

    Examples
    --------
    >>> memory_power_w(memory_power_model(Machine(memory_bytes=64 * 2**30)))
    23.84
    """
    constant = power_constant("memory_w_per_gb")
    known = machine.memory_bytes
    return MemoryPowerModel(
        w_per_gb=constant.value,
        installed_gb=float("nan") if known is None else known / _BYTES_PER_GB,
        low_fraction=constant.low / constant.value,
        high_fraction=constant.high / constant.value,
        source=constant.source,
    )


def memory_power_w(model: MemoryPowerModel) -> float:
    """Return the power of all memory [W]; NaN when its size is unknown."""
    return model.w_per_gb * model.installed_gb


def rest_model() -> RestModel:
    """Return the model of fans, supply loss, board, storage and network of a node."""
    constant = power_constant("rest_fraction")
    return RestModel(
        fraction=constant.value,
        low_fraction=constant.low / constant.value,
        high_fraction=constant.high / constant.value,
        source=constant.source,
    )


def rest_power_w(model: RestModel, components_w: float) -> float:
    """Return the power of the rest of a node [W], given that of CPU, memory and GPU together [W].

    >>> rest_power_w(rest_model(), 1000.0)
    200.0
    """
    return model.fraction * components_w


def gpu_to_components() -> PowerConstant:
    """Return the factor from the power of the GPUs alone to that of GPU, CPU and memory.

    For figures of others that name GPU energy only; it does not reach the node: fans and supply
    loss are not in it, so ``gpu x factor x (1 + rest)`` is the node.
    """
    return power_constant("gpu_to_components")


def _from_tdp(machine: Machine, tdp: CpuTdp) -> CpuPowerModel:
    n_processors, extent = _extent(machine, tdp)
    idle = power_constant("tdp_idle_fraction")
    low, high = _TDP_INTERVALS[tdp.segment]
    if machine.hypervisor:
        low, high = min(low, _VM_INTERVAL[0]), max(high, _VM_INTERVAL[1])
    full_w = tdp.tdp_w * n_processors
    return CpuPowerModel(
        idle_w=full_w * idle.value,
        full_w=full_w,
        low_fraction=low,
        high_fraction=high,
        method=f"TDP {tdp.tdp_w:g} W x {extent} ({tdp.brand})",
        source=f"{tdp.source}; idle at {idle.value:.0%} of TDP: {idle.source}",
    )


def _extent(machine: Machine, tdp: CpuTdp) -> tuple[float, str]:
    """Return how many processors the machine has, and how to say so.

    A virtual machine sees a part of one; so does a container whose /proc/cpuinfo is cut down. Half
    the threads are still the whole processor: simultaneous multithreading is switched off.
    """
    sockets = machine.n_sockets or 1
    threads, seen = tdp.n_threads, machine.n_logical_cpus
    if threads is None and machine.hypervisor:
        return 1, "1 socket, as if this virtual machine had all of it"
    if threads is None:
        return sockets, _plural(sockets, "socket")
    if not machine.hypervisor and 2 * seen >= threads * sockets:
        return sockets, _plural(sockets, "socket")
    kind = "vCPUs" if machine.hypervisor else "CPUs"
    return seen / threads, f"{seen} {kind} of {threads} threads"


def _from_family(machine: Machine, family: FamilyPower, name: str) -> CpuPowerModel:
    """Take the rest and the memory off whole-server power: the node model adds both again."""
    n = machine.n_logical_cpus
    share = (1 - power_constant("spec_memory_share").value) / (1 + rest_model().fraction)
    full_w = family.full_w_per_thread * n * share
    kind = "vCPU" if machine.hypervisor else "thread"
    return CpuPowerModel(
        idle_w=family.idle_w_per_thread * n * share,
        full_w=full_w,
        low_fraction=family.low_fraction,
        high_fraction=family.high_fraction,
        method=f"{full_w / n:.2f} W x {_plural(n, kind)} at full load ({name})",
        source=f"{family.source}; x {share:.2f} for the processor's part",
    )


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
