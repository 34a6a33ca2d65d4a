"""Euclidean distances between two sets of points, exact at any block size.

Exact means: as if every distance were sqrt(sum((x_i - y_j)^2)) computed term by term in float64. Matrix
products only filter. The squares they give differ from those by at most a known bound,
    |s_ij - d_ij^2| <= error,
so what lies farther than that from a threshold is decided, and the few pairs between are computed term by
term. What comes out is therefore the same for every block size, thread count and BLAS library, ties included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Most elements of a block's float64 copies of x and of y (64 MB) and of its squares (4 MB, in cache).
_COPY, _SQUARES = 2**23, 2**19


class Block(NamedTuple):
    """The filter's squared distances of some rows of x against some rows of y."""

    first_row: int
    first_column: int
    squares: np.ndarray  # (b, b') float64
    error: float  # no square is farther than this from the one computed term by term

    @property
    def rows(self) -> slice:
        """Which rows of x."""
        return slice(self.first_row, self.first_row + self.squares.shape[0])

    @property
    def columns(self) -> slice:
        """Which rows of y."""
        return slice(self.first_column, self.first_column + self.squares.shape[1])


def blocks(x: np.ndarray, y: np.ndarray) -> Iterator[Block]:
    """All pairs of the rows of x (n, d) and y (m, d), both `checked`."""
    d = x.shape[1]
    columns = min(8192, max(256, _COPY // (d + 2)))
    rows = max(1, min(_COPY // (d + 2), _SQUARES // min(columns, len(y))))
    centre = y.mean(0, dtype=np.float64)  # distances do not change, and small vectors round less
    for j in range(0, len(y), columns):
        right, longest = _augmented(y[j : j + columns], centre, swap=True)
        right[:, :d] *= -2
        for i in range(0, len(x), rows):
            left, length = _augmented(x[i : i + rows], centre, swap=False)
            # Product, norms, centring and direct sum each round by less than (d + 8) half units in the last
            # place of (|x| + |y|)^2: four in all, doubled to be safe. The constant covers underflow.
            error = 4 * (d + 8) * 2.0**-52 * (length + longest) ** 2 + 1e-300
            yield Block(i, j, left @ right.T, error)


def _augmented(x: np.ndarray, centre: np.ndarray, swap: bool) -> tuple[np.ndarray, float]:
    """(n, d + 2) float64 rows (x, |x|^2, 1), the last two swapped on request, and the largest |x|.

    One product of two such matrices, one of them swapped, then gives |x|^2 + |y|^2 + <x, y>.
    """
    d = x.shape[1]
    out = np.ones((len(x), d + 2))
    np.subtract(x, centre, out=out[:, :d])
    squares = np.einsum("ij,ij->i", out[:, :d], out[:, :d])
    out[:, d + 1 if swap else d] = squares
    return out, float(np.sqrt(squares.max()))


def direct(x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Distances of rows x[i] and y[j], term by term in float64: the definition."""
    out = np.empty(len(i))
    step = max(1, 2**16 // x.shape[1])  # a cache's worth
    for k in range(0, len(i), step):
        difference = x[i[k : k + step]].astype(np.float64)
        difference -= y[j[k : k + step]]
        np.square(difference, out=difference)
        difference.sum(1, out=out[k : k + step])
    return np.sqrt(out, out=out)
