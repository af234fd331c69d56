"""What to report beside energy: what the run used of the machine, and which software did it.

Everything here happens once the job has ended. Versions are read from the files that installers leave, nothing is
imported, and what cannot be known is None or left out.

Which quantities: Henderson et al. 2020, *Towards the systematic reporting of the energy and carbon footprints of
machine learning*, arXiv 2002.05651, section 4.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from glob import glob
from typing import TYPE_CHECKING, Final, NamedTuple

from lowtide.errors import LowtideError
from lowtide.model.record import GaugeSummary, RunEnd, Telemetry

if TYPE_CHECKING:
    from lowtide.model.record import Readings, Record
    from lowtide.stores.ledger import Ledger

__all__ = ["Used", "software_near", "software_versions", "used_between", "used_now", "with_readings"]

_PACKAGES: Final = (
    "torch",
    "tensorflow",
    "jax",
    "jaxlib",
    "transformers",
    "accelerate",
    "lightning",
    "pytorch-lightning",
    "keras",
    "deepspeed",
    "numpy",
    "scikit-learn",
    "xgboost",
)
_DRIVER: Final = "/sys/module/nvidia/version"
_BILLED: Final = ("energy", "power", "cpu_time", "shares", "claims", "processes")


class Used(NamedTuple):
    """What this process and the children it has waited for have used, and its network; None is unknown."""

    cpu_s: float
    read_bytes: int | None
    write_bytes: int | None
    received_bytes: int | None
    sent_bytes: int | None


def used_now() -> Used:
    """Return what this process has used so far; takes some tens of microseconds."""
    times = os.times()
    cpu_s = times.user + times.system + times.children_user + times.children_system
    return Used(cpu_s, *_disk(), *_network())


def used_between(before: Used, after: Used) -> Telemetry:
    """Return the difference as telemetry."""

    def more(name: str) -> int | None:
        first, last = getattr(before, name), getattr(after, name)
        return None if first is None or last is None else last - first

    return Telemetry(
        cpu_seconds=after.cpu_s - before.cpu_s,
        disk_read_bytes=more("read_bytes"),
        disk_write_bytes=more("write_bytes"),
        network_received_bytes=more("received_bytes"),
        network_sent_bytes=more("sent_bytes"),
    )


def _disk() -> tuple[int | None, int | None]:
    try:
        with open("/proc/self/io", "rb") as file:
            fields = dict(line.split(b": ") for line in file.read().splitlines())
        return int(fields[b"read_bytes"]), int(fields[b"write_bytes"])
    except (OSError, ValueError, KeyError):
        return None, None


def _network(proc: str = "/proc") -> tuple[int | None, int | None]:
    """Return bytes received and sent in a network namespace of our own; unknown in that of the whole machine."""
    try:
        if os.readlink(f"{proc}/self/ns/net") == os.readlink(f"{proc}/1/ns/net"):
            return None, None
        with open(f"{proc}/self/net/dev") as file:
            rows = [line.partition(":") for line in file.readlines()[2:]]
        fields = [row[2].split() for row in rows if row[0].strip() != "lo"]
        return sum(int(f[0]) for f in fields), sum(int(f[8]) for f in fields)
    except (OSError, ValueError, IndexError):
        return None, None


def software_versions(paths: Sequence[str] | None = None) -> dict[str, str]:
    """Return versions of the libraries that matter, by name, from their metadata.

    Parameters
    ----------
    paths : sequence of str, optional
        Folders of installed packages; those of this Python by default.

    Examples
    --------
    >>> "numpy" in software_versions()
    True
    """
    found: dict[str, str] = {}
    for folder in [path for path in sys.path if isinstance(path, str)] if paths is None else paths:
        for name, version in _installed(folder):
            if name in _PACKAGES:
                found.setdefault(name, version)
    if paths is None:
        found["python"] = sys.version.split()[0]
    try:
        with open(_DRIVER) as file:
            found["nvidia-driver"] = file.read().strip()
    except OSError:
        pass  # no such GPU
    return dict(sorted(found.items()))


def _installed(folder: str) -> Iterator[tuple[str, str]]:
    """Yield name and version of the packages of a folder, which installers write into the names of folders.

    The form is that of the binary distribution format, packaging.python.org: ``NAME-VERSION.dist-info``, dashes of
    either written as underscores.
    """
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return  # not a folder, or not there
    for entry in names:
        stem, _, kind = entry.rpartition(".")
        if kind not in ("dist-info", "egg-info"):
            continue
        name, _, version = stem.partition("-")
        version = version.partition("-")[0].replace("_", "-") or _version_in(
            os.path.join(folder, entry, "PKG-INFO")
        )
        if version:
            yield name.lower().replace("_", "-").replace(".", "-"), version


def _version_in(path: str) -> str:
    """Return the version that a package's metadata says; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line[8:].strip() for line in file if line.startswith("Version:")), "")
    except OSError:
        return ""


def software_near(program: str) -> dict[str, str]:
    """Return versions of the libraries installed beside a program: a Python, or a script of its environment.

    >>> software_near("/bin/nothing-of-the-kind").get("torch")
    """
    if os.path.dirname(os.path.abspath(program)) == os.path.dirname(sys.executable):
        return software_versions()
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(program)))
    folders = sorted(
        glob(f"{prefix}/lib/python3*/site-packages") + glob(f"{prefix}/lib/python3/dist-packages")
    )
    found = software_versions(folders)
    try:
        with open(os.path.join(prefix, "pyvenv.cfg")) as file:
            settings = dict(line.strip().partition("=")[::2] for line in file)
        found["python"] = next(
            v.strip() for k, v in settings.items() if k.strip() in ("version", "version_info")
        )
    except (OSError, StopIteration):
        pass  # not an environment of its own: its version is unknown
    return dict(sorted(found.items()))


def with_readings(end: RunEnd, ledger: Ledger, run_id: str) -> RunEnd:
    """Return the end with what only the readings tell: memory, CPU time and other gauges."""
    from lowtide.stores.records import read_record

    try:
        record = read_record(ledger, run_id)
    except LowtideError:
        return end
    telemetry = end.telemetry
    cpu_s = _cpu_seconds(record) if telemetry.cpu_seconds is None else telemetry.cpu_seconds
    duration_s = (end.ended_ns - end.started_ns) / 1e9
    n_cpus = record.header.cpu_share * record.header.machine.n_logical_cpus
    peak = telemetry.peak_memory_bytes
    telemetry = replace(
        telemetry,
        cpu_seconds=cpu_s,
        peak_memory_bytes=_peak_memory(record) if peak is None else peak,
        cpu_utilization=None if cpu_s is None else cpu_s / duration_s / n_cpus,
        gauges=_gauges(record.readings),
    )
    return replace(end, telemetry=telemetry)


def _cpu_seconds(record: Record) -> float | None:
    readings = record.readings.get("run.cpu")
    if readings is None:
        return None
    valid = readings.raw[readings.raw >= 0]
    return float(valid[-1] - valid[0]) * readings.channel.scale if len(valid) else None


def _peak_memory(record: Record) -> int | None:
    readings = record.readings.get("run.rss")
    if readings is None:
        return None
    known = readings.raw[readings.raw > 0]  # a reading that failed is no peak
    return int(known.max()) if len(known) else None


def _gauges(readings: Mapping[str, Readings]) -> dict[str, GaugeSummary]:
    """Return what sensors said beside power and shares: utilisation, memory, clocks, temperature."""
    import numpy as np

    found = {}
    for name, each in readings.items():
        channel = each.channel
        if channel.kind != "gauge" or channel.quantity in _BILLED or channel.consumer == "run":
            continue
        values = np.asarray(each.raw, dtype=np.float64)
        values = values[~np.isnan(values)] * channel.scale
        if len(values):
            found[name] = GaugeSummary(
                quantity=channel.quantity,
                device=channel.device,
                mean=float(values.mean()),
                least=float(values.min()),
                greatest=float(values.max()),
            )
    return found
