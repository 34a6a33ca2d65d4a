"""Slopes of several studies: their difference, whether they differ by more than chance, and their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.meta_analysis import CombineResults, combine_effects

from reports.statistics.slopes import Slope


class Difference(NamedTuple):
    """The second slope minus the first, its 95 % interval, and the p value of there being none."""

    value: float
    low: float
    high: float
    p: float


class Heterogeneity(NamedTuple):
    """Cochran's Q with its degrees of freedom and p value; i2: Higgins' I^2, the share of the slopes'
    variance beyond chance, 0 to 1.
    """

    q: float
    df: int
    p: float
    i2: float


class Pooled(NamedTuple):
    """Mean of a distribution of slopes with its 95 % interval. sd: between studies."""

    value: float
    low: float
    high: float
    sd: float
    studies: int


def error(slope: Slope) -> float:
    """The standard error behind a slope's Student interval."""
    return (slope.high - slope.value) / float(stats.t.ppf(0.975, slope.df))


def difference(one: Slope, other: Slope) -> Difference:
    """Of slopes of independent trials, with Welch's degrees of freedom (Welch 1947, Biometrika 34:28)."""
    variances = np.array([error(one) ** 2, error(other) ** 2])
    total = float(variances.sum())
    df = total**2 / float((variances**2 / [one.df, other.df]).sum())
    value, half = other.value - one.value, float(stats.t.ppf(0.975, df)) * math.sqrt(total)
    p = 2 * float(stats.t.sf(abs(value) / math.sqrt(total), df))
    return Difference(value, value - half, value + half, p)


def heterogeneity(slopes: Sequence[Slope]) -> Heterogeneity:
    """Of two or more slopes of independent trials (Cochran 1954; Higgins & Thompson 2002). Errors count as
    known: with few trials a study p is somewhat too small.
    """
    found = _combined(slopes)
    test = found.test_homogeneity()
    i2 = max(0.0, 1 - test.df / test.statistic) if test.statistic > 0 else 0.0
    return Heterogeneity(float(test.statistic), int(test.df), float(test.pvalue), i2)


def pooled(slopes: Sequence[Slope]) -> Pooled:
    """By random effects, their variance after Paule & Mandel 1982.

    The interval is Hartung and Knapp's with a scale of at least 1 (Roever, Knapp & Friede 2015), Student with
    one degree of freedom fewer than studies: wide of two studies, whose normal interval would hold the mean
    in 80 % of cases only where they differ (standard deviation 0.2 beside errors of 0.05 to 0.15).
    """
    found, k = _combined(slopes), len(slopes)
    spread = max(float(found.sd_eff_w_re), float(found.sd_eff_w_re_hksj))
    half = spread * float(stats.t.ppf(0.975, k - 1))
    value = float(found.mean_effect_re)
    return Pooled(value, value - half, value + half, math.sqrt(max(float(found.tau2), 0.0)), k)


def _combined(slopes: Sequence[Slope]) -> CombineResults:
    values, errors = (np.array(one) for one in zip(*((s.value, error(s)) for s in slopes), strict=True))
    with np.errstate(divide="ignore"):  # of equal slopes, whose Q is 0
        return combine_effects(values, errors**2, method_re="pm")
