"""Stacked MNIST: three digits as the channels of an image, 1,000 modes (Metz et al. 2017, VEEGAN, PacGAN)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.datasets.dataset import DataSet
from pipeline.datasets.mnist import load_idx_files
from pipeline.options import Mnist, StackedMnist
from pipeline.seeds import stream

CHANNELS = 3
HELD_OUT = 10_000


def load_stacked_mnist(options: StackedMnist, data_root: Path | None) -> DataSet:
    """(size, 3, side, side) and (10000, 3, side, side) uint8; label 100 a + 10 b + c of the digits a, b, c.

    Each channel is drawn from all MNIST images of its part, independently: training images for `train`, test
    images for the held-out ones. MNIST's digits are not equally frequent, so neither are the modes: in the
    law of the training images they have mass 0.00074 (555) to 0.00142 (111), and its KL divergence from equal
    masses is 0.0043 nats. A larger size begins with the smaller.
    Raises InputError where MNIST is missing or damaged.
    """
    mnist = load_idx_files(Mnist(name="mnist"), data_root)
    train, train_labels = _stack("train", mnist.train, mnist.train_labels, options.size, options.side)
    held_out, held_out_labels = _stack(
        "held_out", mnist.held_out, mnist.held_out_labels, HELD_OUT, options.side
    )
    return DataSet(options.name, train, held_out, train_labels, held_out_labels)


def _stack(
    role: str, images: np.ndarray, labels: np.ndarray | None, count: int, side: int
) -> tuple[np.ndarray, np.ndarray]:
    assert labels is not None
    border = (side - images.shape[-1]) // 2
    padded = np.pad(images[:, 0], ((0, 0), (border, border), (border, border)))
    chosen = stream("stacked_mnist", role).integers(len(images), size=(count, CHANNELS))
    return padded[chosen], labels[chosen] @ np.array([100, 10, 1])
