"""Embeddings: samples -> vectors whose Euclidean distance says how alike two samples look.

An embedding's name is its protocol: it stands in every row, and another protocol takes another name.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def pixels(samples: np.ndarray) -> np.ndarray:
    """(n, c, h, w) uint8, or float32 in [0, 1] -> (n, c*h*w) float32 in [0, 1]; points (n, d) as they are.

    Distance is the Euclidean one of Arora & Zhang 2017, in units of full intensity.
    """
    flat = samples.reshape(len(samples), -1)
    return flat / np.float32(255) if flat.dtype == np.uint8 else flat.astype(np.float32, copy=False)


EMBEDDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pixels": pixels}


def embed(name: str, samples: np.ndarray) -> np.ndarray:
    """(n, d) float32 C-contiguous vectors of the samples. Raises ValueError on NaN or infinity."""
    vectors = np.ascontiguousarray(EMBEDDINGS[name](samples))
    if not np.isfinite(vectors).all():
        raise ValueError(f"embedding {name!r}: samples hold NaN or infinity")
    return vectors
