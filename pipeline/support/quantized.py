"""Samples rounded to integers, whose products every processor computes exactly."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.support import kernels
from pipeline.support.parallel import for_each

# Far above the float64 rounding of thresholds and of directly computed distances, far below what it is added
# to.
_SLACK = 1e-9
# Fine integers are FINE times the coarse ones plus a remainder of 8 bits.
FINE = 254
ROWS = 1024  # quantised together


class Rounding(NamedTuple):
    """step: the unit of the integers. radius: the most by which the distance of two rounded samples is off.

    largest: the largest squared distance that can occur; places that are no pair hold more.
    """

    step: float
    radius: float
    largest: int

    def bounds(self, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest distance that pairs of these integer squares can have."""
        distance = self.step * np.sqrt(squares)
        return (
            np.maximum(distance * (1 - _SLACK) - self.radius, 0.0),
            distance * (1 + _SLACK) + self.radius,
        )

    def above(self, distance: float) -> int:
        """Squares above this belong to pairs farther apart than `distance`."""
        steps = (distance * (1 + _SLACK) + self.radius) / self.step
        return math.floor(min(steps * steps * (1 + _SLACK), self.largest)) if distance >= 0 else -1


class Quantized(NamedTuple):
    """x, (s, d) float32, as x - centre ~ step integers, and how far that is off.

    integers: (s, d padded with zeros) int8. norms: (s,) int32 their squared lengths. The step is a power of
    two, so that step^2 |q_i - q_j|^2 is exact. coarse: the rounding of the integers; fine: that of FINE
    integers + remainders, which are made where they are needed.
    """

    x: np.ndarray
    centre: np.ndarray
    integers: np.ndarray
    norms: np.ndarray
    coarse: Rounding
    fine: Rounding

    def remainders(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """(n, d padded) int8 remainders of some rows, and the (n,) int64 squared lengths of FINE q + p."""
        q = self.integers[rows]
        p, norms = np.zeros_like(q), np.empty(len(q), np.int64)
        kernels.remainders(self.x[rows], self.centre, 1 / self.coarse.step, FINE, q, p, norms)
        return p, norms


def quantize(x: np.ndarray) -> Quantized:
    """Round (s, d) float32 samples. Raises ValueError for NaN and infinity."""
    s, d = x.shape
    parts = [slice(k, k + ROWS) for k in range(0, s, ROWS)]
    ends = np.empty((len(parts), 2, d), np.float32)

    def extremes(k: int) -> None:
        x[parts[k]].min(0, out=ends[k, 0])
        x[parts[k]].max(0, out=ends[k, 1])

    for_each(extremes, range(len(parts)))
    low, high = ends[:, 0].min(0).astype(np.float64), ends[:, 1].max(0).astype(np.float64)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError("samples hold NaN or infinity")
    # Any centre will do, since distances do not depend on it; near the mean, most integers are small.
    centre = x[:: max(1, s // ROWS)].mean(0, dtype=np.float64)
    # 8 bits, fewer for very long vectors: squared distances, at most 4 d levels^2, must fit in 31 bits.
    levels = min(127, math.isqrt((2**31 - 2) // (4 * d)))
    largest = float(np.maximum(high - centre, centre - low).max())
    step = math.ldexp(1.0, math.ceil(math.log2(largest / levels))) if largest > 0 else 1.0
    # Zero columns up to whole vector registers: torch's integer product is wrong for a single column (2.13).
    q, norms = np.zeros((s, -(-d // 64) * 64), np.int8), np.empty(s, np.int32)
    moved = np.zeros(len(parts))

    def round_rows(k: int) -> None:
        rows = parts[k]
        moved[k] = kernels.quantize(x[rows], centre, 1 / step, q[rows], norms[rows])

    for_each(round_rows, range(len(parts)))
    centring = 2.0**-49 * float(max(np.abs(low).max(), np.abs(high).max())) * math.sqrt(d)
    coarse = 2 * (step * math.sqrt(moved.max()) * (1 + _SLACK) + centring)
    # A remainder is at most half a fine step off in each coordinate.
    fine = 2 * (step / FINE * math.sqrt(d) / 2 * (1 + _SLACK) + centring)
    return Quantized(
        x,
        centre,
        q,
        norms,
        Rounding(step, coarse, kernels.NO_PAIR - 1),
        Rounding(step / FINE, fine, 2**52),
    )
