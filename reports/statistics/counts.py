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

Array = np.ndarray[Any, np.dtype[np.float64]]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
LOG_WEIGHTS = NODES**2 / 2 + np.log(WEIGHTS / np.sqrt(2 * np.pi))
LARGEST_EXPONENT = 50.0
# A log-standard-deviation below this is no between-trial variation at all: the model is Poisson.
SMALLEST_SIGMA, LARGEST_SIGMA = 1e-3, 150.0
# log p2 moves by less than this over any study; a coefficient beyond it means that the likelihood has no
# maximum.
LARGEST_EFFECT = 40.0
# Newton decrement: a squared distance to the maximum, in standard errors.
SMALLEST_DECREMENT = 1e-8
MOST_STEPS = 60
# Trials integrated at a time: their nodes fit into a processor's cache.
BLOCK = 2048


class Undecided(Exception):
    """The data cannot fix the coefficients; the message is the reason, for the reader."""


class Fit(NamedTuple):
    """coefficients (p,), covariance (p, p) robust, sigma: between-trial sd of log p2, df: residual degrees of
    freedom; and what another sandwich is made of: per trial the score (n,) and the observed information (n,)
    of its log mean, and bread (p, p), the inverse information of the coefficients.
    """

    coefficients: Array
    covariance: Array
    sigma: float
    df: int
    score: Array
    information: Array
    bread: Array


class Integral(NamedTuple):
    """Per trial (n,), under the posterior of its e: log likelihood; its first derivatives by the log mean
    (score) and by log sigma (sigma_score); minus its second ones (information, cross, sigma_information).
    """

    log_likelihood: Array
    score: Array
    sigma_score: Array
    information: Array
    cross: Array
    sigma_information: Array


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
    coefficients: Array = np.linalg.lstsq(design, start, rcond=None)[0].astype(np.float64)
    spread = max(0.1, float(np.std(start - design @ coefficients)))
    coefficients, sigma = _maximum(counts, design, offset, coefficients, spread)
    sigma *= float(np.sqrt(n / (n - p)))
    parts = integrate(counts, design @ coefficients + offset, sigma)
    information = np.maximum(parts.information, 0.0)
    bread = _inverse((design.T * information) @ design)
    leverage = information * np.einsum("ij,ij->i", design @ bread, design)
    if leverage.max() > 1 - 1e-6:
        raise Undecided("one trial alone decides a coefficient: more seeds are needed")
    residual = parts.score / (1 - leverage)
    covariance = bread @ ((design.T * residual**2) @ design) @ bread
    return Fit(coefficients, covariance, sigma, n - p, parts.score, information, bread)


def integrate(counts: Array, log_means: Array, sigma: float) -> Integral:
    """Log likelihood and derivatives with each trial's e_i integrated out, by adaptive Gauss-Hermite
    quadrature.

    counts: (n,). log_means: (n,) log of the mean count at e = 0. The constant -log C! is left out.
    """
    blocks = [
        _integrate(counts[k : k + BLOCK], log_means[k : k + BLOCK], sigma)
        for k in range(0, len(counts), BLOCK)
    ]
    return Integral(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _integrate(counts: Array, log_means: Array, sigma: float) -> Integral:
    mode = _mode(counts, log_means, sigma)
    peak = _exp(log_means + sigma * mode)
    width = 1 / np.sqrt(sigma**2 * peak + 1)
    e = mode[:, None] + width[:, None] * NODES
    rate = _exp(log_means[:, None] + sigma * e)
    # The log integrand less its value at the mode.
    linear, square = width * (counts * sigma - mode), width**2 / 2
    height = (linear[:, None] - square[:, None] * NODES) * NODES - rate + (peak[:, None] + LOG_WEIGHTS)
    terms = np.exp(height)
    total = terms.sum(axis=1)

    def mean(first: Array, second: Array) -> Array:
        return np.einsum("ij,ij->i", first, second) / total

    residual = counts[:, None] - rate
    at_rate, at_residual = terms * rate, terms * residual
    by_sigma = residual * e
    score, sigma_score = mean(terms, residual), sigma * mean(terms, by_sigma)
    # Louis 1982: observed information = E[complete information] - Var[complete score].
    return Integral(
        log_likelihood=counts * (log_means + sigma * mode) - peak - mode**2 / 2 + np.log(total * width),
        score=score,
        sigma_score=sigma_score,
        information=mean(terms, rate) - mean(at_residual, residual) + score**2,
        cross=sigma * (mean(at_rate, e) - mean(at_residual, by_sigma)) + score * sigma_score,
        sigma_information=sigma**2 * (mean(at_rate, e**2) - mean(at_residual, by_sigma * e))
        + sigma_score**2
        - sigma_score,
    )


def _maximum(
    counts: Array, design: Array, offset: Array, coefficients: Array, sigma: float
) -> tuple[Array, float]:
    """The maximum of the likelihood over coefficients and log sigma by Newton's method, steps halved until
    the likelihood does not fall.
    """
    p = design.shape[1]
    low, high = np.log(SMALLEST_SIGMA), np.log(LARGEST_SIGMA)
    theta = np.append(coefficients, np.log(sigma))
    parts = integrate(counts, design @ coefficients + offset, sigma)
    for _ in range(MOST_STEPS):
        gradient = np.append(design.T @ parts.score, parts.sigma_score.sum())
        cross = design.T @ parts.cross
        # The likelihood is concave in the coefficients, but in log sigma near its maximum only.
        information = np.block(
            [
                [(design.T * parts.information) @ design, cross[:, None]],
                [cross[None, :], np.full((1, 1), parts.sigma_information.sum())],
            ]
        )
        step = _ascent(information, gradient, low - theta[p])
        if float(gradient @ step) < SMALLEST_DECREMENT:
            theta += step
            break
        level, size = parts.log_likelihood.sum(), 1.0
        while size > 1e-6:
            found = theta + size * step
            found[p] = min(found[p], high)
            parts = integrate(counts, design @ found[:p] + offset, float(np.exp(found[p])))
            reached = parts.log_likelihood.sum()
            if np.isfinite(reached) and reached >= level - 1e-9 * abs(level):
                break
            size /= 2
        theta = found
        if not np.isfinite(theta).all() or _reach(design, theta[:p]) > LARGEST_EFFECT:
            raise Undecided("the counts are too sparse: the likelihood has no finite maximum")
    else:
        raise Undecided("the fit did not reach the maximum of the likelihood")
    return theta[:p], float(np.exp(theta[p]))


def _ascent(information: Array, gradient: Array, down: float) -> Array:
    """Newton's step in the coefficients and log sigma, which may fall by `down` and rise by 1. Downwards it
    is the step in sigma^2, which can reach 0; upwards 1 where the surface is not concave.
    """
    p = len(gradient) - 1
    inverse = _inverse(information[:p, :p])
    alone, lever = inverse @ gradient[:p], inverse @ information[:p, p]
    slope = gradient[p] - information[p, :p] @ alone
    bend = information[p, p] - information[p, :p] @ lever
    if slope < 0:
        variance, change = bend + 2 * slope, 2 * slope
        last = np.log1p(change / variance) / 2 if variance > -change else -np.inf
    else:
        last = slope / bend if bend > 0 else 1.0
    last = np.clip(last, down, 1.0)
    return np.append(alone - lever * last, last)


def _inverse(information: Array) -> Array:
    if not np.isfinite(information).all() or np.linalg.cond(information) > 1e12:
        raise Undecided("the counts are too sparse: nothing is known about some coefficient")
    return np.linalg.inv(information).astype(np.float64)


def _reach(design: Array, coefficients: Array) -> float:
    """The most by which one coefficient moves log p2 between trials."""
    return float((np.ptp(design, axis=0) * np.abs(coefficients)).max())


def _mode(counts: Array, log_means: Array, sigma: float) -> Array:
    """Where the integrand over e peaks: Newton's steps on a concave function, of at most one in e or in the
    log rate.
    """
    longest = max(1.0, 1 / sigma)
    weight = sigma**2 * (counts + 0.5)
    e = np.clip((np.log(counts + 0.5) - log_means) / sigma * weight / (1 + weight), -8, 8)
    for _ in range(40):
        rate = _exp(log_means + sigma * e)
        step = (sigma * (counts - rate) - e) / (sigma**2 * rate + 1)
        e = e + np.clip(step, -longest, longest)
        if np.abs(step).max() < 1e-9:
            break
    return e


def _exp(x: Array) -> Array:
    return np.exp(np.clip(x, -LARGEST_EXPONENT, LARGEST_EXPONENT))
