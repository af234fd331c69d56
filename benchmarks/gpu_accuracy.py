"""How well NVIDIA GPUs are measured: counter, averaged, instantaneous power and power usage beside each other.

    python benchmarks/gpu_accuracy.py [--seconds 20] [--out FILE]            on a GPU: idle, bursts, steady matmul
    python benchmarks/gpu_accuracy.py --stand-in [--seconds 130]             without one: a known power in real time

On a GPU (PyTorch is used for the load) the methods are compared with the counter, since nothing tells the truth. On the
stand-in the power is known, and so is every method's error; the sampler and the replay run on the real clock. Figures
are kept under ``benchmarks/results`` with the machine named.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lowtide.errors import LowtideError

RESULTS = Path(__file__).resolve().parent / "results"
METHODS = ("counter", "average", "instant", "usage")
BURST_S = 0.04
"""Shorter than the 100 ms at which an A100 or H100 renews its power."""


def read(nvml: Any, handle: Any, method: str) -> float | None:
    """Return joules (counter) or watts of one method, None where the board does not have it."""
    try:
        if method == "counter":
            return nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
        if method == "usage":
            return nvml.nvmlDeviceGetPowerUsage(handle) / 1e3
        value = nvml.nvmlDeviceGetFieldValues(handle, [({"average": 185, "instant": 186}[method], 0)])[0]
        return value.value.uiVal / 1e3 if value.nvmlReturn == 0 else None
    except nvml.NVMLError:
        return None


def sample(nvml: Any, handle: Any, *, seconds: float, interval_s: float) -> dict[str, dict[str, float]]:
    """Return energy [J] and duration [s] by each method the board has."""
    times: list[float] = []
    values: dict[str, list[float]] = {m: [] for m in METHODS if read(nvml, handle, m) is not None}
    began = time.monotonic()
    for i in range(int(seconds / interval_s) + 1):
        time.sleep(max(0.0, began + i * interval_s - time.monotonic()))
        times.append(time.time())
        for method, found in values.items():
            value = read(nvml, handle, method)
            found.append(float("nan") if value is None else value)
    t_s = np.array(times)
    energy = {}
    for method, found in values.items():
        x = np.array(found)
        joules = x[-1] - x[0] if method == "counter" else float(np.trapezoid(x, t_s))
        energy[method] = {"energy_j": float(joules), "begin_s": times[0], "end_s": times[-1]}
    return energy


def burn(kind: str, ended: threading.Event) -> None:
    """Keep the GPU in a state until told to end: idle, bursts shorter than its sensor's period, steady matmul."""
    if kind == "idle":
        ended.wait()
        return
    import torch

    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    while not ended.is_set():
        began = time.monotonic()
        while time.monotonic() - began < BURST_S:
            torch.mm(a, a)
            torch.cuda.synchronize()
        if kind == "bursts":
            time.sleep(BURST_S)


def on_gpu(seconds: float) -> dict[str, Any]:
    """Compare the methods on the first GPU under three loads."""
    import pynvml as nvml

    nvml.nvmlInit()
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    cases = {}
    for kind in ("idle", "bursts", "steady"):
        ended = threading.Event()
        load = threading.Thread(target=burn, args=(kind, ended))
        load.start()
        time.sleep(3.0)  # rise time of the load is left out
        for interval_s in (1.0, 0.1):
            cases[f"{kind}, every {interval_s:g} s"] = sample(
                nvml, handle, seconds=seconds, interval_s=interval_s
            )
        ended.set()
        load.join()
    return {
        "gpu": nvml.nvmlDeviceGetName(handle),
        "driver": nvml.nvmlSystemGetDriverVersion(),
        "cases": cases,
    }


def on_stand_in(seconds: float) -> dict[str, Any]:
    """Compare the methods with a known power, replayed in real time."""
    from lowtide.testing.fake_nvml import A100, H100, V100, FakeDriver, build_library, load_library

    rng = np.random.default_rng(1)
    t_s = np.arange(0.0, seconds + 30.0, 0.5)
    power_w = np.clip(400.0 + np.cumsum(rng.normal(0.0, 20.0, len(t_s))), 80.0, 700.0)
    cases = {}
    with tempfile.TemporaryDirectory() as folder:
        start_ns = time.time_ns() - 5_000_000_000
        boards = [replace(b, t_s=t_s.tolist(), power_w=power_w.tolist()) for b in (V100, A100, H100)]
        driver = FakeDriver(folder, boards, start_wall_ns=start_ns)
        os.environ.update(driver.environ)
        nvml = load_library(build_library(folder))
        nvml.nvmlInit()
        found: dict[str, dict[str, dict[str, float]]] = {}

        def run(i: int) -> None:
            handle = nvml.nvmlDeviceGetHandleByIndex(i)
            found[boards[i].name] = sample(nvml, handle, seconds=seconds, interval_s=1.0)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(boards))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until = energy_until(t_s, power_w, start_ns / 1e9)
        for name, methods in found.items():
            for method, figures in methods.items():
                truth = until(figures["end_s"]) - until(figures["begin_s"])
                cases[f"{name}, {method}"] = {
                    **figures,
                    "truth_j": truth,
                    "error": figures["energy_j"] / truth - 1.0,
                }
        driver.close()
    return {"gpu": "stand-in", "seconds": seconds, "cases": cases}


def energy_until(t_s: np.ndarray, power_w: np.ndarray, start_s: float) -> Callable[[float], float]:
    """Return the exact energy [J] of a trace until an instant of the wall clock."""
    joules = np.concatenate(([0.0], np.cumsum(power_w[:-1] * np.diff(t_s))))

    def until(wall_s: float) -> float:
        i = int(np.searchsorted(t_s, wall_s - start_s, side="right")) - 1
        return float(joules[i] + power_w[i] * (wall_s - start_s - t_s[i]))

    return until


def main() -> int:
    """Run, print and keep the figures; 1 if a counter on the stand-in is off by more than 0.2 %."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stand-in", action="store_true", help="replay a known power instead of using a GPU")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each case [s]")
    parser.add_argument("--out", type=Path, help="where to keep the figures")
    options = parser.parse_args()
    try:
        result = (on_stand_in if options.stand_in else on_gpu)(options.seconds)
    except (ImportError, LowtideError) as error:
        print(f"cannot run here: {error}", file=sys.stderr)
        return 2
    result["machine"] = {"system": platform.platform(), "python": platform.python_version()}
    bad = 0
    for case, figures in result["cases"].items():
        print(f"{case}: {json.dumps(figures)}")
        bad += "counter" in case and abs(figures.get("error", 0.0)) > 0.002
    name = "gpu_accuracy_stand_in.json" if options.stand_in else "gpu_accuracy.json"
    out = options.out or RESULTS / name
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
