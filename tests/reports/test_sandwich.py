"""The clustered variance against its dense definition, a closed form, and known coverage."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power

from reports.statistics.counts import Fit, Undecided, fit_counts
from reports.statistics.sandwich import clustered


def least_squares(x: np.ndarray, y: np.ndarray) -> Fit:
    """Ordinary least squares in the shape of a fit with unit weights."""
    bread = np.linalg.inv(x.T @ x)
    coefficients = bread @ x.T @ y
    residual = y - x @ coefficients
    n, p = x.shape
    return Fit(coefficients, bread, 1.0, n - p, residual, np.ones(n), bread)


def test_seeds_with_the_same_design_are_a_sample_of_slopes() -> None:
    """Balanced: the slope is the mean of the seeds' own, its variance theirs over m, and df is m - 1."""
    rng = np.random.default_rng(0)
    x = np.tile(np.linspace(-1, 1, 6), 5)
    seeds = np.repeat(np.arange(5), 6)
    y = rng.standard_normal(30) + rng.standard_normal(5)[seeds] * x
    design = np.column_stack([np.ones(30), x])
    found = clustered(least_squares(design, y), design, seeds).variance(np.array([0.0, 1.0]))
    own = [np.polyfit(x[seeds == k], y[seeds == k], 1)[0] for k in range(5)]
    assert found.value == pytest.approx(np.var(own, ddof=1) / 5, rel=1e-9)
    assert found.df == pytest.approx(4, rel=1e-9)


def test_it_is_the_dense_formula_with_weights_and_unequal_seeds() -> None:
    rng = np.random.default_rng(1)
    seeds = np.repeat(np.arange(5), [3, 5, 6, 8, 8])
    design = np.column_stack([np.ones(30), rng.standard_normal(30), seeds == 2, np.arange(30) % 2])
    counts = rng.poisson(np.exp(2 + 0.5 * design[:, 1] + 0.5 * rng.standard_normal(30))).astype(float)
    fit, contrast = fit_counts(counts, design, np.zeros(30)), np.array([0.0, 1.0, 0.0, 0.0])
    weight = np.sqrt(fit.information)
    x, residual = design * weight[:, None], fit.score / weight
    free = np.eye(30) - x @ fit.bread @ x.T
    variance, columns = 0.0, []
    for k in range(5):
        own = seeds == k
        values, vectors = np.linalg.eigh(free[np.ix_(own, own)])
        if k == 2:  # decides its own level: the root of the pseudo-inverse
            adjusted = vectors[:, 1:] @ np.diag(values[1:] ** -0.5) @ vectors[:, 1:].T
        else:
            adjusted = fractional_matrix_power(free[np.ix_(own, own)], -0.5)
        variance += float((contrast @ fit.bread @ x[own].T @ adjusted @ residual[own]) ** 2)
        columns.append(free[:, own] @ adjusted @ x[own] @ fit.bread @ contrast)
    cross = np.array(columns) @ np.array(columns).T
    found = clustered(fit, design, seeds).variance(contrast)
    assert found.value == pytest.approx(variance, rel=1e-6)
    assert found.df == pytest.approx(np.trace(cross) ** 2 / (cross**2).sum(), rel=1e-6)


def test_seeds_that_each_decide_a_coefficient_leave_nothing_to_judge_by() -> None:
    seeds = np.repeat(np.arange(4), 3)
    design = np.column_stack([np.eye(4)[seeds], np.tile([-1.0, 0.0, 1.0], 4)])
    own = np.column_stack([design[:, :4] * design[:, 4:], design[:, :4]])
    fit = least_squares(own, np.random.default_rng(0).standard_normal(12))
    with pytest.raises(Undecided, match="each seed decides"):
        clustered(fit, own, seeds).variance(np.eye(8)[0])
