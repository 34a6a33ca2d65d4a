"""What embeddings are given, and how networks go through it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pipeline.support.parallel import for_each

# Part of the protocol: a network always sees batches of this size, the last one filled up with zeros, each on
# one thread. Which kernel a library picks, and so the last bit of a vector, depends on the size of a batch.
BATCH = 32
# How far image values may lie outside [0, 1]: generators and resizing overshoot a little.
_OVERSHOOT = 0.01


def checked(samples: np.ndarray, points: bool) -> np.ndarray:
    """Images (n, c, h, w), or points (n, d) where they are allowed, as uint8 or float32.

    Raises ValueError for other shapes and types, no samples, NaN, infinity, and images far outside [0, 1].
    """
    samples = np.asarray(samples)
    if samples.ndim != 4 and not (points and samples.ndim == 2):
        allowed = "images (n, c, h, w) or points (n, d)" if points else "images (n, c, h, w)"
        raise ValueError(f"takes {allowed}, not shape {samples.shape}")
    if 0 in samples.shape:
        raise ValueError(f"no samples in shape {samples.shape}")
    if samples.dtype == np.uint8:
        return samples
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"takes uint8 or float32 samples, not {samples.dtype}")
    samples = samples.astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        raise ValueError("samples hold NaN or infinity")
    low, high = float(samples.min()), float(samples.max())
    if samples.ndim == 4 and not -_OVERSHOOT <= low <= high <= 1 + _OVERSHOOT:
        raise ValueError(f"float images must lie in [0, 1], not in [{low:g}, {high:g}]")
    return samples


def floats(samples: np.ndarray) -> np.ndarray:
    """The same as float32, full intensity being 1."""
    return samples / np.float32(255) if samples.dtype == np.uint8 else samples


def like_fitted(samples: np.ndarray, shape: np.ndarray) -> None:
    """Raises ValueError unless each sample has the shape the embedding was fitted on."""
    if samples.shape[1:] != tuple(shape):
        raise ValueError(f"was fitted on samples of shape {tuple(map(int, shape))}, not {samples.shape[1:]}")


def in_batches(network: Callable[[Tensor], Tensor], samples: np.ndarray) -> np.ndarray:
    """(n, ...) -> (n, d): a network, in evaluation mode, of (BATCH, ...) float32 -> (BATCH, d)."""
    starts = range(0, len(samples), BATCH)
    parts = [np.empty(0)] * len(starts)

    def work(k: int) -> None:
        rows = samples[starts[k] : starts[k] + BATCH]
        # Filled here, so that memory is aligned and strided alike wherever the samples came from.
        batch = torch.zeros((BATCH, *rows.shape[1:]))
        batch[: len(rows)] = torch.tensor(floats(rows))
        with torch.inference_mode():
            parts[k] = network(batch)[: len(rows)].numpy()

    for_each(work, range(len(starts)))
    return np.concatenate(parts)
