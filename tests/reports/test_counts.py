"""The count regression against closed forms, brute-force integration and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate as quadrature
from scipy import optimize, stats

from reports.statistics.counts import Array, Undecided, fit_counts, integrate


def design(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.column_stack([np.ones(n), rng.standard_normal(n), np.arange(n) % 2])


@pytest.mark.parametrize("count", [0, 1, 7, 400])
@pytest.mark.parametrize("sigma", [0.2, 1.0])
def test_likelihood_is_the_integral(count: int, sigma: float) -> None:
    log_mean = np.log(5.0)

    def density(e: float) -> float:
        # exp(-log C!) is left out on both sides.
        rate = np.exp(log_mean + sigma * e)
        return float(np.exp(count * np.log(rate) - rate - shift) * stats.norm.pdf(e))

    shift = count * np.log(max(count, 1)) - count
    peak = np.clip((np.log(count + 0.5) - log_mean) / sigma, -8, 8)
    points = [0.0, float(peak)]
    exact, _ = quadrature.quad(density, -14, 25, points=points, limit=400, epsabs=0, epsrel=1e-10)
    found = integrate(np.array([float(count)]), np.array([log_mean]), sigma)
    assert found.log_likelihood[0] == pytest.approx(np.log(exact) + shift, abs=2e-4)


def test_score_and_information_are_derivatives() -> None:
    counts, sigma, h = np.array([0.0, 3.0, 50.0]), 0.7, 1e-3
    means = np.log(np.array([2.0, 9.0, 30.0]))
    low, middle, high = (integrate(counts, means + d, sigma) for d in (-h, 0.0, h))
    assert middle.score == pytest.approx(
        (high.log_likelihood - low.log_likelihood) / (2 * h), rel=1e-3, abs=1e-4
    )
    assert middle.information == pytest.approx(-(high.score - low.score) / (2 * h), rel=5e-3)
    up, down = integrate(counts, means, sigma * np.exp(h)), integrate(counts, means, sigma * np.exp(-h))
    numeric = (up.log_likelihood - down.log_likelihood) / (2 * h)
    assert middle.sigma_score == pytest.approx(numeric, rel=1e-3, abs=1e-3)
    numeric = -(up.sigma_score - down.sigma_score) / (2 * h)
    assert middle.sigma_information == pytest.approx(numeric, rel=1e-3, abs=5e-3)
    assert middle.cross == pytest.approx(-(up.score - down.score) / (2 * h), rel=5e-3, abs=5e-3)


@pytest.mark.parametrize(
    ("n", "sigma", "level"), [(16, 1.0, 3.0), (40, 1.0, 0.0), (300, 1.5, -1.0), (60, 0.0, 2.0)]
)
def test_newton_finds_what_a_general_optimiser_finds(n: int, sigma: float, level: float) -> None:
    rng = np.random.default_rng(6)
    x, offset = design(n, rng), np.full(n, 1.0)
    counts = rng.poisson(np.exp(level + 0.5 * x[:, 1] + sigma * rng.standard_normal(n))).astype(float)

    def objective(theta: Array) -> float:
        return -integrate(counts, x @ theta[:3] + offset, float(np.exp(theta[3]))).log_likelihood.sum()

    fit = fit_counts(counts, x, offset)
    unscaled = max(fit.sigma * np.sqrt((n - 3) / n), 1e-3)
    start = [*np.round(fit.coefficients, 1), np.log(max(unscaled, 0.1))]
    bounds = [(None, None)] * 3 + [(np.log(1e-3), None)]
    options = {"ftol": 1e-15, "gtol": 1e-9}
    found = optimize.minimize(objective, start, method="L-BFGS-B", bounds=bounds, options=options)
    assert fit.coefficients == pytest.approx(found.x[:3], abs=2e-5)
    assert unscaled == pytest.approx(np.exp(found.x[3]), abs=2e-3 if sigma == 0 else 2e-5)
    best = objective(np.append(fit.coefficients, np.log(unscaled)))
    assert best <= found.fun + 1e-9 * abs(found.fun)
    # The score vanishes, in standard errors.
    gradient = x.T @ integrate(counts, x @ fit.coefficients + offset, unscaled).score
    assert gradient @ fit.bread @ gradient < 1e-10


def test_many_collisions_give_least_squares_of_the_log_counts() -> None:
    rng = np.random.default_rng(1)
    x = design(24, rng)
    counts = np.round(np.exp(14 + x @ [0.0, 0.8, -0.5] + 0.5 * rng.standard_normal(24)))
    fit = fit_counts(counts, x, np.zeros(24))
    known = sm.OLS(np.log(counts), x).fit(cov_type="HC3")
    assert fit.coefficients == pytest.approx(known.params, abs=1e-3)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(known.bse, rel=5e-3)
    assert fit.sigma == pytest.approx(np.sqrt(known.ssr / known.df_resid), rel=5e-3)
    assert fit.df == 21


def test_without_variation_between_trials_it_is_poisson_regression() -> None:
    rng = np.random.default_rng(2)
    x = design(400, rng)
    offset = np.full(400, 2.0)
    counts = rng.poisson(np.exp(x @ [-1.0, 0.4, 0.3] + offset)).astype(float)
    fit = fit_counts(counts, x, offset)
    known = sm.GLM(counts, x, family=sm.families.Poisson(), offset=offset).fit(cov_type="HC3")
    assert fit.coefficients == pytest.approx(known.params, abs=0.03)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(known.bse, rel=0.1)


def test_negative_binomial_agrees_where_both_models_hold() -> None:
    rng = np.random.default_rng(3)
    x = design(300, rng)
    counts = rng.poisson(np.exp(3 + x @ [0.0, 0.5, 0.2] + 0.3 * rng.standard_normal(300))).astype(float)
    fit = fit_counts(counts, x, np.zeros(300))
    known = sm.NegativeBinomial(counts, x).fit(disp=False)
    assert fit.coefficients[1:] == pytest.approx(known.params[1:3], abs=0.05)


def test_the_integral_is_right_far_from_where_the_counts_are() -> None:
    """Newton's steps may lead there. At hardly any variation it is the Poisson likelihood."""
    found = integrate(np.array([101.0]), np.array([11.9]), 1e-3)
    rate = np.exp(11.9)
    assert found.log_likelihood[0] == pytest.approx(
        101 * 11.9 - rate + (1e-3 * rate) ** 2 / 2 / (1 + 1e-6 * rate), rel=1e-3
    )
    assert np.isfinite([part[0] for part in found]).all()


def test_no_collision_anywhere_is_undecided() -> None:
    x = design(12, np.random.default_rng(0))
    with pytest.raises(Undecided, match="no pair collided"):
        fit_counts(np.zeros(12), x, np.zeros(12))


def test_a_trial_alone_in_its_group_is_undecided() -> None:
    x = design(12, np.random.default_rng(0))
    x[:, 2] = 0.0
    x[3, 2] = 1.0
    with pytest.raises(Undecided, match="alone decides"):
        fit_counts(np.full(12, 100.0), x, np.zeros(12))
