"""Samplers whose support size is known, measured by the same ruler as the generators."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.support.pairs import search_pairs


class Control(NamedTuple):
    """indices: (samples,) which of the N items each sample is. n2_true: exact, by enumeration of all pairs of
    items.
    """

    indices: np.ndarray
    n2_true: float


def finite_support(items: np.ndarray, samples: int, tau: float, rng: np.random.Generator) -> Control:
    """Independent uniform samples of N items, (N, d) embedded.

    Two independent samples are near-duplicates with probability p2 = (N + 2 C) / N^2, where C counts the
    pairs of distinct items within tau and N the pairs of an item with itself: 1 / p2 = N exactly where no two
    items are near-duplicates.
    """
    n = len(items)
    near = search_pairs(items, tau, closest=0).near if n > 1 else None
    alike = near.collisions if near else 0
    return Control(rng.integers(0, n, samples), n**2 / (n + 2 * alike))
