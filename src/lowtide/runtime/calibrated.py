"""The calibration that was kept for this machine's processor and memory, and the models with it.

Read when a run starts, so it imports next to nothing; how calibrations are made is in
:mod:`lowtide.runtime.calibration`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from lowtide.errors import LowtideError, StoreError
from lowtide.model.machine import CpuPowerModel, Machine, MemoryPowerModel
from lowtide.stores.codec import from_plain, read_json, to_plain, write_json

__all__ = ["Calibration", "calibrated", "calibration_path", "check_can_keep", "keep", "read_kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was found on a machine.

    Attributes
    ----------
    made : str
        The day.
    against : str
        What measured, in words.
    cpu_brand : str
    n_logical_cpus : int
        The machine it holds for.
    idle_w, full_w : float
        Of all its processors [W].
    low_fraction, high_fraction : float
        90 % interval of the true power as a fraction of the line's.
    w_per_gb : float or None
        Of its memory [W/GB]; None where nothing measures memory.
    """

    made: str
    against: str
    cpu_brand: str
    n_logical_cpus: int
    idle_w: float
    full_w: float
    low_fraction: float
    high_fraction: float
    w_per_gb: float | None = None


def calibration_path() -> str:
    """Return the file calibrations are kept in: ``$LOWTIDE_CALIBRATION``, else beside the user's settings."""
    from platformdirs import user_config_dir

    given = os.environ.get("LOWTIDE_CALIBRATION")
    return given or os.path.join(user_config_dir("lowtide", appauthor=False), "calibration.json")


def keep(found: Calibration, path: str | None = None) -> str:
    """Write a calibration to its file and return the file's path.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    where = check_can_keep(path)
    write_json(where, to_plain(found))
    return where


def check_can_keep(path: str | None = None) -> str:
    """Return the file a calibration is kept in, its folder made; raise before the load if it cannot be written.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    where = path or calibration_path()
    trial = f"{where}.{os.getpid()}.trial"
    try:
        os.makedirs(os.path.dirname(where) or ".", exist_ok=True)
        with open(where if os.path.isdir(where) else trial, "wb"):
            os.unlink(trial)
    except OSError as error:
        raise StoreError(
            f"cannot keep a calibration in {where}: {error.strerror}; "
            "set LOWTIDE_CALIBRATION to a file in a folder that can be written"
        ) from error
    return where


def read_kept(path: str | None = None) -> Calibration | None:
    """Return the calibration that was kept, None where there is none or it cannot be read."""
    where = path or calibration_path()
    try:
        return from_plain(Calibration, read_json(where), path=where)
    except LowtideError:
        return None


def calibrated(
    machine: Machine,
    cpu: CpuPowerModel,
    memory: MemoryPowerModel,
    *,
    found: Calibration | None = None,
) -> tuple[CpuPowerModel, MemoryPowerModel]:
    """Return the models as calibrated on this machine, unchanged where that was not done.

    Parameters
    ----------
    machine : Machine
    cpu, memory : CpuPowerModel, MemoryPowerModel
        As modelled from what the machine is.
    found : Calibration, optional
        The one that was kept by default.
    """
    found = read_kept() if found is None else found
    if found is None or (found.cpu_brand, found.n_logical_cpus) != (
        machine.cpu_brand,
        machine.n_logical_cpus,
    ):
        return cpu, memory
    words = f"calibrated on {found.made} against {found.against}"
    cpu = replace(
        cpu,
        idle_w=found.idle_w,
        full_w=found.full_w,
        low_fraction=found.low_fraction,
        high_fraction=found.high_fraction,
        method=f"line in CPU time, {words}",
        source=words,
    )
    if found.w_per_gb is not None:
        memory = replace(
            memory,
            w_per_gb=found.w_per_gb,
            low_fraction=found.low_fraction,
            high_fraction=found.high_fraction,
            source=words,
        )
    return cpu, memory
