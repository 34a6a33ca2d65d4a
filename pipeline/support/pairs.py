"""All pairs of s samples by distance: those within tau, the closest ones, and the histogram.

Exact means: as if every distance were sqrt(sum((x_i - x_j)^2)) computed in float64, whatever the block size,
thread count, processor, magnitude or offset of the data, ties and exact duplicates included.

Integer products filter, float64 decides. The centred samples y are rounded to integers, q = rint(y / h).
Products of integers are exact in any order and any precision that holds them (see `quantized.py`), so the
filter's distances f_ij = h |q_i - q_j| are the same on every machine. With r = max_i |y_i - h q_i|, which is
known, the triangle inequality gives
    |f_ij - d_ij| <= 2 r,
so a pair with f > t + 2r is farther apart than t, one with f <= t - 2r is not, and those between are computed
directly. Where 8 bits leave too many between (r is 0.3 h sqrt(d)), the block is filtered again with 16, where
r is 256 times smaller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from pipeline.support.clusters import Clusters
from pipeline.support.histogram import Histogram, PairHistogram
from pipeline.support.quantized import Quantized, Rounding

# Coordinates computed directly per block before filtering it again, more finely, is cheaper.
DIRECT = 1 << 22


class Closest(NamedTuple):
    """The closest pairs by (distance, first, second), first < second."""

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray


class PairCounts(NamedTuple):
    """Pairs at distance <= tau. degrees: (s,) near-duplicates of each sample. labels: (s,) cluster of each
    sample.
    """

    collisions: int
    degrees: np.ndarray
    labels: np.ndarray


class PairSearch(NamedTuple):
    """What is known of all s(s-1)/2 pairs. near is None where no tau was given."""

    samples: int
    histogram: PairHistogram
    closest: Closest
    near: PairCounts | None


def search_pairs(
    x: np.ndarray, tau: float | None = None, *, closest: int = 1000, block: int = 1024
) -> PairSearch:
    """Search all pairs of the rows of x, (s, d) float32 (other floats are rounded to it).

    tau: distance up to which a pair is a near-duplicate. closest: how many of the closest pairs to keep; up
    to the last of them the histogram is exact. Memory is O(s d + block^2) and the pairs kept. Raises
    ValueError for fewer than two samples or values that are not finite.
    """
    x = np.ascontiguousarray(x, np.float32)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"a pair search needs (s, d) samples with s >= 2, not shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("samples hold NaN or infinity")
    quantized = Quantized(x)
    histogram = Histogram(quantized.coarse.step)
    best = _Best(x, min(closest, len(x) * (len(x) - 1) // 2))
    near = _Near(x, -1.0 if tau is None else tau)
    for i in range(0, len(x), block):
        for j in range(i, len(x), block):
            squares = quantized.squared_distances(i, j, block)
            histogram.add(squares)
            rounding = quantized.coarse
            flat = _up_to(squares, rounding.above(max(near.tau, best.reach(squares, rounding))))
            if len(flat) * x.shape[1] > DIRECT:
                squares = quantized.fine_squared_distances(i, j, block)
                rounding = quantized.fine
                flat = _up_to(squares, rounding.above(max(near.tau, best.reach(squares, rounding))))
            first, second = np.divmod(flat, squares.shape[1])
            candidates = Candidates(first + i, second + j, squares.numpy().ravel()[flat], rounding)
            best.add(candidates)
            near.add(candidates)
    return PairSearch(
        len(x),
        histogram.result(quantized, best.result),
        best.result,
        near.result() if tau is not None else None,
    )


def direct(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances of the given pairs of rows, term by term in float64: the definition."""
    out = np.empty(len(first))
    step = max(1, 2**17 // x.shape[1])  # a cache's worth
    for k in range(0, len(first), step):
        difference = x[first[k : k + step]].astype(np.float64)
        difference -= x[second[k : k + step]]
        np.square(difference, out=difference)
        difference.sum(1, out=out[k : k + step])
    return np.sqrt(out, out=out)


def _up_to(squares: Tensor, limit: int) -> np.ndarray:
    return np.flatnonzero((squares <= limit).numpy())


class Candidates(NamedTuple):
    """Pairs that may be near, with their integer squared distances and how these were rounded."""

    first: np.ndarray
    second: np.ndarray
    squares: np.ndarray
    rounding: Rounding


class _Near:
    """Counts the pairs at distance <= tau, their degrees and clusters, without keeping them."""

    def __init__(self, x: np.ndarray, tau: float) -> None:
        self.x, self.tau = x, tau
        self.collisions = 0
        self.degrees = np.zeros(len(x), np.int64)
        self.clusters = Clusters(len(x))

    def add(self, c: Candidates) -> None:
        near = c.squares <= c.rounding.below(self.tau)
        doubtful = np.flatnonzero(~near & (c.squares <= c.rounding.above(self.tau)))
        near[doubtful] = direct(self.x, c.first[doubtful], c.second[doubtful]) <= self.tau
        first, second = c.first[near], c.second[near]
        if len(first):
            self.collisions += len(first)
            self.degrees += np.bincount(first, minlength=len(self.x)) + np.bincount(
                second, minlength=len(self.x)
            )
            self.clusters.join(first, second)

    def result(self) -> PairCounts:
        return PairCounts(self.collisions, self.degrees, self.clusters.labels())


class _Best:
    """Keeps the closest pairs seen so far."""

    def __init__(self, x: np.ndarray, size: int) -> None:
        self.x, self.size = x, size
        self.result = Closest(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

    def reach(self, squares: Tensor, rounding: Rounding) -> float:
        """A distance beyond which no pair of this block can be among the closest."""
        if self.size == 0:
            return -1.0
        if len(self.result.first) == self.size:
            return float(self.result.distance[-1])
        if squares.numel() <= self.size:
            return np.inf
        kth = np.partition(squares.numpy().ravel(), self.size - 1)[self.size - 1]
        return np.inf if kth > rounding.largest else rounding.distance(kth) + rounding.radius

    def add(self, c: Candidates) -> None:
        best = self.result
        if self.size == 0:
            return
        fresh = np.ones(len(c.first), bool)
        if len(best.first) == self.size:
            fresh = c.squares <= c.rounding.above(best.distance[-1])
            if best.distance[-1] == 0:
                # Only an earlier pair can still displace one of distance 0.
                fresh &= (c.first < best.first[-1]) | (
                    (c.first == best.first[-1]) & (c.second < best.second[-1])
                )
        first, second = c.first[fresh], c.second[fresh]
        if not len(first):
            return
        distance = np.concatenate([best.distance, direct(self.x, first, second)])
        first, second = np.concatenate([best.first, first]), np.concatenate([best.second, second])
        order = np.lexsort((second, first, distance))[: self.size]
        self.result = Closest(first[order], second[order], distance[order])
