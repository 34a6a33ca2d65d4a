"""Rules for tau, the distance up to which two samples count as near-duplicates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.support import kernels
from pipeline.support.pairs import search_pairs

LEAST = 10  # real pairs that a quantile must hold to mean anything


def real_quantiles(real: np.ndarray, quantiles: Sequence[float]) -> list[float]:
    """For each quantile the distance that this share of pairs of real vectors does not exceed.

    real: (n, d) embedded held-out images. It is the k-th smallest of all n(n-1)/2 distances, k =
    ceil(quantile * pairs), so that N2 of these images at tau is 1 / quantile, up to ties and rounding: what
    generators are compared with. Raises ValueError where there are too few pairs for a quantile to mean
    anything (k < 10).
    """
    pairs = len(real) * (len(real) - 1) // 2
    ranks = [math.ceil(quantile * pairs) for quantile in quantiles]
    for quantile, rank in zip(quantiles, ranks, strict=True):
        if rank < LEAST:
            raise ValueError(
                f"quantile {quantile:g} of {pairs} real pairs is {rank} pairs; at least {LEAST} are needed: "
                "take a larger quantile or a data set with more held-out images"
            )
    distance = search_pairs(real, closest=max(ranks)).closest.distance
    return [float(distance[rank - 1]) for rank in ranks]


def real_quantile(real: np.ndarray, quantile: float) -> float:
    """`real_quantiles` for one quantile."""
    return real_quantiles(real, [quantile])[0]


def augmentation_quantile(
    images: np.ndarray,
    embed: Callable[[np.ndarray], np.ndarray],
    quantile: float,
    *,
    shift: int,
    noise: float,
    rng: np.random.Generator,
) -> float:
    """The quantile of the distances of images to what a person would call the same image.

    images: (n, c, h, w) uint8. Each is moved by up to `shift` pixels in each direction, edges repeated, and
    every pixel gets Gaussian noise of standard deviation `noise`, full intensity being 1. embed: images to
    (n, d) float32.
    """
    return float(np.quantile(_to_itself(images, embed, shift, noise, rng), quantile))


def _to_itself(
    images: np.ndarray,
    embed: Callable[[np.ndarray], np.ndarray],
    shift: int,
    noise: float,
    rng: np.random.Generator,
) -> np.ndarray:
    original = images.astype(np.float32) / 255
    edges = np.pad(original, ((0, 0), (0, 0), (shift, shift), (shift, shift)), mode="edge")
    down, right = rng.integers(0, 2 * shift + 1, (2, len(images), 1, 1, 1))
    channel = np.arange(images.shape[1])[None, :, None, None]
    row, column = np.arange(images.shape[2])[None, None, :, None], np.arange(images.shape[3])
    moved = edges[np.arange(len(images))[:, None, None, None], channel, row + down, column + right]
    moved = moved + noise * rng.standard_normal(moved.shape, np.float32)
    x, y = embed(original), embed(moved.clip(0, 1))
    out, each = np.empty(len(x)), np.arange(len(x))
    kernels.distances(x, y, each, each, out)
    return out
