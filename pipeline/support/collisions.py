"""From collisions to support size.

With D_ij = 1 if samples i and j are near-duplicates, p2 = P(D = 1) is estimated without bias by the share of
colliding pairs, a U-statistic, and the support size is N2 = 1 / p2: the Renyi-2 effective support (Simpson's
index, Hill number of order 2), a lower bound on the number of distinct items and equal to it when they are
equally likely.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

# Up to this many collisions the counts are too few for a normal interval on the log scale.
FEW = 50


class SupportSize(NamedTuple):
    """A support size with its interval. n2: None if nothing collided. n2_high: None if unbounded."""

    samples: int
    pairs: int
    collisions: int
    p2: float
    n2: float | None
    n2_low: float
    n2_high: float | None
    method: str
    clusters: int
    largest_cluster_mass: float
    n2_without_largest: float | None


def support_size(degrees: np.ndarray, labels: np.ndarray, confidence: float = 0.95) -> SupportSize:
    """Support size of s independent samples from their near-duplicate graph.

    degrees: (s,) near-duplicates of each sample. labels: (s,) cluster of each sample. `clusters` counts those
    of at least two samples; `n2_without_largest` is N2 of the samples outside the largest one. Raises
    ValueError for fewer than two samples.
    """
    s = len(degrees)
    if s < 2:
        raise ValueError("a support size needs at least two samples")
    pairs = s * (s - 1) // 2
    collisions = int(degrees.sum()) // 2
    low, high, method = interval(degrees, confidence)
    sizes = np.bincount(labels)
    largest = int(sizes.argmax())
    outside = labels != largest
    rest, rest_collisions = int(outside.sum()), int(degrees[outside].sum()) // 2
    alone = sizes[largest] < 2
    return SupportSize(
        samples=s,
        pairs=pairs,
        collisions=collisions,
        p2=collisions / pairs,
        n2=pairs / collisions if collisions else None,
        n2_low=low,
        n2_high=high,
        method=method,
        clusters=int((sizes >= 2).sum()),
        largest_cluster_mass=0.0 if alone else float(sizes[largest] / s),
        n2_without_largest=rest * (rest - 1) / 2 / rest_collisions if rest_collisions else None,
    )


def interval(degrees: np.ndarray, confidence: float = 0.95) -> tuple[float, float | None, str]:
    """(low, high, method) for N2.

    The variance of the collision count C is that of the U-statistic,
        Var C = pairs [2 (s - 2) z1 + p2 (1 - p2)],  z1 = P(i~j, i~k) - p2^2,
    where the triple term z1 comes from the degrees: without it (a Poisson interval) coverage falls to 5-55 %
    when some items are likelier than others. Many collisions: normal on the log scale. Few: Garwood's exact
    Poisson interval, with counts in units of the dispersion Var C / C where clusters make it exceed one.
    None: the exact lower bound.
    """
    s = len(degrees)
    pairs = s * (s - 1) / 2
    count = float(degrees.sum()) / 2
    tail = (1 - confidence) / 2
    if count == 0:
        return pairs / -np.log(2 * tail), None, "lower_bound"
    p2 = count / pairs
    triples = float((degrees * (degrees - 1)).sum()) / (s * (s - 1) * (s - 2)) if s > 2 else p2**2
    variance = pairs * (2 * (s - 2) * max(triples - p2**2, 0.0) + p2 * (1 - p2))
    if count > FEW:
        width = stats.norm.ppf(1 - tail) * np.sqrt(variance) / count
        return pairs / (count * np.exp(width)), pairs / (count * np.exp(-width)), "u_statistic"
    dispersion = max(1.0, variance / count)
    units = count / dispersion
    lower = dispersion * stats.chi2.ppf(tail, 2 * units) / 2
    upper = dispersion * stats.chi2.ppf(1 - tail, 2 * (units + 1)) / 2
    return pairs / min(upper, pairs), pairs / lower if lower > 0 else None, "poisson"
