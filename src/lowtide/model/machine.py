"""The machine a job runs on, and the power models that stand in where it has no energy counter."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CpuPowerModel", "Machine", "MemoryPowerModel", "RestModel", "UsableShare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine says about its processor and memory; None is unknown.

    Attributes
    ----------
    cpu_brand : str
        As the processor calls itself, e.g. ``AMD EPYC 7763 64-Core Processor``, or empty.
    cpu_vendor : str
        CPUID vendor (``GenuineIntel``, ``AuthenticAMD``), or the ARM implementer (``0x41``).
    cpu_family, cpu_model, cpu_stepping : int or None
        From CPUID; on ARM the architecture, the part number and the variant.
    n_logical_cpus : int
        CPUs the operating system sees, at least 1.
    n_physical_cores, n_sockets : int or None
        Believe them on bare metal only: a hypervisor may say anything.
    memory_bytes : int or None
        Installed memory, less what firmware keeps for itself [bytes].
    hypervisor : bool
        Whether this is a virtual machine.
    container : str or None
        Container this process is in: ``docker podman kubernetes lxc other``.
    system : str
        ``Linux``, ``Darwin`` or ``Windows``.
    """

    cpu_brand: str = ""
    cpu_vendor: str = ""
    cpu_family: int | None = None
    cpu_model: int | None = None
    cpu_stepping: int | None = None
    n_logical_cpus: int = 1
    n_physical_cores: int | None = None
    n_sockets: int | None = None
    memory_bytes: int | None = None
    hypervisor: bool = False
    container: str | None = None
    system: str = "Linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableShare:
    """The share of a machine that a process may use, as fractions in (0, 1].

    Attributes
    ----------
    cpu : float
        The least of CPU affinity and control-group quota, over all CPUs.
    memory : float
        Control-group memory limit over installed memory.
    reason : str
        What sets the limits, empty when there are none.
    """

    cpu: float = 1.0
    memory: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuPowerModel:
    """Power of all the machine's processors, linear in their utilization.

    Attributes
    ----------
    idle_w, full_w : float
        Power at utilization 0 and 1 [W], at the boundary ``components``.
    low_fraction, high_fraction : float
        90 % interval of the true power as a fraction of the modelled power.
    method : str
        How the figures come about, in words fit for a bill.
    source : str
        Who says so.
    """

    idle_w: float
    full_w: float
    low_fraction: float
    high_fraction: float
    method: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPowerModel:
    """Power of all the machine's memory, constant in time.

    Attributes
    ----------
    w_per_gb : float
        Power of one GB (2**30 bytes, as memory modules are sold) [W/GB].
    installed_gb : float
        Installed memory [GB]; NaN is unknown, and so is the power then.
    low_fraction, high_fraction : float
        90 % interval of the true power as a fraction of the modelled power.
    source : str
        Who says so.
    """

    w_per_gb: float
    installed_gb: float
    low_fraction: float
    high_fraction: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestModel:
    """Fans, supply loss, board, storage and network of a node, as a fraction of its components.

    Attributes
    ----------
    fraction : float
        Rest power over that of CPU, memory and GPU together: components x (1 + fraction) = node.
    low_fraction, high_fraction : float
        90 % interval of the true *rest power* as a fraction of the modelled rest power, as in every
        other model: with ``fraction=0.2, high_fraction=2.0`` the rest may be 0.4 of the components.
    source : str
        Who says so.
    """

    fraction: float
    low_fraction: float
    high_fraction: float
    source: str
