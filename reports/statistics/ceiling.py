"""Does the support exceed the training set? N2 at every number of training images, beside that number.

A generator that repeats its n training images, all equally often, has p2 = 1/n + (1 - 1/n) p2(real) under
a ruler that calls two real images near-duplicates with probability p2(real): the memoriser's N2, at most n.
N2 near it and rising with n is what memorisation looks like; N2 above n cannot come from the training set
alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from reports.statistics.counts import Undecided
from reports.statistics.levels import fit_levels

# N2 within this factor of the memoriser's is at its ceiling.
WITHIN = 2.0


class Level(NamedTuple):
    """n training images; N2 over trials with its interval, such that all levels' hold at once with 95 %
    (Bonferroni). memoriser: N2 of one who repeats the training images, n where real images were not measured.
    side: `below`, `above` n, or `not told apart`, by one-sided tests. saturated: the interval of N2 over the
    memoriser's lies within a factor of two of 1.
    """

    n: int
    trials: int
    seeds: int
    n2: float
    low: float
    high: float
    memoriser: float
    side: str
    saturated: bool


class Ceiling(NamedTuple):
    """Every number of training images, ascending; without levels, the reason."""

    levels: list[Level]
    reason: str


def ceiling(trials: pd.DataFrame, held: list[str]) -> Ceiling:
    """trials: completed ones as in `slopes.py`, with `train_samples` and `n2_real`. held: the other varied
    axes, at equal weight of their values.
    """
    sizes = trials["train_samples"].astype(int)
    try:
        fit = fit_levels(sizes.astype(str), trials[held], trials)
        variances = [*map(fit.variances(), np.eye(len(fit.names)))]
    except Undecided as error:
        return Ceiling([], str(error))
    # One-sided at 5 % in all: the interval of each level at 1 - 0.1 / k has that in either tail.
    k = len(fit.names)
    levels = []
    for name, value, variance in zip(fit.names, fit.log_support, variances, strict=True):
        n, own = int(name), trials[sizes == int(name)]
        inner, outer = (float(stats.t.ppf(1 - alpha / k, variance.df)) for alpha in (0.05, 0.025))
        real = own["n2_real"].astype(float).median()
        memoriser = 1 / (1 / n + (1 - 1 / n) / real) if pd.notna(real) else float(n)
        spread = float(np.sqrt(variance.value))
        above, below = value - inner * spread > np.log(n), value + inner * spread < np.log(n)
        near = abs(value - np.log(memoriser)) + inner * spread < np.log(WITHIN)
        levels.append(
            Level(
                n=n,
                trials=len(own),
                seeds=int(own["seed"].nunique()),
                n2=float(np.exp(value)),
                low=float(np.exp(value - outer * spread)),
                high=float(np.exp(value + outer * spread)),
                memoriser=memoriser,
                side="above" if above else "below" if below else "not told apart",
                saturated=bool(near),
            )
        )
    return Ceiling(sorted(levels), "; ".join(fit.left_out.values()))
