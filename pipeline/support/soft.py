"""The soft birthday test: a support size in which a pair counts by how near it is, not by whether it is
within tau. It is the collision estimator with the similarity of the Vendi score of order 2 (Friedman & Dieng
2022; Pasarkar & Dieng 2023) in place of the indicator.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.support.histogram import PairHistogram


class SoftSupport(NamedTuple):
    """n2: None if no pair is near enough to count. low, high: what the histogram's bins leave possible, high
    None if unbounded. They are no confidence interval.
    """

    n2: float | None
    low: float
    high: float | None


def soft_support(histogram: PairHistogram, tau: float) -> SoftSupport:
    """N_soft = pairs / sum_{i<j} k(d_ij)^2 with k(d) = exp(-d^2 / (2 h^2)), from a histogram of distances.

    h = tau / sqrt(ln 2), in units of the distances, so that a pair counts k^2 = 2^(-(d / tau)^2): 1 for exact
    duplicates, 1/2 at tau, 1/16 at 2 tau. 1 / N_soft estimates E k(d)^2 without bias: N2 with a softer notion
    of near-duplicate, and N2 itself where all distances are 0 or far beyond tau.

    The Vendi score of order 2 of s samples under k is VS = s^2 / sum_{ij} k_ij^2, self-pairs included, so
    that 1 / VS = 1 / s + (1 - 1 / s) / N_soft: they cap it at s, which is why they are left out here.

    In many dimensions most pairs are about equally far apart, and what all of them count together may
    outweigh the near ones: N_soft is then about 2^((typical d / tau)^2), whatever the duplicates.

    low and high take each bin's pairs at its edges, moved by the histogram's resolution where its counts are
    not exact; n2 takes them at the middle, which came within 3 % of the sum over pairs where tau was the 1e-3
    quantile of 1,500 Gaussians' distances. Raises ValueError unless tau > 0 and the histogram holds a pair.
    """
    pairs = int(histogram.counts.sum())
    if not tau > 0:
        raise ValueError(f"tau must be positive, not {tau:g}")
    if pairs == 0:
        raise ValueError("a support size needs at least one pair")
    nearest, farthest = _edges(histogram)
    middle, high, low = (
        float(histogram.counts @ _weight(d, tau)) / pairs
        for d in ((histogram.low + histogram.high) / 2, nearest, farthest)
    )
    return SoftSupport(
        n2=1 / middle if middle else None,
        low=1 / high if high else np.inf,
        high=1 / low if low else None,
    )


def _weight(distance: np.ndarray, tau: float) -> np.ndarray:
    return np.exp2(-((distance / tau) ** 2))


def _edges(histogram: PairHistogram) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest distance that the pairs of each bin can have. Those whose distance is not
    known exactly are at `exact_below` or above it.
    """
    low, high, _, exact_below, resolution = histogram
    nearest = np.maximum(low - resolution, np.minimum(low, exact_below))
    return nearest, np.where(high <= exact_below, high, high + resolution)
