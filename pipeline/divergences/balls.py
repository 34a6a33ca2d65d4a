"""Balls around points that reach to their k-th neighbours, and what lies inside."""

from __future__ import annotations

import numpy as np

from pipeline.divergences.distances import Block, blocks, direct
from pipeline.divergences.nearest import nearest
from pipeline.divergences.points import checked_together


def radii(x: np.ndarray, neighbours: int) -> np.ndarray:
    """(n,) float64 distance of each of the (n, d) points to its k-th neighbour, itself not counted.

    0 for a point with k copies. Raises ValueError as `nearest`, of which it is a special case: a point's own
    distance, 0, comes before the first.
    """
    return nearest(x, x, neighbours + 1)[1][:, -1]


def in_balls(points: np.ndarray, centres: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(m,) bool: which of the (m, d) points lie in a closed ball around one of the (n, d) centres.

    radius: (n,) float64, one for each centre. Exact: see `distances.py`. Raises ValueError for NaN or
    infinity and where the shapes do not fit.
    """
    points, centres = checked_together(points=points, centres=centres)
    if radius.shape != (len(centres),):
        raise ValueError(f"{len(centres)} centres need as many radii, not shape {radius.shape}")
    inside = np.zeros(len(points), bool)
    for block in blocks(centres, points):
        rows, columns = block.rows, block.columns
        inside[columns] |= within(block, centres, points, radius[rows, None]).any(0)
    return inside


def within(block: Block, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(b, b') bool: which pairs of the block of x and y are at most the radius apart.

    radius: (b, 1), one for each x, or (1, b'), one for each y.
    """
    square = np.square(radius)
    margin = block.error + 2.0**-50 * square  # and the rounding of that square
    inside: np.ndarray = block.squares <= square - margin
    doubtful = np.flatnonzero((block.squares <= square + margin) != inside)
    row, column = np.divmod(doubtful, block.squares.shape[1])
    distance = direct(x, y, row + block.first_row, column + block.first_column)
    inside[row, column] = distance <= np.broadcast_to(radius, inside.shape)[row, column]
    return inside
