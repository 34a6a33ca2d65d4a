"""How much of the generated looks real and how much of the real is generated, by balls of k-th neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.divergences.distances import Block, blocks, checked, direct
from pipeline.divergences.nearest import nearest


class PrecisionRecall(NamedTuple):
    """precision, recall, coverage: fractions in [0, 1]. density: at least 0, on average 1 for equal laws."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(real: np.ndarray, generated: np.ndarray, neighbours: int = 3) -> PrecisionRecall:
    """Compare (n, d) real and (m, d) generated points, floats, by balls B(x) that reach x's k-th neighbour.

    With k = `neighbours`, counted within x's own set without x itself, and closed balls:
        precision  fraction of generated points in some B(real)          Kynkäänniemi et al. 2019, with k = 3
        recall     fraction of real points in some B(generated)
        density    mean number of B(real) around a generated point, / k  Naeem et al. 2020, with k = 5
        coverage   fraction of B(real) that hold a generated point
    Closed balls (Naeem et al.'s code has open ones) keep points that repeat themselves, whose balls have
    radius 0, inside their own balls. Exact: see `distances.py`; the same for every order of the points.
    Raises ValueError for NaN or infinity, for unequal d, and unless both sets have more than k points.
    """
    real, generated = checked(real, "real"), checked(generated, "generated")
    if real.shape[1] != generated.shape[1]:
        raise ValueError(f"real points have {real.shape[1]} dimensions, generated ones {generated.shape[1]}")
    if not 1 <= neighbours < min(len(real), len(generated)):
        raise ValueError(
            f"balls to neighbour {neighbours} need more points than that in each set, "
            f"not {len(real)} real and {len(generated)} generated"
        )
    real_radius, generated_radius = _radii(real, neighbours), _radii(generated, neighbours)
    real_balls_around = np.zeros(len(generated), np.int64)
    covered, recalled = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for block in blocks(real, generated):
        rows = slice(block.first_row, block.first_row + block.squares.shape[0])
        columns = slice(block.first_column, block.first_column + block.squares.shape[1])
        in_real = _within(block, real, generated, real_radius[rows, None])
        real_balls_around[columns] += in_real.sum(0)
        covered[rows] |= in_real.any(1)
        recalled[rows] |= _within(block, real, generated, generated_radius[None, columns]).any(1)
    return PrecisionRecall(
        float((real_balls_around > 0).mean()),
        float(recalled.mean()),
        float(real_balls_around.mean() / neighbours),
        float(covered.mean()),
    )


def _radii(x: np.ndarray, neighbours: int) -> np.ndarray:
    """(n,) distance of each point to its k-th neighbour; its own distance, 0, comes before the first."""
    return nearest(x, x, neighbours + 1)[1][:, -1]


def _within(block: Block, real: np.ndarray, generated: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """(b, b') bool: which pairs of the block are at most the radius apart. radius: (b, 1) or (1, b')."""
    square = np.square(radius)
    margin = block.error + 2.0**-50 * square  # and the rounding of that square
    inside: np.ndarray = block.squares <= square - margin
    doubtful = np.flatnonzero((block.squares <= square + margin) != inside)
    row, column = np.divmod(doubtful, block.squares.shape[1])
    distance = direct(real, generated, row + block.first_row, column + block.first_column)
    inside[row, column] = distance <= np.broadcast_to(radius, inside.shape)[row, column]
    return inside
