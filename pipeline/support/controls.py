"""Samplers whose support size is known, measured by the same ruler as the generators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.support.pairs import search_pairs


def draw(law: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(samples,) independent indices of items with probabilities `law`, (n,)."""
    cumulative = np.cumsum(law)
    return np.searchsorted(cumulative, rng.random(samples) * cumulative[-1], side="right")


def true_n2(items: np.ndarray, law: np.ndarray, taus: Sequence[float]) -> list[float]:
    """N2 at each tau of items, (n, d) embedded, with probabilities `law`, (n,), by enumeration of all pairs.

    Two independent samples are near-duplicates with probability
        p2 = sum_i p_i^2 + 2 sum_{i < j, near} p_i p_j,
    an item with itself included: for equal probabilities 1 / p2 = n exactly where no two items are
    near-duplicates.
    """
    law = law / law.sum()
    p2 = np.full(len(taus), float(law @ law))
    if len(items) > 1:
        count = max(near.collisions for near in search_pairs(items, taus, closest=0).near)
        closest = search_pairs(items, closest=count).closest
        both = np.concatenate([[0.0], np.cumsum(2 * law[closest.first] * law[closest.second])])
        p2 += both[np.searchsorted(closest.distance, taus, side="right")]
    return [float(n2) for n2 in 1 / p2]


def uniform(n: int) -> np.ndarray:
    """All items equally likely."""
    return np.full(n, 1 / n)


def atom(n: int, mass: float) -> np.ndarray:
    """One item with this mass, the others equally likely: N2 = 1 / mass^2 or less, however many items."""
    law = np.full(n, (1 - mass) / (n - 1))
    law[0] = mass
    return law


def zipf(n: int, exponent: float) -> np.ndarray:
    """The k-th item with probability proportional to k^-exponent."""
    law: np.ndarray = np.arange(1.0, n + 1) ** -exponent
    return law / law.sum()


def jittered(images: np.ndarray, copies: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """(copies n, c, h, w) float32 in [0, 1]: each of the (n, c, h, w) uint8 images `copies` times, every
    pixel with its own Gaussian noise of standard deviation `noise`, so that no two are equal.
    """
    repeated = np.repeat(images.astype(np.float32) / 255, copies, axis=0)
    noisy: np.ndarray = repeated + np.float32(noise) * rng.standard_normal(repeated.shape, np.float32)
    return noisy.clip(0, 1)
