"""Mean support of trials that are alike: N2 in the middle of them, with an interval by trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from reports.statistics.counts import Undecided, fit_counts

COLUMNS = ["trials", "without_collision", "n2", "n2_low", "n2_high", "ratio_to_real", "passing"]


class Mean(NamedTuple):
    """Mean of log N2 over trials, its standard error and degrees of freedom (of one trial NaN and 0)."""

    value: float
    error: float
    df: int

    def interval(self) -> tuple[float, float]:
        """95 %, Student; NaN of a single trial."""
        half = float(stats.t.ppf(0.975, self.df)) * self.error if self.df else math.nan
        return self.value - half, self.value + half


def mean(trials: pd.DataFrame) -> Mean:
    """Of trials with columns `collisions` and `pairs`, under the model of `counts.py` without a predictor:
    one without a collision counts as what it is.

    The variance is HC3's times (n - 1) / n: of equally informative trials the usual s^2 / n. Raises Undecided
    where no pair collided, or too few did.
    """
    counts, pairs = (trials[name].to_numpy(np.float64) for name in ("collisions", "pairs"))
    n = len(counts)
    if n == 1 and counts[0] > 0:
        return Mean(math.log(pairs[0] / counts[0]), math.nan, 0)
    if n == 1:
        raise Undecided("no pair collided")
    fit = fit_counts(counts, np.ones((n, 1)), np.log(pairs))
    return Mean(-float(fit.coefficients[0]), math.sqrt(float(fit.covariance[0, 0]) * (n - 1) / n), n - 1)


def difference(one: Mean, other: Mean) -> tuple[float, float, float]:
    """`other` - `one` with its 95 % interval (Welch 1947); NaN at its ends if either is of a single trial."""
    variances = np.array([one.error**2, other.error**2])
    value = other.value - one.value
    if not np.isfinite(variances).all():
        return value, math.nan, math.nan
    total = float(variances.sum())
    parts = variances**2 / np.array([one.df, other.df])
    half = float(stats.t.ppf(0.975, total**2 / parts.sum())) * math.sqrt(total) if total else 0.0
    return value, value - half, value + half


def by(trials: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """A row for each combination of the keys, in the order of the trials: the keys, then `COLUMNS`.

    trials: measured, as in `Results.completed`. n2 is null where it cannot be estimated, its interval also
    where there is one trial. passing: how many trials pass the quality gate.
    """
    rows: list[list[Any]] = []
    named = [trials[key].map(repr) for key in keys]
    groups = [own for _, own in trials.groupby(named, sort=False)] if keys else [trials]
    for own in groups if len(trials) else []:
        n2, low, high = _n2(own)
        real = math.exp(float(np.log(own["n2_real"].astype(float)).mean()))
        passing = int(own["passes_gate"].fillna(False).astype(bool).sum())
        first = [own[key].iloc[0] for key in keys]
        silent = int((own["collisions"] == 0).sum())
        rows.append([*first, len(own), silent, n2, low, high, n2 / real, passing])
    found = pd.DataFrame(rows, columns=[*keys, *COLUMNS])
    return found.astype(dict.fromkeys(keys, object))


def _n2(trials: pd.DataFrame) -> tuple[float, float, float]:
    try:
        found = mean(trials)
    except Undecided:
        return math.nan, math.nan, math.nan
    low, high = found.interval()
    return math.exp(found.value), math.exp(low), math.exp(min(high, 700.0))
