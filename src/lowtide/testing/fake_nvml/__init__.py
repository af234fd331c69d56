"""A stand-in ``libnvidia-ml.so.1`` that replays recorded power through the real nvidia-ml-py binding.

The library is one short C file beside this one. :func:`build_library` compiles it; :class:`FakeDriver` writes what
it replays and moves its clock. So what a sensor recovers of a known trace becomes a number, on any machine with a C
compiler.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lowtide.errors import SensorError

__all__ = ["A100", "H100", "P100", "V100", "Board", "FakeDriver", "build_library", "load_library"]

_N_BOARDS: Final = 64
_N_PIDS: Final = 8
_HEAD: Final = struct.Struct("<qqii")
"""Control file: now [us] (-1: the real clock), start of the traces on it [us], status of nvmlInit, padding."""
_FAULT: Final = struct.Struct(f"<iiiiq{_N_PIDS}I{_N_PIDS}I")
"""Then for each board: error, which calls, number of processes, padding, reset [us], pids, SM [%]."""
_CALLS: Final = {"handle": 1, "energy": 2, "power": 4, "processes": 8}
_AVERAGE, _INSTANT, _USAGE = 1, 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A GPU of the stand-in.

    Attributes
    ----------
    uuid, name, mig : str
        `mig` is the UUID of a MIG device on it.
    minor : int, optional
        Number of its device file, without it the index; -1 is not known.
    architecture : int
        As NVML numbers it.
    counter_s : float
        Period at which the energy counter is renewed [s]; 0 is no counter.
    fields : int
        Sum of 1 (averaged power field), 2 (instantaneous field), 4 (power usage).
    update_s, instant_s, usage_s : float
        Period of the power readings; windows of the instantaneous field and of power usage [s].
    gain : float
        Power shown over true power.
    t_s, power_w : sequence of float
        The trace: power from each instant on, the last for ever.
    """

    name: str
    architecture: int
    counter_s: float
    fields: int
    update_s: float
    instant_s: float
    usage_s: float
    uuid: str = ""
    mig: str = "-"
    minor: int | None = None
    gain: float = 1.0
    t_s: Sequence[float] = field(default=(0.0,))
    power_w: Sequence[float] = field(default=(0.0,))

    def line(self, index: int = 0) -> str:
        """Return its description and trace as the library reads them."""
        us = [round(s * 1e6) for s in (self.counter_s, self.update_s, self.instant_s, self.usage_s)]
        head = (
            self.uuid,
            self.name.replace(" ", "_"),
            self.mig,
            index if self.minor is None else self.minor,
            self.architecture,
            self.fields,
            repr(self.gain),
        )
        points = (f"{round(t * 1e6)} {w * 1e3:.3f}" for t, w in zip(self.t_s, self.power_w, strict=True))
        return "\n".join([" ".join(str(word) for word in (*head, *us, len(self.t_s))), *points])


P100: Final = Board(name="Tesla P100-SXM2-16GB", architecture=4, counter_s=0.0, fields=_USAGE,
                    update_s=0.02, instant_s=0.01, usage_s=0.01)  # fmt: skip
V100: Final = Board(name="Tesla V100-SXM2-32GB", architecture=5, counter_s=0.02, fields=_USAGE,
                    update_s=0.02, instant_s=0.01, usage_s=0.01)  # fmt: skip
A100: Final = Board(name="NVIDIA A100-SXM4-40GB", architecture=7, counter_s=0.1, fields=_USAGE,
                    update_s=0.1, instant_s=0.025, usage_s=0.025)  # fmt: skip
H100: Final = Board(name="NVIDIA H100 80GB HBM3", architecture=9, counter_s=0.1, fields=_AVERAGE | _INSTANT | _USAGE,
                    update_s=0.1, instant_s=0.025, usage_s=1.0)  # fmt: skip


class FakeDriver:
    """What the stand-in replays, its clock and its faults.

    Parameters
    ----------
    folder : str
        Where to write; exists.
    boards : sequence of Board
        At most 64; one without a UUID is given ``GPU-0000000N-..``.
    start_wall_ns : int, optional
        Replay in real time, with the traces beginning at this instant of the wall clock [ns]; without it the
        clock stands at 0 and is moved with :meth:`at`.

    Attributes
    ----------
    environ : dict of str to str
        What a process that loads the library needs in its environment.
    """

    def __init__(self, folder: str, boards: Sequence[Board], *, start_wall_ns: int | None = None) -> None:
        self.boards = tuple(
            b if b.uuid else replace(b, uuid=f"GPU-{i:08x}-0000-0000-0000-000000000000")
            for i, b in enumerate(boards)
        )
        boards_path, control_path = os.path.join(folder, "boards.txt"), os.path.join(folder, "control.bin")
        with open(boards_path, "w") as file:
            file.write("\n".join(board.line(i) for i, board in enumerate(self.boards)) + "\n")
        with open(control_path, "wb") as binary:
            binary.write(bytes(_HEAD.size + _N_BOARDS * _FAULT.size))
        with open(control_path, "r+b") as binary:
            self._map = mmap.mmap(binary.fileno(), 0)
        self._faults: list[dict[str, Any]] = [{} for _ in self.boards]
        virtual = start_wall_ns is None
        _HEAD.pack_into(self._map, 0, 0 if virtual else -1, (start_wall_ns or 0) // 1000, 0, 0)
        self.environ = {"LOWTIDE_FAKE_NVML": boards_path, "LOWTIDE_FAKE_NVML_CONTROL": control_path}

    def at(self, t_s: float) -> None:
        """Set the virtual clock [s]."""
        struct.pack_into("<q", self._map, 0, round(t_s * 1e6))

    def refuse(self, status: int) -> None:
        """Let ``nvmlInit`` fail with a status; 0 is well again."""
        struct.pack_into("<i", self._map, 16, status)

    def fail(self, index: int, status: int, *calls: str) -> None:
        """Let calls on a board (``handle``, ``energy``, ``power``, ``processes``; all by default) fail."""
        self._change(index, error=status, where=sum(_CALLS[c] for c in (calls or _CALLS)) if status else 0)

    def lose(self, index: int) -> None:
        """Let a board fall off the bus."""
        self.fail(index, 15)

    def reset_counter(self, index: int, t_s: float) -> None:
        """Let the energy counter of a board begin again at an instant [s]."""
        self._change(index, reset_us=max(1, round(t_s * 1e6)))

    def processes(self, index: int, sm_by_pid: Mapping[int, int]) -> None:
        """Say which processes compute on a board, with their SM utilisation [%]; at most 8."""
        self._change(index, processes=dict(sm_by_pid))

    def _change(self, index: int, **changes: Any) -> None:
        fault = self._faults[index]
        fault.update(changes)
        pids = fault.get("processes", {})
        padding = [0] * (_N_PIDS - len(pids))
        _FAULT.pack_into(
            self._map, _HEAD.size + index * _FAULT.size,
            fault.get("error", 0), fault.get("where", 0), len(pids), 0, fault.get("reset_us", 0),
            *pids, *padding, *pids.values(), *padding,
        )  # fmt: skip

    def close(self) -> None:
        """Let go of the control file."""
        self._map.close()


def build_library(folder: str) -> str:
    """Compile the stand-in into `folder` and return its path, ``.../libnvidia-ml.so.1``.

    With the folder in ``LD_LIBRARY_PATH`` a process finds it as it would find the driver's.

    Raises
    ------
    SensorError
        If there is no C compiler, or it fails.
    """
    import shutil
    import subprocess

    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SensorError("no C compiler (cc, gcc or clang) to build the stand-in of NVML with")
    source = os.path.join(os.path.dirname(__file__), "nvml.c")
    path = os.path.join(folder, "libnvidia-ml.so.1")
    command = [
        compiler,
        "-O2",
        "-shared",
        "-fPIC",
        "-Wl,-soname,libnvidia-ml.so.1",
        "-o",
        path,
        source,
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SensorError(f"the stand-in of NVML does not compile: {done.stderr.strip()[:500]}")
    return path


def load_library(path: str) -> Any:
    """Load the stand-in into this process and return ``pynvml``, which then finds it by its name.

    Raises
    ------
    SensorError
        If this process has loaded another NVML already.
    """
    import ctypes

    ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    import pynvml

    loaded = getattr(pynvml, "nvmlLib", None)
    if loaded is not None and not hasattr(loaded, "nvmlInitWithFlags"):
        raise SensorError("this process has loaded another NVML already")
    return pynvml
