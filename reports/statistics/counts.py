"""The regression of collision counts: a Poisson-lognormal model with a small-sample robust interval.

C_i ~ Poisson(pairs_i * exp(x_i' b + sigma e_i)), e_i ~ N(0, 1): log p2 varies between equally configured
trials by a normal amount. Its variance grows with the mean as a negative binomial's does (mean + constant *
mean^2), but its coefficients belong to the mean of log p2, which is what a slope of log N2 means, and not to
the log of the mean, which a few collapsed trials move. Reference: Aitchison & Ho 1989, Biometrika 76:643;
sandwich with HC3 leverages: MacKinnon & White 1985.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

Array = np.ndarray[Any, np.dtype[np.float64]]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
LARGEST_EXPONENT = 50.0
# A log-standard-deviation below this is no between-trial variation at all: the model is Poisson.
SMALLEST_SIGMA = 1e-3
# log p2 moves by less than this over any study; a coefficient beyond it means that the likelihood has no
# maximum.
LARGEST_EFFECT = 40.0
# Newton decrement: a squared distance to the maximum, in standard errors.
SMALLEST_DECREMENT = 1e-4


class Undecided(Exception):
    """The data cannot fix the coefficients; the message is the reason, for the reader."""


class Fit(NamedTuple):
    """coefficients (p,), covariance (p, p) robust, sigma: between-trial sd of log p2, df: residual degrees of
    freedom.
    """

    coefficients: Array
    covariance: Array
    sigma: float
    df: int


class _Integral(NamedTuple):
    """Per trial, under the posterior of its log mean: log likelihood (n,), score (n,), information (n,), d/d
    log sigma (n,).
    """

    log_likelihood: Array
    score: Array
    information: Array
    sigma_score: Array


def fit_counts(counts: Array, design: Array, offset: Array) -> Fit:
    """Maximum likelihood of the model above, sigma^2 then scaled by n / (n - p) as in least squares.

    counts: (n,) collisions. design: (n, p) of full rank. offset: (n,) log pairs.
    The covariance is A^-1 (sum u_i^2 / (1 - h_i)^2 x_i x_i') A^-1 with scores u_i, observed information A and
    leverages h_i, so that variation which differs between trials does not break the interval.
    Raises Undecided if the maximum does not exist or a single trial decides a coefficient alone.
    """
    n, p = design.shape
    if not (counts > 0).any():
        raise Undecided("no pair collided in any trial")
    start = np.log(counts + 0.5) - offset
    coefficients = np.linalg.lstsq(design, start, rcond=None)[0]
    spread = max(0.1, float(np.std(start - design @ coefficients)))

    def objective(theta: Array) -> tuple[float, Array]:
        sigma = max(float(np.exp(min(theta[p], 5.0))), SMALLEST_SIGMA)
        parts = integrate(counts, design @ theta[:p] + offset, sigma)
        return -parts.log_likelihood.sum(), -np.append(design.T @ parts.score, parts.sigma_score.sum())

    found = optimize.minimize(
        objective, np.append(coefficients, np.log(spread)), jac=True, method="BFGS", options={"gtol": 1e-5}
    )
    coefficients, sigma = found.x[:p], max(float(np.exp(min(found.x[p], 5.0))), SMALLEST_SIGMA)
    if not np.isfinite(found.x).all() or _reach(design, coefficients) > LARGEST_EFFECT:
        raise Undecided("the counts are too sparse: the likelihood has no finite maximum")
    inverse, parts = _inverse_information(counts, design, design @ coefficients + offset, sigma)
    gradient = design.T @ parts.score
    if gradient @ inverse @ gradient > SMALLEST_DECREMENT:
        raise Undecided("the fit did not reach the maximum of the likelihood")
    sigma *= float(np.sqrt(n / (n - p)))
    inverse, parts = _inverse_information(counts, design, design @ coefficients + offset, sigma)
    leverage = parts.information * np.einsum("ij,jk,ik->i", design, inverse, design)
    if leverage.max() > 1 - 1e-6:
        raise Undecided("one trial alone decides a coefficient: more seeds are needed")
    residual = parts.score / (1 - leverage)
    covariance = inverse @ ((design.T * residual**2) @ design) @ inverse
    return Fit(coefficients, covariance, sigma, n - p)


def integrate(counts: Array, log_means: Array, sigma: float) -> _Integral:
    """Log likelihood and derivatives with each trial's e_i integrated out, by adaptive Gauss-Hermite
    quadrature.

    counts: (n,). log_means: (n,) log of the mean count at e = 0. The constant -log C! is left out.
    """
    mode = _mode(counts, log_means, sigma)
    width = 1 / np.sqrt(sigma**2 * _exp(log_means + sigma * mode) + 1)
    e = mode[:, None] + width[:, None] * NODES
    log_rate = log_means[:, None] + sigma * e
    rate = _exp(log_rate)
    log_terms = (
        counts[:, None] * log_rate - rate - e**2 / 2 + NODES**2 / 2 + np.log(WEIGHTS / np.sqrt(2 * np.pi))
    )
    largest = log_terms.max(axis=1, keepdims=True)
    terms = np.exp(log_terms - largest)
    total = terms.sum(axis=1, keepdims=True)
    posterior = terms / total
    residual = counts[:, None] - rate
    score = (posterior * residual).sum(axis=1)
    # Louis 1982: observed information = E[complete information] - Var[complete score].
    information = (posterior * rate).sum(axis=1) - ((posterior * residual**2).sum(axis=1) - score**2)
    return _Integral(
        log_likelihood=largest[:, 0] + np.log(total[:, 0]) + np.log(width),
        score=score,
        information=np.maximum(information, 0.0),
        sigma_score=(posterior * residual * sigma * e).sum(axis=1),
    )


def _inverse_information(
    counts: Array, design: Array, log_means: Array, sigma: float
) -> tuple[Array, _Integral]:
    parts = integrate(counts, log_means, sigma)
    information = (design.T * parts.information) @ design
    if np.linalg.cond(information) > 1e12:
        raise Undecided("the counts are too sparse: nothing is known about some coefficient")
    inverse = np.linalg.inv(information).astype(np.float64)
    return inverse, parts


def _reach(design: Array, coefficients: Array) -> float:
    """The most by which one coefficient moves log p2 between trials."""
    return float((np.ptp(design, axis=0) * np.abs(coefficients)).max())


def _mode(counts: Array, log_means: Array, sigma: float) -> Array:
    """Where the integrand over e peaks: Newton steps of at most one on a concave function."""
    weight = sigma**2 * (counts + 0.5)
    e = np.clip((np.log(counts + 0.5) - log_means) / sigma * weight / (1 + weight), -8, 8)
    for _ in range(40):
        rate = _exp(log_means + sigma * e)
        step = (sigma * (counts - rate) - e) / (sigma**2 * rate + 1)
        e = e + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return e


def _exp(x: Array) -> Array:
    return np.exp(np.clip(x, -LARGEST_EXPONENT, LARGEST_EXPONENT))
