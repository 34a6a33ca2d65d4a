"""P(duplicate | distance): how likely people are to call two images at some distance the same.

A logistic curve in log distance, fitted to judgments with Firth's penalty, half the log determinant of the
information (Firth 1993, Bias reduction of maximum likelihood estimates; Heinze & Schemper 2002, A solution to
the problem of separation in logistic regression). The penalty keeps the curve finite where distance separates
the verdicts perfectly, and where all verdicts are the same: both are common among near-duplicates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

NEWTON_STEPS = 1000
# No step moves a coefficient by more than this, in units of the standardised covariate, and a quarter of the
# largest: verdicts that distance separates perfectly make steep curves.
LONGEST_STEP = 2.0
CONVERGED = 1e-9  # relative


class DuplicateCurve(NamedTuple):
    """P(duplicate | d) = 1 / (1 + exp(-(intercept + slope log d))), fitted to distances in [low, high].

    low is the smallest positive distance judged; what is nearer, exact duplicates included, counts as that.
    """

    intercept: float
    slope: float
    low: float
    high: float

    def probability(self, distance: np.ndarray) -> np.ndarray:
        """P(duplicate | distance), same shape, float64."""
        found: np.ndarray = expit(self.intercept + self.slope * np.log(np.maximum(distance, self.low)))
        return found


def duplicate_probability(
    distance: np.ndarray, duplicate: np.ndarray, weight: np.ndarray | None = None
) -> DuplicateCurve:
    """The curve that fits the verdicts.

    distance: (n,), at least 0. duplicate: (n,) 1 or 0; NaN is left out. weight: (n,), positive, scaled to
    mean 1; None: equal.

    Pairs are drawn by distance alone, which is the covariate, so that equal weights estimate the curve
    without bias wherever it is logistic. Weights stratum_pairs / stratum_drawn fit it to the average pair
    instead; as nearly all pairs are far apart, they leave next to no say to the near ones, and are for
    sensitivity (Solon, Haider & Wooldridge 2015, What are we weighting for?).

    Raises ValueError for no verdicts, fewer than two distinct positive distances, negative or infinite ones,
    and for weights that are not positive.
    """
    kept = ~np.isnan(duplicate)
    if not kept.any():
        raise ValueError("a curve needs verdicts")
    distance, duplicate = distance[kept].astype(np.float64), duplicate[kept]
    weight = np.ones(len(distance)) if weight is None else weight[kept].astype(np.float64)
    if not ((weight > 0) & np.isfinite(weight)).all():
        raise ValueError("weights must be positive and finite")
    weight = weight / weight.mean()
    return fit_curves(distance, (weight * duplicate)[None], weight[None])[0]


def tau_of(curve: DuplicateCurve, probability: float = 0.5) -> float:
    """The distance at which the stated share of pairs is judged duplicates.

    Outside [curve.low, curve.high] it is an extrapolation. Raises ValueError for a probability outside
    (0, 1), and if the curve does not fall with distance: then no distance divides near from far.
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie between 0 and 1, not {probability:g}")
    if curve.slope >= 0:
        raise ValueError("verdicts of duplicate do not become rarer with distance: there is no tau")
    return float(np.exp((logit(probability) - curve.intercept) / curve.slope))


def fit_curves(distance: np.ndarray, duplicates: np.ndarray, judged: np.ndarray) -> list[DuplicateCurve]:
    """Curves of several weightings of the same pairs at once.

    distance: (n,) of the pairs. judged, duplicates: (curves, n) weight of each pair's judgments, and of those
    that say duplicate. Raises ValueError as `duplicate_probability` does.
    """
    positive = distance[distance > 0]
    if not (np.isfinite(distance) & (distance >= 0)).all() or len(np.unique(positive)) < 2:
        raise ValueError("a curve needs finite distances, at least two different ones above zero")
    low, high = float(positive.min()), float(positive.max())
    log_distance = np.log(np.maximum(distance, low))
    centre, scale = log_distance.mean(), log_distance.std()
    found = _firth((log_distance - centre) / scale, duplicates, judged)
    return [DuplicateCurve(float(a - b * centre / scale), float(b / scale), low, high) for a, b in found]


def _firth(x: np.ndarray, positive: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(fits, 2) intercept and slope on x (n,) of weighted successes (fits, n) among weighted trials.

    The penalised score is that of data to which each observation adds h / 2 successes and h / 2 failures, h
    its leverage, so Newton's steps use the information of these.
    """
    beta = np.zeros((len(total), 2))
    powers = np.stack([np.ones_like(x), x, x**2], axis=1)
    for _ in range(NEWTON_STEPS):
        p = expit(beta[:, :1] + beta[:, 1:] * x)
        spread = p * (1 - p)
        a, b, c = (total * spread @ powers).T[:, :, None]
        leverage = total * spread * (c - 2 * b * x + a * x**2) / (a * c - b**2)
        score = (positive - total * p + leverage * (0.5 - p)) @ powers[:, :2]
        a, b, c = ((total + leverage) * spread @ powers).T
        step = np.stack([c * score[:, 0] - b * score[:, 1], a * score[:, 1] - b * score[:, 0]], axis=1)
        step /= (a * c - b**2)[:, None]
        size = np.abs(step).max(axis=1, keepdims=True)
        reached = np.abs(beta).max(axis=1, keepdims=True)
        longest = LONGEST_STEP + reached / 4
        beta += step * np.minimum(1.0, longest / np.maximum(size, longest))
        if (size < CONVERGED * (1 + reached)).all():
            return beta
    raise ValueError("the judgments do not determine a curve: all weight lies on one distance")
