"""Whether a generator copies its training points: by their distances to the nearest of those."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from pipeline.divergences.cells import cell_of
from pipeline.divergences.nearest import nearest
from pipeline.divergences.points import checked_together

# Points of a sample that a cell needs for the normal approximation: Meehan et al.'s threshold tau = 20 / m.
OCCUPANCY = 20


class DataCopying(NamedTuple):
    """c_t: far below 0 for copies, far above 0 for samples that keep away from the training points.

    z: c_t in its standard deviations for a generator of the true law; the two are equal with one cell. cells:
    those used. held_out_share: the fraction of held-out points in them, 1 where no cell was left out.
    """

    c_t: float
    z: float
    cells: int
    held_out_share: float


def data_copying(
    train: np.ndarray, held_out: np.ndarray, generated: np.ndarray, centres: np.ndarray | None = None
) -> DataCopying:
    """The three-sample data-copying test of Meehan, Chaudhuri & Dasgupta 2020.

    In every cell, generated and held-out points are ranked by their distance to the nearest training point
    there; Z is the Mann-Whitney statistic, standardised, below 0 where the generated are nearer. C_T is the
    mean of Z over the cells with at least `OCCUPANCY` generated points, weighted by their held-out points;
    here a cell needs as many held-out points too, and a training point.

    train (l, d), held_out (n, d), generated (m, d): floats, from independent draws. centres: (k, d) of the
    cells, from `k_means` of train; None: one cell. Distances are exact; ties get their mean rank and the
    variance of the tied ranks. A true generator's Z are independent with variance 1, so C_T's variance is the
    sum of the squared weights w, not 1: z = C_T / sqrt(sum w^2). Raises ValueError for NaN or infinity,
    unequal d, and if no cell is full enough.
    """
    train, held_out, generated = checked_together(train=train, held_out=held_out, generated=generated)
    middle = train[:1] if centres is None else centres
    in_train, in_held_out, in_generated = (cell_of(x, middle) for x in (train, held_out, generated))
    scores, weights = [], []
    for cell in range(len(middle)):
        origins = train[in_train == cell]
        real, false = held_out[in_held_out == cell], generated[in_generated == cell]
        if len(origins) and min(len(real), len(false)) >= OCCUPANCY:
            scores.append(mann_whitney_z(nearest(false, origins)[1][:, 0], nearest(real, origins)[1][:, 0]))
            weights.append(len(real))
    if not scores:
        raise ValueError(
            f"no cell with a training point holds {OCCUPANCY} held-out and {OCCUPANCY} generated points"
        )
    w = np.array(weights) / sum(weights)
    c_t = float(w @ scores)
    return DataCopying(c_t, c_t / float(np.sqrt(w @ w)), len(w), sum(weights) / len(held_out))


def mann_whitney_z(x: np.ndarray, y: np.ndarray) -> float:
    """The U-statistic of x (n,) against y (m,), centred and scaled by its moments for equal laws.

    U counts the pairs with x > y, half of those with x = y. Below 0 where x is smaller. No continuity
    correction; the variance allows for ties, and 0 is returned where all values are tied.
    """
    n, m = len(x), len(y)
    ranks = stats.rankdata(np.concatenate([x, y]))
    # The variance of a sum of n of the n + m ranks drawn without replacement.
    variance = n * m / (n + m) * np.var(ranks, ddof=1)
    return float((ranks[:n].sum() - n * (n + m + 1) / 2) / np.sqrt(variance)) if variance else 0.0


def authenticity(train: np.ndarray, generated: np.ndarray) -> float:
    """Fraction of (m, d) generated points that are farther from their nearest training point than that is
    from its own nearest neighbour among the (l, d) training points: Alaa et al. 2022.

    0 for copies of training points, but not 1 for new ones: a point is not authentic if it and a training
    point are each other's nearest, which happens to 2/3 of true samples in one dimension, .62 in two, .59 in
    three and, around hubs, far fewer in many. Compare it with that of held-out points. Distances are exact;
    of equally near training points the first counts. Raises ValueError for NaN or infinity, unequal d, and
    fewer than 2 training points.
    """
    train, generated = checked_together(train=train, generated=generated)
    if len(train) < 2:
        raise ValueError("authenticity needs at least 2 training points")
    index, distance = nearest(generated, train)
    origins, which = np.unique(index[:, 0], return_inverse=True)
    spacing = nearest(train[origins], train, 2)[1][:, 1]  # the first is the point itself, or a copy
    return float((distance[:, 0] > spacing[which]).mean())
