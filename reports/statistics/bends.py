"""Is the growth a straight line in log size, or does it end? A broken stick against the straight line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reports.statistics.counts import Array, Fit, fit_counts
from reports.statistics.slopes import Regression, Slope, slope_of

# A break is looked for at each size but the first and the last, or at so many of them, evenly.
MOST_BREAKS = 20
DRAWS = 9_999
LEVEL = 0.05


class Bend(NamedTuple):
    """The most likely break. at: log size, level: log N2 there, at the mean of the held effects. statistic:
    the largest |t| over breaks, p: of the straight line. before, after: the slopes on its two sides, their
    intervals as if the break had been known.
    """

    at: float
    level: float
    statistic: float
    p: float
    before: Slope
    after: Slope

    @property
    def found(self) -> bool:
        """Whether the straight line is rejected at 5 %."""
        return self.p < LEVEL

    @property
    def plateau(self) -> bool:
        """Whether growth ends: no straight line, a rise first, and then none that is known."""
        return (
            self.found
            and self.before.low > 0
            and self.after.low <= 0
            and self.after.value < self.before.value
        )


def bend(problem: Regression, fit: Fit, predictor: Array) -> Bend | None:
    """A sup-t test of one break in slope at an unknown place, and the broken stick there.

    fit: of the straight line. predictor: (n,) log size. None where it takes fewer than three values.
    p is that of the largest |t| of max(x - c, 0) over breaks c, under a multivariate t law with the breaks'
    own correlations (Hansen 1996 for the supremum; Hothorn, Bretz & Westfall 2008), drawn from a fixed
    stream. What seeds share, a level or a straight slope, is
    orthogonal to a break in a complete design, and only makes the test cautious.
    Raises Undecided where the broken stick cannot be fitted.
    """
    sizes = np.unique(predictor)
    if len(sizes) < 3:
        return None
    inside = sizes[1:-1]
    breaks = inside[np.unique(np.linspace(0, len(inside) - 1, MOST_BREAKS).round().astype(int))]
    t, correlation = _studentised(problem.design, fit, np.maximum(predictor[:, None] - breaks, 0.0))
    best = int(np.argmax(np.abs(t)))
    at, statistic = float(breaks[best]), float(np.abs(t[best]))
    p = _tail(statistic, correlation, fit.df - 1)
    broken = _split(problem, predictor, at)
    split = fit_counts(*broken.counted)
    level = -float(split.coefficients[0] + problem.design[:, 2:].mean(axis=0) @ split.coefficients[2:-1])
    last = broken.design.shape[1] - 1
    return Bend(at, level, statistic, p, slope_of(broken, split, 1), slope_of(broken, split, last))


def _studentised(design: Array, fit: Fit, added: Array) -> tuple[Array, Array]:
    """The robust (HC3) t of each of k further regressors alone, one Newton step from the fit without it (k,),
    and the correlations of these t (k, k).

    added: (n, k).
    """
    weight = np.sqrt(fit.information)[:, None]
    regressors = design * weight
    residual = np.divide(fit.score[:, None], weight, out=np.zeros_like(weight), where=weight > 0)
    free = added * weight
    free -= regressors @ (fit.bread @ (regressors.T @ free))
    known = np.square(free).sum(axis=0)
    leverage = np.einsum("ij,ij->i", regressors @ fit.bread, regressors)[:, None] + free**2 / known
    effect = (free.T @ residual)[:, 0]
    influence = free * (residual - free * (effect / known)) / np.maximum(1 - leverage, 1e-6)
    covariance = influence.T @ influence
    error = np.sqrt(np.diag(covariance))
    return effect / error, covariance / np.outer(error, error)


def _split(problem: Regression, predictor: Array, at: float) -> Regression:
    """The same with the predictor in two: up to the break and beyond it."""
    design = np.column_stack([problem.design, np.maximum(predictor - at, 0.0)])
    design[:, 1] = np.minimum(predictor - at, 0.0)
    return problem._replace(design=design)


def _tail(statistic: float, correlation: Array, df: float) -> float:
    """P(max |t| >= statistic) under a multivariate t law."""
    rng = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    normal = rng.standard_normal((DRAWS, len(values))) @ root.T
    largest = np.abs(normal).max(axis=1) / np.sqrt(rng.chisquare(df, DRAWS) / df)
    return (int((largest >= statistic).sum()) + 1) / (DRAWS + 1)
