"""From collisions to support size.

With D_ij = 1 if samples i and j are near-duplicates, p2 = P(D = 1) is estimated without bias by the share of
colliding pairs, a U-statistic, and the support size is N2 = 1 / p2: the Renyi-2 effective support (Simpson's
index, Hill number of order 2), a lower bound on the number of distinct items and equal to it when they are
equally likely.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats


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


class Cluster(NamedTuple):
    """One of the largest clusters. first: its first sample. n2_without: N2 of the samples outside it and all
    larger ones; None if none of those collide.
    """

    first: int
    size: int
    mass: float
    n2_without: float | None


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
    largest = largest_clusters(degrees, labels, 1)
    return SupportSize(
        samples=s,
        pairs=pairs,
        collisions=collisions,
        p2=collisions / pairs,
        n2=pairs / collisions if collisions else None,
        n2_low=low,
        n2_high=high,
        method=method,
        clusters=int((np.bincount(labels) >= 2).sum()),
        largest_cluster_mass=largest[0].mass if largest else 0.0,
        n2_without_largest=largest[0].n2_without if largest else None,
    )


def largest_clusters(degrees: np.ndarray, labels: np.ndarray, count: int) -> list[Cluster]:
    """At most `count` clusters of at least two samples, the largest first, equally large ones by first
    sample. degrees, labels: (s,) as in `support_size`.
    """
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    edges = np.bincount(inverse, weights=degrees) / 2  # near-duplicates are never in different clusters
    rest, left = len(labels), float(degrees.sum()) / 2
    found = []
    for k in np.lexsort((first, -sizes))[:count]:
        if sizes[k] < 2:
            break
        rest, left = rest - int(sizes[k]), left - edges[k]
        without = rest * (rest - 1) / 2 / left if left else None
        found.append(Cluster(int(first[k]), int(sizes[k]), float(sizes[k] / len(labels)), without))
    return found


def interval(degrees: np.ndarray, confidence: float = 0.95) -> tuple[float, float | None, str]:
    """(low, high, method) for N2.

    The relative variance of the collision count C is that of a U-statistic,
        Var C / C^2 = 4 (s - 2) z1 / (s (s - 1) p2^2) + (1 - p2) / C,  z1 = P(i~j, i~k) - p2^2,
    where the triple term z1 comes from the degrees: without it (a Poisson interval) coverage falls to 5-55 %
    when some items are likelier than others. Each term gets the interval of what makes it. The second is that
    of C independent collisions: Garwood's exact Poisson interval (1936). The first is that of the pairs
    within one item seen m times, C ~ m^2, whose first term is 4 (m - 2) / (m (m - 1)): Garwood's interval of
    that m, squared. Their distances from log C add up in squares (MOVER; Zou & Donner 2008). No collision:
    the lower bound that C = 0 gives if no item is seen often, method `lower_bound`; see
    `lower_bound_of_any_law`.
    """
    s = len(degrees)
    pairs = s * (s - 1) / 2
    count = float(degrees.sum()) / 2
    if count == 0:
        return max(1.0, pairs / -np.log(1 - confidence)), None, "lower_bound"
    p2 = count / pairs
    triples = float((degrees * (degrees - 1)).sum()) / (s * (s - 1) * (s - 2)) if s > 2 else p2**2
    uneven = 4 * (s - 2) * max(triples - p2**2, 0.0) / (s * (s - 1) * p2**2)
    below, above = (np.sqrt(1 - p2) * d for d in _log_distances(count, confidence))
    if uneven > 0:
        b = 4 / uneven + 1
        m = (b + np.sqrt(max(b * b - 8 * (b - 1), 0.0))) / 2
        down, up = (2 * d for d in _log_distances(m, confidence))
        below, above = np.hypot(below, down), np.hypot(above, up)
    # p2 = 1 has no variance, but s equal samples leave an item of mass (tail)^(1/s) possible.
    high = ((1 - confidence) / 2) ** (-2 / s) if count == pairs else pairs / count * np.exp(below)
    return max(1.0, pairs / count * np.exp(-above)), max(1.0, high), "mover"


def lower_bound_of_any_law(samples: int, confidence: float = 0.95) -> float:
    """The N2 that `samples` samples without a collision leave possible, whatever the law.

    With n_i ~ Poisson(s p_i), log P(C = 0) = sum_i g((s p_i)^2) with g(u) = log(1 + sqrt u) - sqrt u, which
    is convex: for a given sum of p_i^2 it is largest where all of it sits in one item. So the bound is
    (s / m)^2 with (1 + m) exp(-m) = 1 - confidence.
    """
    m = optimize.brentq(lambda m: np.log1p(m) - m - np.log(1 - confidence), 0, 1e3)
    return float((samples / m) ** 2)


def _log_distances(count: float, confidence: float) -> tuple[float, float]:
    """How far Garwood's limits lie below and above a Poisson count, on the log scale."""
    tail = (1 - confidence) / 2
    low = stats.chi2.ppf(tail, 2 * count) / 2
    high = stats.chi2.ppf(1 - tail, 2 * (count + 1)) / 2
    return float(np.log(count / low)), float(np.log(high / count))
