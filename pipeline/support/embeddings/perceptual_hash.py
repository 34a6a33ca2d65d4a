"""The 64-bit perceptual hash of the Python package ImageHash (`phash`), as a vector of bits."""

from __future__ import annotations

import numpy as np
from scipy import fft

from pipeline.embedding_options import PerceptualHash
from pipeline.support.embeddings.kind import Kind, State

_SIDE, _KEPT = 32, 8
# Coefficients are sums of at most 2^20 in size, which float64 gets right to 1e-9. Those that are equal, as in
# symmetric and in constant images, must not be ordered by what is left.
_DECIMALS = 6


def embed(options: PerceptualHash, state: State, samples: np.ndarray) -> np.ndarray:
    """(n, c, h, w), c 1 or 3 -> (n, 64) float32 of 0 and 1; squared Euclidean distance = Hamming distance.

    Bit (u, v) of the 8x8 lowest frequencies of the 2-d cosine transform of the image, grey and resized to
    32x32 (Lanczos), says whether that coefficient exceeds their median. Float images are rounded to 8 bits.
    """
    coefficients = fft.dctn(_grey(samples).astype(np.float64), axes=(1, 2))[:, :_KEPT, :_KEPT]
    coefficients = coefficients.reshape(len(samples), -1).round(_DECIMALS)
    bits = coefficients > np.median(coefficients, axis=1, keepdims=True)
    return bits.astype(np.float32)


def _grey(samples: np.ndarray) -> np.ndarray:
    """(n, 32, 32) uint8, by Pillow's luminance and filter."""
    from PIL import Image

    if samples.shape[1] not in (1, 3):
        raise ValueError(f"takes images of 1 or 3 channels, not {samples.shape[1]}")
    if samples.dtype != np.uint8:
        samples = np.rint(samples.clip(0, 1) * np.float32(255)).astype(np.uint8)
    out = np.empty((len(samples), _SIDE, _SIDE), np.uint8)
    for k, image in enumerate(samples):
        pillow = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).convert("L")
        out[k] = np.asarray(pillow.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
    return out


PERCEPTUAL_HASH = Kind(lambda options, data: ({}, {}), embed)
