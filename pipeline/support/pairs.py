"""All pairs of s samples by distance: those within tau, the closest ones, and the histogram.

Exact means: as if every distance were sqrt(sum((x_i - x_j)^2)) computed in float64, whatever the block size,
thread count, processor, magnitude or offset of the data, ties and exact duplicates included.

Integer products filter, float64 decides. The centred samples y are rounded to integers, q = rint(y / h).
Products of integers are exact in any order and any precision that holds them (see `blocks.py`), so the
filter's distances f_ij = h |q_i - q_j| are the same on every machine. With r = max_i |y_i - h q_i|, which is
known, the triangle inequality gives
    |f_ij - d_ij| <= 2 r,
so a pair with f > t + 2r is farther apart than t, one with f <= t - 2r is not, and those between are computed
directly. Where 8 bits leave too many between (r is 0.3 h sqrt(d)), the block is filtered again with 16, where
r is 256 times smaller.

Pairs fall into tiles, which may be searched anywhere: `search_pairs` = `quantize`, `search_tile`, `join`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from pipeline.support import kernels
from pipeline.support.blocks import Blocks, CpuBlocks, TorchBlocks
from pipeline.support.clusters import Clusters
from pipeline.support.histogram import RAW_BINS, PairHistogram, histogram
from pipeline.support.parallel import for_each
from pipeline.support.quantized import Quantized, Rounding, quantize

# Coordinates computed directly per block before filtering it again, more finely, is cheaper.
DIRECT = 1 << 25
# Pairs that wait until those beyond reach are left out.
PENDING = 1 << 14
CPU_BLOCK, CUDA_BLOCK = 1024, 8192


class Closest(NamedTuple):
    """The closest pairs by (distance, first, second), first < second."""

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray


class PairCounts(NamedTuple):
    """Pairs at distance <= tau.

    degrees: (s,) int64 near-duplicates of each sample. labels: (s,) int64 cluster of each sample, numbered by
    first appearance. previous: (s,) int64 the last earlier near-duplicate of each sample, -1 if it has none.
    """

    tau: float
    collisions: int
    degrees: np.ndarray
    labels: np.ndarray
    previous: np.ndarray


class PairSearch(NamedTuple):
    """What is known of all s(s-1)/2 pairs. near: one for each tau asked for, in that order."""

    samples: int
    histogram: PairHistogram
    closest: Closest
    near: tuple[PairCounts, ...]


class Near(NamedTuple):
    """A tile's pairs within one tau: as in PairCounts, but for the tile's own samples, in its order."""

    collisions: int
    degrees: np.ndarray
    labels: np.ndarray
    previous: np.ndarray


class Tile(NamedTuple):
    """What is known of the pairs of one tile. samples: (n,) int64 which of all samples the tile holds."""

    samples: np.ndarray
    counts: np.ndarray
    closest: Closest
    near: tuple[Near, ...]


def search_pairs(
    x: np.ndarray,
    taus: Sequence[float] = (),
    *,
    closest: int = 1000,
    block: int | None = None,
    device: str | torch.device = "cpu",
) -> PairSearch:
    """Search all pairs of the rows of x, (s, d) float32 (other floats are rounded to it).

    taus: distances up to which a pair is a near-duplicate. closest: how many of the closest pairs to keep; up
    to the last of them the histogram is exact. block: rows and columns looked at together; no result depends
    on it, nor on the device. Uses torch.get_num_threads() threads. Memory is O(s d + threads block^2) and the
    pairs kept. Raises ValueError for fewer than two samples or values that are not finite.
    """
    quantized = quantize(checked(x))
    everything = range(len(x))
    tile = search_tile(quantized, everything, everything, taus, closest, block, device)
    return join(quantized, taus, closest, [tile])


def checked(x: np.ndarray) -> np.ndarray:
    """x as (s, d) float32. Raises ValueError for other shapes and fewer than two samples."""
    if x.ndim != 2 or len(x) < 2 or x.shape[1] == 0:
        raise ValueError(f"a pair search needs (s, d) samples with s >= 2, not shape {x.shape}")
    return np.ascontiguousarray(x, np.float32)


def tiles(samples: int, side: int) -> list[tuple[range, range]]:
    """Row and column ranges that hold every pair of the samples once, at most side x side each."""
    parts = [range(k, min(k + side, samples)) for k in range(0, samples, side)]
    return [(rows, columns) for k, rows in enumerate(parts) for columns in parts[k:]]


def search_tile(
    quantized: Quantized,
    rows: range,
    columns: range,
    taus: Sequence[float],
    closest: int,
    block: int | None = None,
    device: str | torch.device = "cpu",
) -> Tile:
    """Search the pairs of `rows` with `columns`: the same range, or one that comes after it."""
    device = torch.device(device)
    side = min(block or (CUDA_BLOCK if device.type == "cuda" else CPU_BLOCK), len(rows))
    if device.type != "cpu":
        side = -(-side // 32) * 32  # CUDA multiplies integers in whole tiles only
    search = _Search(quantized, rows, columns, taus, closest)
    own = threading.local()
    all_blocks: list[Blocks] = []

    def work(corner: tuple[int, int]) -> None:
        if not hasattr(own, "blocks"):
            own.blocks = (
                CpuBlocks(quantized, side, rows.stop, columns.stop)
                if device.type == "cpu"
                else TorchBlocks(quantized, side, rows.stop, columns.stop, device)
            )
            all_blocks.append(own.blocks)
        search.block(own.blocks, *corner)

    corners = [
        (i, j)
        for i in range(rows.start, rows.stop, side)
        for j in range(columns.start, columns.stop, side)
        if j >= i
    ]
    if device.type == "cpu":
        for_each(work, corners)
    else:
        for corner in corners:
            work(corner)
    return search.tile(sum((b.counts() for b in all_blocks), np.zeros(RAW_BINS, np.int64)))


def join(quantized: Quantized, taus: Sequence[float], closest: int, parts: Iterable[Tile]) -> PairSearch:
    """The search of all pairs from those of its tiles, in whatever order they come."""
    s = len(quantized.x)
    counts = np.zeros(RAW_BINS, np.int64)
    best = _Best(quantized.x, closest)
    collisions = [0] * len(taus)
    degrees = np.zeros((len(taus), s), np.int64)
    previous = np.full((len(taus), s), -1)
    clusters = [Clusters(s) for _ in taus]
    for part in parts:
        counts += part.counts
        best.add(*part.closest, part.closest.distance)
        for k, near in enumerate(part.near):
            collisions[k] += near.collisions
            degrees[k, part.samples] += near.degrees
            previous[k, part.samples] = np.maximum(previous[k, part.samples], near.previous)
            clusters[k].join(part.samples, part.samples[near.labels])
    found = best.result()
    near_all = tuple(
        PairCounts(
            tau,
            collisions[k],
            degrees[k],
            np.unique(clusters[k].labels(), return_inverse=True)[1],
            previous[k],
        )
        for k, tau in enumerate(taus)
    )
    return PairSearch(s, histogram(counts, quantized, found), found, near_all)


def direct(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances of the given pairs of rows of x, (s, d) float32, term by term in float64: the definition."""
    out = np.empty(len(first))
    kernels.distances(x, x, first, second, out)
    return out


class _Search:
    """The pairs of one tile, as its blocks come in."""

    def __init__(
        self, quantized: Quantized, rows: range, columns: range, taus: Sequence[float], closest: int
    ) -> None:
        self._q = quantized
        offset = 0 if rows == columns else len(rows)
        self._rows, self._columns = rows.start, columns.start - offset
        self._samples = np.array(rows if rows == columns else [*rows, *columns])
        self._best = _Best(quantized.x, closest)
        self._near = [_Near(tau, len(self._samples)) for tau in taus]
        self._reach = max(taus, default=-1.0)
        self._lock = threading.Lock()

    def block(self, blocks: Blocks, i: int, j: int) -> None:
        blocks.load(i, j)
        rounding = self._q.coarse
        found = blocks.up_to(self._limit(blocks, rounding))
        if len(found.rows) * self._q.x.shape[1] > DIRECT:
            blocks.refine()
            rounding = self._q.fine
            found = blocks.up_to(self._limit(blocks, rounding))
        if len(found.rows) == 0:
            return
        first, second = found.rows + i, found.columns + j
        least, most = rounding.bounds(found.squares)
        doubtful = np.zeros(len(first), bool)
        for near in self._near:
            doubtful |= (least <= near.tau) & (most > near.tau)
        where = np.flatnonzero(doubtful)
        least[where] = most[where] = direct(self._q.x, first[where], second[where])
        with self._lock:
            self._best.add(first, second, least, most)
            for near in self._near:
                is_near = most <= near.tau
                near.add(first[is_near], second[is_near], self._rows, self._columns)

    def tile(self, counts: np.ndarray) -> Tile:
        near = tuple(Near(n.collisions, n.degrees, n.clusters.labels(), n.previous) for n in self._near)
        return Tile(self._samples, counts, self._best.result(), near)

    def _limit(self, blocks: Blocks, rounding: Rounding) -> int:
        """Squares above this are neither near nor among the closest."""
        reach = self._best.reach
        if math.isinf(reach):
            kth = blocks.smallest(self._best.size)
            if kth <= rounding.largest:
                reach = float(rounding.bounds(np.array(kth))[1])
        return rounding.above(max(self._reach, reach))


class _Near:
    """Counts the pairs at distance <= tau, their degrees and clusters, without keeping them."""

    def __init__(self, tau: float, samples: int) -> None:
        self.tau = tau
        self.collisions = 0
        self.degrees = np.zeros(samples, np.int64)
        self.previous = np.full(samples, -1)
        self.clusters = Clusters(samples)

    def add(self, first: np.ndarray, second: np.ndarray, rows: int, columns: int) -> None:
        if not len(first):
            return
        self.collisions += len(first)
        a, b = first - rows, second - columns
        for ends in (a, b):
            low = int(ends.min())
            counts = np.bincount(ends - low)
            self.degrees[low : low + len(counts)] += counts
        # Pairs come row by row, so that of several first samples the last one stays.
        low = int(b.min())
        latest = np.full(int(b.max()) - low + 1, -1)
        latest[b - low] = first
        some = self.previous[low : low + len(latest)]
        np.maximum(some, latest, out=some)
        self.clusters.join(a, b)


class _Best:
    """Keeps every pair seen so far that may be among the closest, with bounds on its distance.

    reach: a distance beyond which no pair can be among them. Distances are computed directly only where there
    are too many pairs to keep, and at the end.
    """

    def __init__(self, x: np.ndarray, size: int) -> None:
        self._x, self.size = x, size
        self.reach = math.inf if size else -1.0
        self._kept = _Bounded(*(np.empty(0, np.int64) for _ in range(2)), *(np.empty(0) for _ in range(2)))
        self._waiting: list[_Bounded] = []
        self._count = 0
        self._last: tuple[int, int] | None = None

    def add(self, first: np.ndarray, second: np.ndarray, least: np.ndarray, most: np.ndarray) -> None:
        wanted = least <= self.reach
        if self._last is not None:
            # Only an earlier pair can still displace one of distance 0.
            wanted &= (first < self._last[0]) | ((first == self._last[0]) & (second < self._last[1]))
        if not wanted.any():
            return
        self._waiting.append(_Bounded(first[wanted], second[wanted], least[wanted], most[wanted]))
        self._count += len(self._waiting[-1].first)
        if self._count > self.size + PENDING:
            self._narrow()
            if len(self._kept.first) > 2 * self.size + PENDING:
                self._settle()

    def result(self) -> Closest:
        if self.size:
            self._narrow()
            self._settle()
        return Closest(*self._kept[:3])

    def _narrow(self) -> None:
        """Leave out what cannot be among the closest by its bounds."""
        kept = _Bounded(*(np.concatenate(parts) for parts in zip(self._kept, *self._waiting, strict=True)))
        self._waiting, self._count = [], 0
        if len(kept.first) >= self.size:
            self.reach = min(self.reach, float(np.partition(kept.most, self.size - 1)[self.size - 1]))
            kept = kept.where(kept.least <= self.reach)
        self._kept = kept

    def _settle(self) -> None:
        """Compute the distances that are not known, and leave the closest."""
        first, second, least, most = self._kept
        unknown = np.flatnonzero(least < most)
        distance = most.copy()

        def one(k: int) -> None:
            some = unknown[k : k + 256]
            distance[some] = direct(self._x, first[some], second[some])

        for_each(one, range(0, len(unknown), 256))
        order = np.lexsort((second, first, distance))[: self.size]
        self._kept = _Bounded(first[order], second[order], distance[order], distance[order])
        if len(order) == self.size:
            self.reach = float(distance[order[-1]])
            if self.reach == 0:
                self._last = int(first[order[-1]]), int(second[order[-1]])


class _Bounded(NamedTuple):
    """Pairs and the least and largest distance they can have; both are the distance where it is known."""

    first: np.ndarray
    second: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def where(self, mask: np.ndarray) -> _Bounded:
        return _Bounded(*(part[mask] for part in self))
