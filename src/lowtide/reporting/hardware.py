"""What a run ran on, in words, as far as it was recorded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from lowtide.model.machine import Machine
from lowtide.reporting.figures import data_size, plain_number
from lowtide.reporting.view import RunView
from lowtide.reporting.wording import clean, is_log

__all__ = [
    "NOT_RECORDED",
    "cpu_words",
    "gpu_names",
    "gpu_words",
    "hardware_words",
    "machine_words",
    "share_words",
]

NOT_RECORDED: Final = "machine not recorded (a power log)"
_DEVICE: Final = re.compile(r" of (.+?)(?: (?:GPU|MIG)-\S+)?$")
"""The device at the end of a GPU channel's method: ``NVML total-energy counter of NVIDIA H200 GPU-5f``."""


def gpu_names(view: RunView) -> tuple[str, ...]:
    """Return the model of every GPU that was billed; empty where none was, or none was named."""
    if view.entry is None:
        return ()
    notes = view.entry.energy.method_notes.get("gpu", "").split("; ")
    return tuple(clean(found[1]) for note in notes if (found := _DEVICE.search(note)))


def gpu_words(view: RunView) -> str:
    """Return the GPUs by model, or an empty text.

    A GPU in the bill that nobody named is ``GPU``.
    """
    counts = Counter(gpu_names(view))
    if not counts and view.entry is not None and "gpu" in view.entry.energy.method:
        return "GPU (model not recorded)"
    return ", ".join(f"{n} x {name}" for name, n in counts.items())


def cpu_words(machine: Machine) -> str:
    """Return the processor: its name, sockets on bare metal, CPUs the system sees."""
    name = clean(machine.cpu_brand) or "CPU (model not recorded)"
    sockets = f"{machine.n_sockets} x " if machine.n_sockets and not machine.hypervisor else ""
    plural = "" if machine.n_logical_cpus == 1 else "s"
    return f"{sockets}{name}, {machine.n_logical_cpus} logical CPU{plural}"


def machine_words(machine: Machine) -> str:
    """Return processor, memory and what kind of machine it is."""
    parts = [cpu_words(machine)]
    if machine.memory_bytes is not None:
        parts.append(f"{data_size(machine.memory_bytes)} memory")
    kind = "virtual machine" if machine.hypervisor else ""
    container = f"container ({machine.container})" if machine.container else ""
    parts += [" in a ".join(p for p in (container, kind) if p)] if kind or container else []
    return ", ".join([*parts, machine.system])


def share_words(view: RunView) -> str:
    """Return the share of the machine the run may use, empty when it may use all of it."""
    header = view.header
    if header.cpu_share >= 1.0 and header.memory_share >= 1.0:
        return ""
    cpus = plain_number(header.cpu_share * header.machine.n_logical_cpus)
    memory = f", {plain_number(header.memory_share * 100)} % of the memory" if header.memory_share < 1 else ""
    return f"{cpus} of {header.machine.n_logical_cpus} CPUs{memory} usable by the run"


def hardware_words(views: Sequence[RunView]) -> list[str]:
    """Return the distinct hardware of several runs, GPUs first."""
    found = []
    for view in views:
        machine = NOT_RECORDED if is_log(view) else machine_words(view.header.machine)
        parts = [gpu_words(view), machine, share_words(view)]
        found.append("; ".join(part for part in parts if part))
    return list(dict.fromkeys(found))
