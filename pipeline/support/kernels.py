"""The inner loops of the pair search on CPUs, compiled: each works on one block, holds no lock and allocates
nothing.

Float64 sums run in eight fixed lanes, so that vector units of any width give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba
import numpy as np

T = TypeVar("T")

# Columns looked at together: their least square says whether any of them is worth a second look.
_TOGETHER = 128
NO_PAIR = 2**31 - 1
_LANES = 8
COPIES = 4  # copies of the histogram, so that runs of one bin do not wait for each other


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """Compiled at the first call; kept on disk for the next process where there is a place to."""
    try:
        return numba.njit(nogil=True, cache=True, boundscheck=False)(function)
    except RuntimeError:  # nowhere to keep it
        return numba.njit(nogil=True, boundscheck=False)(function)


@compiled
def _sum_of_squares(v: np.ndarray) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = len(v) - len(v) % 4
    for k in range(0, whole, 4):
        a += v[k] * v[k]
        b += v[k + 1] * v[k + 1]
        c += v[k + 2] * v[k + 2]
        d += v[k + 3] * v[k + 3]
    for k in range(whole, len(v)):
        a += v[k] * v[k]
    return (a + b) + (c + d)


@compiled
def quantize(x: np.ndarray, centre: np.ndarray, per_step: float, q: np.ndarray, norms: np.ndarray) -> float:
    """Fill q, (n, >= d) int8, with (x - centre) per_step rounded, and norms, (n,) int32, with their squared
    lengths. Returns the largest squared length, over rows, of what rounding moved.
    """
    d = x.shape[1]
    rest = np.empty(d)
    moved = 0.0
    for i in range(x.shape[0]):
        square = np.int32(0)
        for k in range(d):
            value = (np.float64(x[i, k]) - centre[k]) * per_step
            whole = np.rint(value)
            q[i, k] = np.int8(whole)
            rest[k] = value - whole
        for k in range(d):
            square += np.int32(q[i, k]) * np.int32(q[i, k])
        norms[i] = square
        moved = max(moved, _sum_of_squares(rest))
    return moved


@compiled
def remainders(
    x: np.ndarray,
    centre: np.ndarray,
    per_step: float,
    fine: int,
    q: np.ndarray,
    p: np.ndarray,
    norms: np.ndarray,
) -> None:
    """Fill p, (n, >= d) int8, with what `quantize` cut off, in units of 1 / fine, and norms, (n,) int64, with
    the squared lengths of fine q + p.
    """
    for i in range(x.shape[0]):
        square = np.int64(0)
        for k in range(x.shape[1]):
            value = (np.float64(x[i, k]) - centre[k]) * per_step
            part = np.int64(np.rint((value - np.float64(q[i, k])) * fine))
            p[i, k] = np.int8(part)
            whole = np.int64(q[i, k]) * fine + part
            square += whole * whole
        norms[i] = square


@compiled
def add(total: np.ndarray, part: np.ndarray, weight: int) -> None:
    """total += weight part, int64 and int32."""
    for i in range(total.shape[0]):
        for k in range(total.shape[1]):
            total[i, k] += np.int64(part[i, k]) * weight


@compiled
def squares_of(products: np.ndarray, rows: np.ndarray, columns: np.ndarray, diagonal: bool) -> None:
    """Turn inner products (n, m) int32, in place, into squared distances; rows, columns: squared lengths.

    diagonal: leave only the pairs above it, all others become NO_PAIR.
    """
    for i in range(products.shape[0]):
        row = products[i]
        for j in range(len(columns)):
            row[j] = rows[i] + columns[j] - 2 * row[j]
        if diagonal:
            row[: i + 1] = NO_PAIR


@compiled
def tally(squares: np.ndarray, shift: int, counts: np.ndarray, diagonal: bool) -> None:
    """Count squares (n, m) int32 by the leading bits of their float32, in COPIES copies of the histogram."""
    floats = np.empty(_TOGETHER, np.float32)
    bits = floats.view(np.int32)
    for i in range(squares.shape[0]):
        start = i + 1 if diagonal else 0
        while start < squares.shape[1]:
            some = squares[i, start : start + _TOGETHER]
            for k in range(len(some)):
                floats[k] = np.float32(some[k])
            for k in range(len(some)):
                counts[k & (COPIES - 1), bits[k] >> shift] += 1
            start += _TOGETHER


@compiled
def collect(
    squares: np.ndarray, limit: int, rows: np.ndarray, columns: np.ndarray, values: np.ndarray
) -> int:
    """Write place and value of the squares up to `limit`, row by row; returns how many."""
    found = 0
    for i in range(squares.shape[0]):
        for start in range(0, squares.shape[1], _TOGETHER):
            some = squares[i, start : start + _TOGETHER]
            least = some[0]
            for k in range(len(some)):
                least = min(least, some[k])
            if least <= limit:
                for k in range(len(some)):
                    if some[k] <= limit:
                        rows[found], columns[found], values[found] = i, start + k, some[k]
                        found += 1
    return found


@compiled
def distances(x: np.ndarray, y: np.ndarray, first: np.ndarray, second: np.ndarray, out: np.ndarray) -> None:
    """out[k] = |x[first[k]] - y[second[k]]|, (n, d) float32, term by term in float64: the definition."""
    lanes = np.empty(_LANES)
    d = x.shape[1]
    whole = d - d % _LANES
    for n in range(len(first)):
        a, b = x[first[n]], y[second[n]]
        lanes[:] = 0.0
        for k in range(0, whole, _LANES):
            for lane in range(_LANES):
                difference = np.float64(a[k + lane]) - np.float64(b[k + lane])
                lanes[lane] += difference * difference
        for k in range(whole, d):
            difference = np.float64(a[k]) - np.float64(b[k])
            lanes[k - whole] += difference * difference
        out[n] = np.sqrt(
            ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
        )
