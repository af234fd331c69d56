"""HPE Cray nodes through pm_counters: the node's energy, and that of processor, memory and accelerators, at 10 Hz.

Each file holds ``VALUE J TIME us``. Source: HPE Cray documentation, *Power management counters*; S. Martin,
M. Kappel, *Cray XC30 power monitoring and management*, CUG 2014.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lowtide.doors import Outcome
from lowtide.errors import SensorError
from lowtide.model.hardware import Channel, Component
from lowtide.power.sensors.facts import method
from lowtide.power.sensors.files import NumberFiles, folders, text_of
from lowtide.power.sensors.gpu_scope import gpus_of_host, visible_gpus

__all__ = ["DEFAULT_ROOT", "CraySensor"]

DEFAULT_ROOT: Final = "/sys/cray/pm_counters"
_KFD_ROOT: Final = "/sys/class/kfd/kfd/topology/nodes"
_MAX_NODE_W: Final = 20_000.0


class CraySensor:
    """Reads every energy counter of the node.

    Parameters
    ----------
    root : str
        The folder of the counters.
    environ : mapping of str to str, optional
        The run's environment; this process's by default.
    kfd_root : str
        Where the AMD driver shows its devices, of which an accelerator may have several.

    Raises
    ------
    SensorError
        If there are none, or one may not be read.
    """

    name = "cray"

    def __init__(
        self,
        root: str = DEFAULT_ROOT,
        *,
        environ: Mapping[str, str] | None = None,
        kfd_root: str = _KFD_ROOT,
    ) -> None:
        self._files = NumberFiles()
        channels = []
        counters = list(_counters(root))
        accelerators = [part for _, component, part in counters if component == "gpu"]
        outside = _outside(os.environ if environ is None else environ, accelerators, kfd_root)
        for name, component, part in counters:
            path = os.path.join(root, name)
            try:
                self._files.add(path, _joules)
            except OSError as error:
                self._files.close()
                raise SensorError(
                    f"{path} cannot be read ({error.strerror}); ask the site to allow it"
                ) from error
            channels.append(_channel(name, component, part, in_scope=part not in outside))
        if not channels:
            raise SensorError(f"no energy counter under {root}: not an HPE Cray node")
        self.channels: Sequence[Channel] = tuple(channels)

    def read(self) -> Sequence[Outcome]:
        """Return the raw joules of every counter."""
        return self._files.read()

    def close(self) -> None:
        """Close all counters."""
        self._files.close()


def _outside(environ: Mapping[str, str], accelerators: Sequence[str], kfd_root: str) -> set[str]:
    """Return the accelerators that the run may not use, by the numbers of its devices; none where nothing tells.

    An MI250X is one accelerator of two devices.
    """
    order = sorted(accelerators, key=lambda part: int(part.rpartition("/")[2]))
    n_each, rest = divmod(_n_amd_devices(kfd_root) or len(order), max(1, len(order)))
    first = environ.get("ROCR_VISIBLE_DEVICES")
    second = environ.get("HIP_VISIBLE_DEVICES") or environ.get("CUDA_VISIBLE_DEVICES") or None
    if first is None:
        first, second = second, None
    told = {name: text for name, text in environ.items() if name.startswith("SLURM_")}
    told |= {} if first is None else {"CUDA_VISIBLE_DEVICES": first}
    ids = [str(i) for i in range(n_each * len(order))]
    left = gpus_of_host(told, ids, with_mig=()).indices
    chosen = [left[i] for i in visible_gpus(second, [ids[i] for i in left])]
    if rest or not chosen:
        return set()
    return set(order) - {order[i // n_each] for i in chosen}


def _n_amd_devices(kfd_root: str) -> int:
    """Return how many of the driver's nodes are GPUs: those with SIMD units."""
    texts = [text_of(f"{node}/properties") for node in folders(kfd_root)]
    return sum(re.search(r"^simd_count [1-9]", text, re.MULTILINE) is not None for text in texts)


def _joules(data: bytes) -> int:
    """Return the joules of ``b"1234 J 1700000000000000 us"``."""
    value, unit = data.split()[:2]
    if unit != b"J":
        raise ValueError(unit)
    return int(value)


def _counters(root: str) -> Iterator[tuple[str, Component, str]]:
    fixed: dict[str, tuple[Component, str]] = {
        "energy": ("node", "node"),
        "cpu_energy": ("cpu", "cpu"),
        "memory_energy": ("memory", "memory"),
    }
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return
    for name in names:
        accelerator = re.fullmatch(r"accel(\d*)_energy", name)
        if name in fixed:
            yield name, *fixed[name]
        elif accelerator:
            yield name, "gpu", f"gpu/{accelerator[1] or 0}"


def _channel(name: str, component: Component, part: str, *, in_scope: bool) -> Channel:
    return Channel(
        name=f"cray.{name}",
        sensor=CraySensor.name,
        component=component,
        quantity="energy",
        kind="counter",
        boundary="node" if component == "node" else "chip" if component == "cpu" else "components",
        device=part,
        max_power_w=_MAX_NODE_W,
        low_fraction=0.95,
        high_fraction=1.05,
        method=method("cray", f"pm_counters {name}"),
        part=part,
        in_scope=in_scope,
        update_s=0.1,
    )
