"""Train with PyTorch, and stop and go on at any step without changing a bit of the result.

    lowtide run --zone DE --within 24h --duration 1h --pause checkpoint -- python examples/pause_training.py

Asked to pause, it saves and leaves with status 75; started again, it goes on where it was. Everything that decides the
next step is saved: the model, the optimizer, the scheduler, the place in the data, and the random generators of Python,
numpy and torch. All of them are used here (a flip, noise, dropout), so that one forgotten would show in the losses.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import lowtide

gate = lowtide.gate()  # first thing: from here on lowtide knows that this job can pause
import numpy as np  # noqa: E402
import torch  # noqa: E402

N_SAMPLES, BATCH, WIDTH = 2_000, 50, 32
STEPS_AN_EPOCH = N_SAMPLES // BATCH
torch.set_num_threads(1)  # so small that a second thread would only add noise to the time
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_data() -> torch.utils.data.TensorDataset:
    """Return samples of which a plane says the class, but for some noise."""
    chance = torch.Generator().manual_seed(1)
    x = torch.randn(N_SAMPLES, WIDTH, generator=chance)
    noise = 0.5 * torch.randn(N_SAMPLES, generator=chance)
    return torch.utils.data.TensorDataset(x, (x[:, : WIDTH // 2].sum(1) + noise > 0).long())


def batches(data: torch.utils.data.Dataset[Any], n_done: int) -> Iterator[Any]:
    """Yield the batches that follow the first `n_done`: the order of an epoch depends on its number alone."""
    epoch, begin = divmod(n_done, STEPS_AN_EPOCH)
    while True:
        order = torch.randperm(N_SAMPLES, generator=torch.Generator().manual_seed(epoch)).tolist()
        # A loader draws a seed for its workers when it begins. From the global generator it would do that once more
        # in a process that goes on, so it gets a generator of its own.
        own = torch.Generator().manual_seed(epoch)
        yield from torch.utils.data.DataLoader(data, BATCH, sampler=order[begin * BATCH :], generator=own)
        epoch, begin = epoch + 1, 0


class Training:
    """What is trained, and all that the next step depends on."""

    def __init__(self, total: int) -> None:
        random.seed(7)
        self.rng = np.random.default_rng(7)
        torch.manual_seed(7)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(WIDTH, 64), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(64, 2)
        ).to(DEVICE)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-2)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, max_lr=1e-2, total_steps=total)
        self.n_done = 0

    def step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Learn from a batch; return its loss."""
        x = x + torch.from_numpy(0.1 * self.rng.standard_normal(x.shape)).to(x.dtype)
        if random.random() < 0.5:
            x[:, WIDTH // 2 :] *= -1.0  # what the class does not depend on
        loss = torch.nn.functional.cross_entropy(self.model(x.to(DEVICE)), y.to(DEVICE))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        self.n_done += 1
        return loss.item()

    def save(self, path: str) -> None:
        """Replace the checkpoint at once: whoever is killed here leaves the old one whole."""
        state = {
            "n_done": self.n_done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "python": random.getstate(),
            "numpy": self.rng.bit_generator.state,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        }
        with open(f"{path}.tmp", "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())  # else a power failure can leave the new name with nothing in it
        os.replace(f"{path}.tmp", path)

    def load(self, path: str) -> None:
        """Take the state of a checkpoint."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.n_done = state["n_done"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        random.setstate(state["python"])
        self.rng.bit_generator.state = state["numpy"]
        torch.set_rng_state(state["torch"])
        torch.cuda.set_rng_state_all(state["cuda"])


def main() -> None:
    """Train, saying a loss now and then; stop when asked."""
    parser = argparse.ArgumentParser(description="Train with PyTorch; can be paused at any step.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--checkpoint", default="pause_training.pt", help="what is saved when asked to pause")
    parser.add_argument("--every", type=int, default=STEPS_AN_EPOCH, help="steps between losses (default 40)")
    parser.add_argument("--digits", type=int, default=2, help="digits of a loss to print (default 2)")
    args = parser.parse_args()
    total = args.epochs * STEPS_AN_EPOCH
    training = Training(total)
    if os.path.exists(args.checkpoint):
        training.load(args.checkpoint)
    if training.n_done or gate.resuming:
        print(f"goes on after {training.n_done} of {total} steps", file=sys.stderr)
    data = batches(make_data(), training.n_done)
    while training.n_done < total:
        loss = training.step(*next(data))
        gate.progress(training.n_done, total)
        if training.n_done % args.every == 0:
            print(f"step {training.n_done}  loss {loss:.{args.digits}f}", flush=True)
        if gate.should_pause():
            training.save(args.checkpoint)
            gate.leave()
    print("done")
    if os.path.exists(args.checkpoint):
        os.unlink(args.checkpoint)


if __name__ == "__main__":
    main()
