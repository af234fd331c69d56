"""Train a small network on digits that are drawn here, in plain numpy: half a minute of honest work.

    lowtide run --name digits --zone DE -- python examples/train_digits.py

Every image starts from a 5 x 7 bitmap of a digit. It is scaled and shifted by chance on a finer grid, some of
its pixels fade, it is blurred and noise is added: 20 x 20 pixels that nobody needs to download and that are
the same everywhere, because the generator is seeded. The network has two hidden layers and learns by gradient
descent with momentum. All is in float64, so that processors differ in digits that are not printed.
"""

from __future__ import annotations

import argparse
import os
from itertools import pairwise

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are not worth a second thread
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Layers = list[tuple[Array, Array]]

SIDE = 20
BATCH, BATCHES = 200, 150
TEST_IMAGES = 5_000
FONT = """
.###.  ..#..  .###.  #####  ...#.  #####  ..##.  #####  .###.  .###.
#...#  .##..  #...#  ...#.  ..##.  #....  .#...  ....#  #...#  #...#
#..##  ..#..  ....#  ..#..  .#.#.  ####.  #....  ...#.  #...#  #...#
#.#.#  ..#..  ...#.  ...#.  #..#.  ....#  ####.  ..#..  .###.  .####
##..#  ..#..  ..#..  ....#  #####  ....#  #...#  .#...  #...#  ....#
#...#  ..#..  .#...  #...#  ...#.  #...#  #...#  .#...  #...#  ...#.
.###.  .###.  #####  .###.  ...#.  .###.  .###.  .#...  .###.  .##..
"""


def read_font() -> Array:
    """Return the ten bitmaps, shape (10, 7, 5), 1.0 where there is ink."""
    rows = [line.split() for line in FONT.split("\n") if line]
    return np.array([[[float(dot == "#") for dot in row[digit]] for row in rows] for digit in range(10)])


def draw_digits(n: int, rng: np.random.Generator) -> tuple[Array, Labels]:
    """Return `n` images of shape (n, SIDE * SIDE) and the digits they show."""
    labels = rng.integers(0, 10, n)
    fading = 1.0 - 0.6 * rng.random((n, 7, 5))
    bitmaps = np.pad(read_font()[labels] * fading, ((0, 0), (1, 1), (1, 1)))  # a frame without ink
    height, width = rng.uniform(9.0, 17.0, n), rng.uniform(7.0, 15.0, n)
    top = (SIDE - height) * rng.uniform(0.25, 0.75, n)
    left = (SIDE - width) * rng.uniform(0.25, 0.75, n)
    pixels = np.arange(SIDE) + 0.5
    row = np.clip((pixels - top[:, None]) / height[:, None] * 7, -1.0, 7.5).astype(np.int64) + 1
    column = np.clip((pixels - left[:, None]) / width[:, None] * 5, -1.0, 5.5).astype(np.int64) + 1
    row[pixels < top[:, None]] = 0
    column[pixels < left[:, None]] = 0
    images = bitmaps[np.arange(n)[:, None, None], row[:, :, None], column[:, None, :]]
    images = blur(blur(images, axis=1), axis=2) + rng.normal(0.0, 0.2, images.shape)
    return images.reshape(n, -1), labels


def blur(images: Array, *, axis: int) -> Array:
    """Return images with each pixel mixed with its neighbours along an axis."""
    return 0.5 * images + 0.25 * (np.roll(images, 1, axis) + np.roll(images, -1, axis))


def make_layers(sizes: list[int], rng: np.random.Generator) -> Layers:
    """Return weights and biases for layers of these sizes."""
    return [(rng.normal(0.0, a**-0.5, (a, b)), np.zeros(b)) for a, b in pairwise(sizes)]


def forward(layers: Layers, x: Array) -> list[Array]:
    """Return the input, every hidden layer's values, and the probabilities of the ten digits."""
    values = [x]
    for weights, bias in layers[:-1]:
        values.append(np.tanh(values[-1] @ weights + bias))
    weights, bias = layers[-1]
    scores = values[-1] @ weights + bias
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return [*values, powers / powers.sum(axis=1, keepdims=True)]


def gradients(layers: Layers, values: list[Array], labels: Labels) -> Layers:
    """Return the gradient of the mean cross-entropy for every layer."""
    error = values[-1].copy()
    error[np.arange(len(labels)), labels] -= 1.0
    error /= len(labels)
    found: Layers = []
    for i in range(len(layers) - 1, -1, -1):
        found.insert(0, (values[i].T @ error, error.sum(axis=0)))
        if i > 0:
            error = (error @ layers[i][0].T) * (1.0 - values[i] ** 2)
    return found


def train_epoch(layers: Layers, speeds: Layers, rate: float, rng: np.random.Generator) -> float:
    """Learn from minibatches of new drawings; return the mean loss."""
    losses = []
    for _ in range(BATCHES):
        images, labels = draw_digits(BATCH, rng)
        values = forward(layers, images)
        losses.append(-np.log(values[-1][np.arange(BATCH), labels]).mean())
        for layer, speed, gradient in zip(layers, speeds, gradients(layers, values, labels), strict=True):
            for parameter, momentum, slope in zip(layer, speed, gradient, strict=True):
                momentum *= 0.9
                momentum -= rate * (slope + 1e-4 * parameter)
                parameter += momentum
    return float(np.mean(losses))


def accuracy(layers: Layers, x: Array, labels: Labels) -> float:
    """Return the share of images that are recognised."""
    return float((forward(layers, x)[-1].argmax(axis=1) == labels).mean())


def main() -> None:
    """Draw, train, and say how well it went."""
    parser = argparse.ArgumentParser(description="Train a small network on digits that are drawn here.")
    parser.add_argument("--epochs", type=int, default=16, help="of 30000 new drawings each (default 16)")
    n_epochs = parser.parse_args().epochs
    rng = np.random.default_rng(7)
    test_images, test_labels = draw_digits(TEST_IMAGES, rng)
    layers = make_layers([SIDE * SIDE, 320, 160, 10], rng)
    speeds = [(np.zeros_like(weights), np.zeros_like(bias)) for weights, bias in layers]
    print(f"{BATCH * BATCHES} new drawings of {SIDE} x {SIDE} pixels an epoch, {TEST_IMAGES} to be tested on")
    for epoch in range(1, n_epochs + 1):
        loss = train_epoch(layers, speeds, 0.1 / (1.0 + 0.2 * epoch), rng)
        share = accuracy(layers, test_images, test_labels)
        print(f"epoch {epoch:2d}  loss {loss:.3f}  test accuracy {share:.3f}", flush=True)
    print(f"digits recognised: {100 * accuracy(layers, test_images, test_labels):.1f} %")


if __name__ == "__main__":
    main()
