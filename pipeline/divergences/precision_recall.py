"""How much of the generated looks real and how much of the real is generated, by balls of k-th neighbours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.divergences.balls import in_balls, radii, within
from pipeline.divergences.distances import blocks
from pipeline.divergences.points import checked_together


class PrecisionRecall(NamedTuple):
    """precision, recall, coverage: fractions in [0, 1]. density: at least 0, on average 1 for equal laws."""

    precision: float
    recall: float
    density: float
    coverage: float


class Memberships(NamedTuple):
    """Who lies in whose balls, point by point.

    real_balls: (m,) int64 real balls around each generated point; the precise ones have at least one.
    recalled: (n,) bool real points in some generated ball. covered: (n,) bool real balls that hold a
    generated point.
    """

    real_balls: np.ndarray
    recalled: np.ndarray
    covered: np.ndarray


def precision_recall(
    real: np.ndarray, generated: np.ndarray, neighbours: int = 3, real_radius: np.ndarray | None = None
) -> PrecisionRecall:
    """Compare (n, d) real and (m, d) generated points, floats, by balls B(x) that reach x's k-th neighbour.

    With k = `neighbours`, counted within x's own set without x itself, and closed balls:
        precision  fraction of generated points in some B(real)          Kynkäänniemi et al. 2019, with k = 3
        recall     fraction of real points in some B(generated)
        density    mean number of B(real) around a generated point, / k  Naeem et al. 2020, with k = 5
        coverage   fraction of B(real) that hold a generated point
    Closed balls (Naeem et al.'s code has open ones) keep points that repeat themselves, whose balls have
    radius 0, inside their own balls. Exact: see `distances.py`; the same for every order of the points.
    real_radius: `radii(real, neighbours)`, where one real set judges many samples and they are known.
    Raises ValueError for NaN or infinity, for unequal d, and unless both sets have more than k points.
    """
    found = memberships(real, generated, neighbours, real_radius)
    return PrecisionRecall(
        float((found.real_balls > 0).mean()),
        float(found.recalled.mean()),
        float(found.real_balls.mean() / neighbours),
        float(found.covered.mean()),
    )


def memberships(
    real: np.ndarray, generated: np.ndarray, neighbours: int = 3, real_radius: np.ndarray | None = None
) -> Memberships:
    """What `precision_recall` averages, of the same arguments."""
    real, generated = checked_together(real=real, generated=generated)
    if not 1 <= neighbours < min(len(real), len(generated)):
        raise ValueError(
            f"balls to neighbour {neighbours} need more points than that in each set, "
            f"not {len(real)} real and {len(generated)} generated"
        )
    real_radius = radii(real, neighbours) if real_radius is None else real_radius
    generated_radius = radii(generated, neighbours)
    real_balls = np.zeros(len(generated), np.int64)
    covered, recalled = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for block in blocks(real, generated):
        rows, columns = block.rows, block.columns
        in_real = within(block, real, generated, real_radius[rows, None])
        real_balls[columns] += in_real.sum(0)
        covered[rows] |= in_real.any(1)
        recalled[rows] |= within(block, real, generated, generated_radius[None, columns]).any(1)
    return Memberships(real_balls, recalled, covered)


def precise(real: np.ndarray, generated: np.ndarray, neighbours: int = 3) -> np.ndarray:
    """(m,) bool: which generated points lie in some ball of a real one, those whose fraction is precision.

    real: (n, d), n > k; generated: (m, d), any number of them, since only real balls are asked for. Where one
    real set judges many samples, keep its `radii` and call `in_balls`. Raises ValueError as
    `precision_recall`.
    """
    real, generated = checked_together(real=real, generated=generated)
    if not 1 <= neighbours < len(real):
        raise ValueError(f"balls to neighbour {neighbours} need more real points than that, not {len(real)}")
    return in_balls(generated, real, radii(real, neighbours))
