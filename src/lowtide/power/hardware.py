"""What machine this is, and how much of it this process may use.

Everything on Linux is read from files under a root path, so that tests can hand in a tree of their
own. Nothing is run and nothing needs privileges there; on macOS and Windows the operating system is
asked, with psutil where it is installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from lowtide.model.machine import Machine, UsableShare
from lowtide.power.limits import count_cpu_list, share_within_limits

__all__ = ["read_machine", "usable_share"]

_VM_VENDORS = ("qemu", "kvm", "vmware", "innotek", "xen", "parallels", "openstack", "alibaba")
"""Words in the DMI vendor of a virtual machine; the large clouds are told apart by product."""


def read_machine(root: str = "/") -> Machine:
    """Return what the machine under `root` says about itself.

    Parameters
    ----------
    root : str
        Where ``proc``, ``sys``, ``run`` are; another folder than ``/`` for tests.

    Returns
    -------
    Machine
        With None for what cannot be read; never an error.
    """
    if root != "/" or os.path.exists("/proc/cpuinfo"):
        return _read_linux(root)
    from lowtide.power.hardware_elsewhere import read_machine_elsewhere

    return read_machine_elsewhere()


def usable_share(root: str = "/", *, machine: Machine | None = None) -> UsableShare:
    """Return the share of the machine that this process may use.

    Parameters
    ----------
    root : str
        Where ``proc`` and ``sys`` are; another folder than ``/`` for tests.
    machine : Machine, optional
        What the shares are of; read from `root` by default.

    Returns
    -------
    UsableShare
        1.0 where nothing limits the process or nothing can be read.

    Notes
    -----
    CPU: the least of the affinity (``Cpus_allowed_list``) and the quota of the control group or any
    above it (``cpu.max``; ``cpu.cfs_quota_us`` in version 1), over the CPUs of the machine. Memory:
    the least limit on the same way up (``memory.max``; ``memory.limit_in_bytes``) over installed.
    """
    return share_within_limits(read_machine(root) if machine is None else machine, root)


def _read_linux(root: str) -> Machine:
    blocks = _cpuinfo_blocks(_read(root, "proc/cpuinfo"))
    n_online = count_cpu_list(_read(root, "sys/devices/system/cpu/online"))
    cpu = _identity(blocks)
    cores, sockets = _topology(root, blocks)
    return Machine(
        cpu_brand=cpu.get("model name", ""),
        cpu_vendor=cpu.get("vendor_id", cpu.get("CPU implementer", "")),
        cpu_family=_number(cpu.get("cpu family", cpu.get("CPU architecture"))),
        cpu_model=_number(cpu.get("model", cpu.get("CPU part"))),
        cpu_stepping=_number(cpu.get("stepping", cpu.get("CPU variant"))),
        n_logical_cpus=max(1, len(blocks) or n_online),
        n_physical_cores=cores,
        n_sockets=sockets,
        memory_bytes=_memory_bytes(_read(root, "proc/meminfo")),
        hypervisor=_is_virtual(root, cpu),
        container=_container(root),
        system="Linux",
    )


def _read(root: str, path: str) -> str:
    """Return a file's text, empty when it cannot be read."""
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _cpuinfo_blocks(text: str) -> list[dict[str, str]]:
    """Return one mapping per ``processor`` of /proc/cpuinfo, the keys that follow it in it."""
    blocks: list[dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon or not key:
            continue
        if key == "processor" and value.isdigit():
            blocks.append({})
        elif blocks:
            blocks[-1][key] = value
    return blocks


def _identity(blocks: list[dict[str, str]]) -> Mapping[str, str]:
    """Return the last block that names its processor: on mixed Arm parts large cores are last."""
    for block in reversed(blocks):
        if "model name" in block or "CPU part" in block:
            return block
    return blocks[-1] if blocks else {}


def _number(text: str | None) -> int | None:
    """Return a whole number written in decimal or as 0x.., or None."""
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        return None


def _topology(root: str, blocks: list[dict[str, str]]) -> tuple[int | None, int | None]:
    """Return (physical cores, sockets)."""
    named = [b for b in blocks if "physical id" in b and "core id" in b]
    pairs = {(b["physical id"], b["core id"]) for b in named}
    if not pairs:
        pairs = set(_sysfs_topology(root, len(blocks)))
    if not pairs:
        return None, None
    return len(pairs), len({socket for socket, _ in pairs})


def _sysfs_topology(root: str, n_cpus: int) -> Iterable[tuple[str, str]]:
    for i in range(n_cpus):
        folder = f"sys/devices/system/cpu/cpu{i}/topology"
        socket = _read(root, f"{folder}/physical_package_id").strip()
        core = _read(root, f"{folder}/core_id").strip()
        if socket and core:
            yield socket, core


def _memory_bytes(meminfo: str) -> int | None:
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "MemTotal:" and words[1].isdigit():
            return int(words[1]) * 1024  # "kB" here means KiB
    return None


def _is_virtual(root: str, cpu: Mapping[str, str]) -> bool:
    """Whether there is a hypervisor: a processor flag on x86, elsewhere the firmware's words."""
    if "flags" in cpu:
        return "hypervisor" in cpu["flags"].split()
    if os.path.exists(os.path.join(root, "proc/device-tree/hypervisor")):
        return True
    vendor = _read(root, "sys/class/dmi/id/sys_vendor").strip().lower()
    product = _read(root, "sys/class/dmi/id/product_name").strip().lower()
    if vendor == "amazon ec2":
        return ".metal" not in product
    if vendor in ("google", "microsoft corporation"):
        return product in ("google compute engine", "virtual machine")
    return any(word in vendor for word in _VM_VENDORS) or product == "kvm virtual machine"


def _container(root: str) -> str | None:
    """Return the kind of container, from the marks that container engines leave."""
    groups = _read(root, "proc/1/cgroup") + _read(root, "proc/self/cgroup")
    said = _read(root, "run/systemd/container").strip()
    if "kubepods" in groups or _exists(root, "var/run/secrets/kubernetes.io"):
        return "kubernetes"
    if _exists(root, ".dockerenv") or "/docker" in groups or said == "docker":
        return "docker"
    if _exists(root, "run/.containerenv") or "libpod" in groups or said == "podman":
        return "podman"
    if "/lxc" in groups or said.startswith("lxc"):
        return "lxc"
    return "other" if said or _exists(root, ".singularity.d") else None


def _exists(root: str, path: str) -> bool:
    return os.path.exists(os.path.join(root, path))
