"""Train on drawn digits in plain numpy, and stop and go on at any batch without changing a digit of the result.

    lowtide run --zone DE --within 24h --duration 1h --pause checkpoint -- python examples/pause_digits.py

Asked to pause, it saves and leaves with status 75; started again, it goes on where it was. Everything that decides
the next batch is saved: weights, momenta, the random generator, the place in the epoch, the sum of losses. The
network and the drawings are those of ``train_digits.py``; ``pause_training.py`` is the same for PyTorch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass

import lowtide

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are not worth a second thread
gate = lowtide.gate()  # first thing: from here on lowtide knows that this job can pause
import numpy as np  # noqa: E402

from train_digits import (  # noqa: E402
    BATCH,
    SIDE,
    TEST_IMAGES,
    Layers,
    accuracy,
    draw_digits,
    forward,
    gradients,
    make_layers,
)

BATCHES = 50


@dataclass(slots=True)
class State:
    """All that the next batch depends on."""

    layers: Layers
    speeds: Layers
    rng: np.random.Generator
    n_done: int = 0
    losses: float = 0.0


def first_state() -> State:
    """Return a state in which nothing has been learnt."""
    rng = np.random.default_rng(7)
    layers = make_layers([SIDE * SIDE, 160, 10], rng)
    return State(layers, [(np.zeros_like(weights), np.zeros_like(bias)) for weights, bias in layers], rng)


def save(state: State, path: str) -> None:
    """Replace the checkpoint at once: whoever is killed here leaves the old one whole."""
    arrays = {
        f"{kind}{i}{part}": array
        for kind, layers in (("layer", state.layers), ("speed", state.speeds))
        for i, layer in enumerate(layers)
        for part, array in zip(("weights", "bias"), layer, strict=True)
    }
    rest = {"n_done": state.n_done, "losses": state.losses, "rng": state.rng.bit_generator.state}
    with open(f"{path}.tmp", "wb") as file:
        np.savez(file, rest=np.array(json.dumps(rest)), **arrays)
        file.flush()
        os.fsync(file.fileno())  # else a power failure can leave the new name with nothing in it
    os.replace(f"{path}.tmp", path)


def load(path: str) -> State:
    """Return the state in a checkpoint."""
    state = first_state()
    with np.load(path) as kept:
        rest = json.loads(str(kept["rest"]))
        for kind, layers in (("layer", state.layers), ("speed", state.speeds)):
            for i, (weights, bias) in enumerate(layers):
                weights[:], bias[:] = kept[f"{kind}{i}weights"], kept[f"{kind}{i}bias"]
    state.rng.bit_generator.state = rest["rng"]
    state.n_done, state.losses = rest["n_done"], rest["losses"]
    return state


def learn(state: State) -> None:
    """Learn from one minibatch of new drawings."""
    images, labels = draw_digits(BATCH, state.rng)
    values = forward(state.layers, images)
    state.losses += float(-np.log(values[-1][np.arange(BATCH), labels]).mean())
    rate = 0.1 / (1.0 + 0.2 * (state.n_done // BATCHES))
    slopes = gradients(state.layers, values, labels)
    for layer, speed, gradient in zip(state.layers, state.speeds, slopes, strict=True):
        for parameter, momentum, slope in zip(layer, speed, gradient, strict=True):
            momentum *= 0.9
            momentum -= rate * slope
            parameter += momentum
    state.n_done += 1


def main() -> None:
    """Train, saying the loss of every epoch; stop when asked."""
    parser = argparse.ArgumentParser(description="Train on drawn digits; can be paused at any batch.")
    parser.add_argument("--epochs", type=int, default=6, help="of 10000 new drawings each (default 6)")
    parser.add_argument("--checkpoint", default="pause_digits.npz", help="what is saved when asked to pause")
    parser.add_argument("--digits", type=int, default=3, help="digits of a loss to print (default 3)")
    args = parser.parse_args()
    total = args.epochs * BATCHES
    state = load(args.checkpoint) if os.path.exists(args.checkpoint) else first_state()
    if state.n_done or gate.resuming:
        print(f"goes on after {state.n_done} of {total} batches", file=sys.stderr)
    while state.n_done < total:
        learn(state)
        gate.progress(state.n_done, total)
        if state.n_done % BATCHES == 0:
            loss = state.losses / BATCHES
            print(f"epoch {state.n_done // BATCHES}  loss {loss:.{args.digits}f}", flush=True)
            state.losses = 0.0
        if gate.should_pause():
            save(state, args.checkpoint)
            gate.leave()
    images, labels = draw_digits(TEST_IMAGES, np.random.default_rng(8))
    print(f"digits recognised: {100 * accuracy(state.layers, images, labels):.1f} %")
    if os.path.exists(args.checkpoint):
        os.unlink(args.checkpoint)


if __name__ == "__main__":
    main()
