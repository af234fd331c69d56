"""Trainings that can be paused, of one rank and of several; run as programs by test_gate.py and test_gate_ranks.py.

python gate_cases.py CASE ARGUMENTS
"""

from __future__ import annotations

import os
import random
import sys
import time


def ranks_case(folder: str, step_s: str, lockstep: str) -> None:
    """Train as one of WORLD_SIZE ranks without torch; say at which step this one left."""
    import lowtide

    rank, n_ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    gate = lowtide.gate()
    rng = random.Random(rank)
    for step in range(1, 100_000):
        time.sleep(float(step_s) * rng.uniform(0.5, 1.5))
        if lockstep == "yes":
            meet(folder, step, rank, n_ranks)
        gate.progress(step, 100_000)
        if gate.should_pause():
            print(f"left {step}", flush=True)
            gate.leave()


def meet(folder: str, step: int, rank: int, n_ranks: int) -> None:
    """Wait until all ranks are at this step, as a collective does."""
    mine = os.path.join(folder, f"at-{rank}")
    with open(f"{mine}.tmp", "w") as file:
        file.write(str(step))
    os.replace(f"{mine}.tmp", mine)
    gives_up = time.monotonic() + 20.0
    while True:
        done = []
        for other in range(n_ranks):
            try:
                with open(os.path.join(folder, f"at-{other}")) as file:
                    done.append(int(file.read()))
            except (OSError, ValueError):
                done.append(0)
        if min(done) >= step:
            return
        if time.monotonic() >= gives_up:
            sys.exit("one rank waits for another that has left")
        time.sleep(0.0005)


def gloo_case(step_s: str, with_file: str) -> None:
    """Train as one of WORLD_SIZE ranks that all-reduce at every step."""
    import torch
    import torch.distributed as dist

    import lowtide

    rank = int(os.environ["RANK"])
    if with_file == "first" and rank > 0:
        os.environ.pop("LOWTIDE_PAUSE_FILE")  # a node that was not told
    gate = lowtide.gate()
    dist.init_process_group("gloo")
    rng = random.Random(rank)
    for step in range(1, 100_000):
        time.sleep(float(step_s) * rng.uniform(0.5, 1.5))
        dist.all_reduce(torch.ones(8))
        if gate.should_pause():
            print(f"left {step}", flush=True)
            gate.leave()


def gloo_cost_case(n: str) -> None:
    """Time should_pause among ranks that do nothing else."""
    import torch.distributed as dist

    import lowtide

    gate = lowtide.gate(every=None)
    dist.init_process_group("gloo")
    gate.should_pause()
    began = time.perf_counter()
    for _ in range(int(n)):
        gate.should_pause()
    print(f"us {(time.perf_counter() - began) / int(n) * 1e6:.2f}")
    dist.barrier()


def signal_case() -> None:
    """Listen to SIGTERM beside a handler that was there before."""
    import signal

    import lowtide

    signal.signal(signal.SIGTERM, lambda *_: print("the handler of before", flush=True))
    gate = lowtide.gate(signals=("SIGTERM",))
    print("ready", flush=True)
    while not gate.should_pause():
        time.sleep(0.01)
    print("saved", flush=True)
    gate.leave()


def curve_case(checkpoint: str, n_steps: str, step_s: str) -> None:
    """Fit a line by gradient descent, printing every loss; save all that the next step depends on."""
    import json

    import lowtide

    gate, rng, total = lowtide.gate(), random.Random(3), int(n_steps)
    state: dict = {"n": 0, "a": 0.0, "b": 0.0}
    if os.path.exists(checkpoint):
        with open(checkpoint) as file:
            state, (version, words, gauss) = json.load(file)
        rng.setstate((version, tuple(words), gauss))
        print(f"goes on after {state['n']}", file=sys.stderr)
    while state["n"] < total:
        x = rng.gauss(0.0, 1.0)
        error = state["a"] * x + state["b"] - (2.0 * x + 1.0 + rng.gauss(0.0, 0.1))
        state = {"n": state["n"] + 1, "a": state["a"] - 0.1 * error * x, "b": state["b"] - 0.1 * error}
        print((error * error).hex(), flush=True)
        time.sleep(float(step_s))
        gate.progress(state["n"], total)
        if gate.should_pause():
            with open(f"{checkpoint}.tmp", "w") as file:
                json.dump((state, rng.getstate()), file)
            os.replace(f"{checkpoint}.tmp", checkpoint)
            gate.leave()


if __name__ == "__main__":
    globals()[f"{sys.argv[1]}_case"](*sys.argv[2:])
