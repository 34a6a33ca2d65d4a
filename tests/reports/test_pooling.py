"""Slopes of several studies: against formulas written out, a published meta-analysis, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics import cells
from reports.statistics.counts import Undecided
from reports.statistics.pooling import difference, error, heterogeneity, pooled
from reports.statistics.slopes import Slope


def slope(value: float, se: float, df: int = 30) -> Slope:
    half, narrow = (float(stats.t.ppf(q, df)) * se for q in (0.975, 0.95))
    ends = value - half, value + half, value - narrow, value + narrow
    return Slope(value, *ends, sigma=0.5, df=df, trials=df + 4, seeds=2, censored=0, silent=0)


def test_difference_is_welchs() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, 9), rng.normal(1, 3, 14)
    made = [slope(x.mean(), x.std(ddof=1) / math.sqrt(len(x)), len(x) - 1) for x in (one, other)]
    found, known = difference(*made), stats.ttest_ind(other, one, equal_var=False)
    interval = known.confidence_interval()
    assert (found.p, found.low, found.high) == pytest.approx((known.pvalue, interval.low, interval.high))


def test_heterogeneity_by_hand() -> None:
    made = [slope(0.2, 0.1), slope(0.5, 0.2), slope(0.9, 0.1)]
    weights, values = np.array([100, 25, 100]), np.array([0.2, 0.5, 0.9])
    q = float((weights * (values - np.average(values, weights=weights)) ** 2).sum())
    found = heterogeneity(made)
    assert (found.q, found.df, found.i2) == pytest.approx((q, 2, (q - 2) / q))
    assert found.p == pytest.approx(stats.chi2.sf(q, 2))
    assert heterogeneity([slope(0.3, 0.1), slope(0.3, 0.2)]).i2 == 0


def test_pooled_is_paule_and_mandels() -> None:
    made = [slope(v, s) for v, s in ((0.1, 0.1), (0.6, 0.15), (0.9, 0.1), (0.4, 0.2))]
    found = pooled(made)
    values = np.array([one.value for one in made])
    weights = 1 / (np.array([error(one) ** 2 for one in made]) + found.sd**2)
    # Their estimating equation: the weighted sum of squares is its expectation.
    mean = np.average(values, weights=weights)
    assert (weights * (values - mean) ** 2).sum() == pytest.approx(3, abs=1e-3)
    half = stats.t.ppf(0.975, 3) / math.sqrt(weights.sum())
    assert (found.value, found.high - found.value) == pytest.approx((mean, half), rel=1e-3)


def test_slopes_that_agree_by_luck_get_no_shorter_interval() -> None:
    found = pooled([slope(0.5, 0.1)] * 4)
    assert found.sd == pytest.approx(0, abs=1e-6)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 3) * 0.05)


@pytest.mark.parametrize("repeats", [250, pytest.param(5000, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    ("studies", "between", "least"), [(2, 0.2, 0.95), (3, 0.2, 0.95), (6, 0.0, 0.95), (6, 0.2, 0.93)]
)
def test_pooled_interval_holds_the_mean(studies: int, between: float, least: float, repeats: int) -> None:
    rng = np.random.default_rng(studies)
    held = 0
    for _ in range(repeats):
        errors = rng.uniform(0.05, 0.15, studies)
        values = 0.5 + between * rng.standard_normal(studies) + errors * rng.standard_normal(studies)
        found = pooled([slope(v, e) for v, e in zip(values, errors, strict=True)])
        held += found.low <= 0.5 <= found.high
    assert held / repeats >= least - 3 * math.sqrt(0.05 * 0.95 / repeats)


def trials(rng: np.random.Generator, count: int, level: float, sd: float = 0.6) -> pd.DataFrame:
    pairs = 4000 * 3999 // 2
    support = np.exp(level + sd * rng.standard_normal(count))
    return pd.DataFrame({"collisions": rng.poisson(pairs / support), "pairs": pairs})


@pytest.mark.parametrize("repeats", [100, pytest.param(2000, marks=pytest.mark.soak)])
@pytest.mark.parametrize(("count", "level"), [(2, 6.0), (5, 6.0), (5, 14.5)])
def test_mean_support_holds_the_truth(count: int, level: float, repeats: int) -> None:
    """At log N2 = 14.5 a trial has four collisions."""
    rng = np.random.default_rng(count)
    held, found = 0, 0
    for _ in range(repeats):
        try:
            low, high = cells.mean(trials(rng, count, level)).interval()
        except Undecided:
            continue
        found += 1
        held += low <= level <= high
    assert found > 0.8 * repeats
    assert abs(held / found - 0.95) <= 0.015 + 3 * math.sqrt(0.05 * 0.95 / found)


def test_mean_of_plenty_is_that_of_the_logarithms() -> None:
    some = trials(np.random.default_rng(1), 6, 5.0)
    logs = np.log(some["pairs"] / some["collisions"])
    found = cells.mean(some)
    assert (found.value, found.error) == pytest.approx((logs.mean(), stats.sem(logs)), rel=1e-3)
    assert cells.mean(some[:1]) == pytest.approx((logs[0], math.nan, 0), nan_ok=True)
    with pytest.raises(Undecided):
        cells.mean(some.assign(collisions=0))


def test_difference_of_means_is_welchs() -> None:
    rng = np.random.default_rng(2)
    one, other = trials(rng, 4, 5.0, 0.3), trials(rng, 7, 6.0, 0.9)
    logs = [np.log(some["pairs"] / some["collisions"]) for some in (one, other)]
    known = stats.ttest_ind(logs[1], logs[0], equal_var=False).confidence_interval()
    found = cells.difference(cells.mean(one), cells.mean(other))
    assert found == pytest.approx((logs[1].mean() - logs[0].mean(), known.low, known.high), rel=5e-3)
    assert math.isnan(cells.difference(cells.mean(one[:1]), cells.mean(other))[1])
