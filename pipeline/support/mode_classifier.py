"""Which mode of stacked MNIST an image belongs to: a digit classifier, asked about each channel.

The instrument of VEEGAN and PacGAN for the 1,000 modes of stacked MNIST. Every channel of an image is some
digit to it, noise too: a mode that is reached need not be one that looks real.
"""

from __future__ import annotations

import numpy as np
import safetensors.numpy
import torch

from pipeline.support.embeddings import network
from pipeline.support.embeddings.images import checked, in_batches, like_fitted

DIGITS = 10
FEATURES = 128
STEPS = 2500
BATCH_SIZE = 64
LEARNING_RATE = 2e-3

# Parameters by name, and `shape`, the (1, h, w) of the images.
Model = dict[str, np.ndarray]


def fit(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, steps: int = STEPS) -> Model:
    """Train on (n, 1, h, w) uint8 images, or float32 in [0, 1], with digits (n,), by cross-entropy.

    All randomness comes from rng; the same on one machine with one number of threads. Raises ValueError for
    samples it cannot take, for labels other than (n,) digits 0..9.
    """
    images = checked(images, points=False)
    if images.shape[1] != 1:
        raise ValueError(f"takes images of one channel, not {images.shape[1]}: see `channels`")
    if labels.shape != (len(images),) or not ((labels >= 0) & (labels < DIGITS)).all():
        raise ValueError(f"needs one digit 0..9 an image: {labels.shape} labels of {len(images)} images")
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    tree = network.classifier(images, labels, DIGITS, FEATURES, steps, BATCH_SIZE, LEARNING_RATE, generator)
    return {name: tensor.numpy().copy() for name, tensor in tree.items()} | {
        "shape": np.array(images.shape[1:])
    }


def predict(model: Model, images: np.ndarray) -> np.ndarray:
    """(n,) int64 digits of (n, 1, h, w) images like those of `fit`. Raises ValueError for others."""
    images = checked(images, points=False)
    like_fitted(images, model["shape"])
    tree = {name: torch.tensor(array) for name, array in model.items() if name != "shape"}
    return in_batches(lambda x: network.logits(tree, x), images).argmax(1)


def fit_stacked(
    samples: np.ndarray, modes: np.ndarray, rng: np.random.Generator, steps: int = STEPS
) -> Model:
    """`fit` on every channel of (n, 3, h, w) stacked images with modes 100 a + 10 b + c, (n,)."""
    digits = np.stack([modes // 100, modes // 10 % 10, modes % 10], 1)
    return fit(channels(samples), digits.reshape(-1), rng, steps)


def modes_of(model: Model, samples: np.ndarray) -> np.ndarray:
    """(n,) int64 modes 100 a + 10 b + c of (n, 3, h, w) stacked images, by the digits of their channels."""
    return predict(model, channels(samples)).reshape(len(samples), 3) @ np.array([100, 10, 1])


def channels(samples: np.ndarray) -> np.ndarray:
    """(n, 3, h, w) -> (3 n, 1, h, w): each channel an image. Raises ValueError for other shapes."""
    if samples.ndim != 4 or samples.shape[1] != 3:
        raise ValueError(f"takes images (n, 3, h, w), not shape {samples.shape}")
    return samples.reshape(-1, 1, *samples.shape[2:])


def pack(model: Model) -> bytes:
    """Its bytes in the safetensors format."""
    return safetensors.numpy.save(model)


def unpack(data: bytes) -> Model:
    """What `pack` made. Raises ValueError for other bytes."""
    try:
        return safetensors.numpy.load(data)
    except Exception as error:
        raise ValueError(f"these bytes hold no mode classifier: {error}") from error
