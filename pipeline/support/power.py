"""Planning: how many samples a support size takes, and what slope a study can find."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

# Between equally configured trials, the standard deviation of log N2. An assumption for planning (a factor of
# 1.6 either way), to be replaced by what a first study measures.
BETWEEN_SEED_SD = 0.5
# As the report: with fewer residual degrees of freedom nothing is decided.
FEWEST_DF = 4
# As the report: from so many seeds on they are clusters.
FEWEST_CLUSTERS = 4
# No slope beyond this is looked for.
LARGEST_SLOPE = 10.0


def expected_collisions(samples: int, n2: float) -> float:
    """E[C] = s (s - 1) / (2 N2), for any law. Raises ValueError unless s >= 2, N2 >= 1."""
    if samples < 2:
        raise ValueError(f"a support size needs at least two samples, not {samples}")
    _check_n2(n2)
    return samples * (samples - 1) / 2 / n2


def samples_needed(n2: float, relative_error: float, p3: float | None = None) -> int:
    """The fewest samples for which the standard error of N2 is at most this share of it.

    To first order Var N2 / N2^2 = Var C / E[C]^2, the variance of a U-statistic (Hoeffding 1948):
        4 (s - 2) (p3 / p2^2 - 1) / (s (s - 1)) + (1 - p2) / E[C].
    p3: the probability that a sample is a near-duplicate of two others, sum p_i^3 for distinct items. None:
    p2^2, as for equally likely items; then E[C] is about 1 / relative_error^2 and s about sqrt(2 N2) /
    relative_error. Any other law needs more: an atom of mass m that rules p2 about 4 (1 / m - 1) /
    relative_error^2, however many other items there are.

    Raises ValueError unless N2 >= 1, relative_error > 0 and p2^2 <= p3 <= p2^(3/2), up to rounding.
    """
    _check_n2(n2)
    if not relative_error > 0:
        raise ValueError(f"a relative error must be positive, not {relative_error:g}")
    uneven = 0.0 if p3 is None else p3 * n2**2 - 1
    # sum p^3 is at most (sum p^2)^(3/2): reached by a single atom.
    if not -1e-9 <= uneven <= math.sqrt(n2) * (1 + 1e-9) - 1:
        raise ValueError(f"p3 must lie between N2^-2 = {n2**-2:g} and N2^-1.5 = {n2**-1.5:g}, not {p3:g}")
    # e^2 s (s - 1) >= 4 (s - 2) uneven + 2 (N2 - 1)
    square = relative_error**2
    linear, constant = square + 4 * uneven, 8 * uneven - 2 * (n2 - 1)
    root = (linear + math.sqrt(linear**2 - 4 * square * constant)) / (2 * square)
    # Rounding must not ask for one more where the root is whole.
    return max(2, math.ceil(root * (1 - 1e-12)))


def power(
    slope: float,
    sizes: Sequence[float],
    seeds: int,
    samples: int,
    n2: float,
    between_seed_sd: float = BETWEEN_SEED_SD,
    alpha: float = 0.05,
    *,
    held: int = 0,
    robust: bool = True,
    clusters: int = 0,
) -> float:
    """The probability that a study finds the slope of log N2 on log discriminator parameters to differ from
    0.

    slope: the true one. sizes: the discriminators' numbers of parameters. seeds: trials of each size; where
    other axes are varied, those of all their values together. held: coefficients that these axes take, one
    for each value but the first; trials are spread evenly over them. samples: of each generator. n2: the
    support size at the geometric mean of the sizes, so that a size has N2 = n2 (size / mean)^slope.
    between_seed_sd: of log N2 between equally configured trials; it stands for all that differs but the
    collision count, uneven laws included. alpha: of both sides. robust: with the HC3 interval of the report
    (MacKinnon & White 1985; its expectation and degrees of freedom as in Bell & McCaffrey 2002); False: with
    the textbook's t-test of least squares, which few trials flatter. clusters: of how many seeds the trials
    are; from 4 on the report takes them as clusters (CR2: Bell & McCaffrey 2002), which in a complete design
    is a t-test on clusters - 1 degrees of freedom, whatever `robust`; seeds are assumed not to differ in
    slope.

    Approximate: log N2 of a trial is taken as normal with variance between_seed_sd^2 + 1 / E[C]. Against
    studies simulated and fitted as the report does (1,500 each, 8 to 40 trials, true power 0.3 to 0.85) it is
    within 0.04 from 5 expected collisions a trial on, and up to 0.05 too low at 1. The t-test's prediction,
    without the robust interval, is up to 0.11 too high for 12 trials.

    Raises ValueError for fewer than two different sizes or sizes that are not positive, no seeds, a negative
    between_seed_sd, alpha outside (0, 1), held outside [0, seeds), and fewer than 4 degrees of freedom.
    """
    design = _design(sizes, seeds, held)
    if not between_seed_sd >= 0:
        raise ValueError(f"between_seed_sd must be at least 0, not {between_seed_sd:g}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha:g}")
    trials, coefficients = design.shape
    x = design[:, 1]
    # The squared weight of each trial in the slope; the other columns are orthogonal to x.
    leading = x**2 / (x @ x) ** 2
    variance = between_seed_sd**2 + np.exp(slope * x) / expected_collisions(samples, n2)
    true = float(leading @ variance)
    shift = abs(slope) / np.sqrt(true)
    critical, df = stats.t.ppf(1 - alpha / 2, trials - coefficients), float(trials - coefficients)
    if clusters >= FEWEST_CLUSTERS:
        df = clusters - 1.0
        critical = stats.t.ppf(1 - alpha / 2, df)
    elif robust:
        estimated, df = _hc3(design, leading, variance)
        critical *= np.sqrt(estimated / true)
    return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))


def detectable_slope(
    sizes: Sequence[float],
    seeds: int,
    samples: int,
    n2: float,
    between_seed_sd: float = BETWEEN_SEED_SD,
    alpha: float = 0.05,
    *,
    held: int = 0,
    robust: bool = True,
    clusters: int = 0,
    probability: float = 0.8,
) -> float | None:
    """The smallest positive slope that a study finds with this probability; arguments and errors as of
    `power`. None if there is none up to 10: the steeper, the fewer collisions at the largest sizes.
    """
    if not alpha < probability < 1:
        raise ValueError(f"probability must lie between alpha and 1, not {probability:g}")

    def excess(slope: float) -> float:
        found = power(
            slope,
            sizes,
            seeds,
            samples,
            n2,
            between_seed_sd,
            alpha,
            held=held,
            robust=robust,
            clusters=clusters,
        )
        return found - probability

    below = 0.0
    for above in np.geomspace(0.01, LARGEST_SLOPE, 25):
        if excess(above) >= 0:
            return float(optimize.brentq(excess, below, above))
        below = above
    return None


def _design(sizes: Sequence[float], seeds: int, held: int) -> np.ndarray:
    """(trials, 2 + held): ones, centred log sizes, indicators of all but the first held value."""
    if not all(size > 0 for size in sizes) or len(set(sizes)) < 2:
        raise ValueError("a slope needs at least two different sizes, all positive")
    if not 0 <= held < seeds:
        raise ValueError(f"seeds must be at least 1 and held lie in [0, seeds), not {seeds} and {held}")
    trials = len(sizes) * seeds
    if trials < 2 + held + FEWEST_DF:
        raise ValueError(
            f"{trials} trials for {2 + held} coefficients are too few: at least {2 + held + FEWEST_DF}"
        )
    x = np.log(np.array(sizes, np.float64))
    values = np.repeat(np.arange(seeds) % (held + 1), len(sizes))
    indicators = (values[:, None] == np.arange(1, held + 1)).astype(np.float64)
    return np.column_stack([np.ones(trials), np.tile(x - x.mean(), seeds), indicators])


def _hc3(design: np.ndarray, leading: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """(expectation, degrees of freedom) of the HC3 estimate of the slope's variance.

    It is the quadratic form sum_i leading_i e_i^2 / (1 - h_i)^2 of the residuals e, scaled chi-squared to two
    moments.
    """
    hat = design @ np.linalg.pinv(design)
    residuals = np.eye(len(design)) - hat
    form = (residuals * (leading / (1 - np.diag(hat)) ** 2)) @ residuals * variance
    estimated = float(np.trace(form))
    return estimated, estimated**2 / float((form * form.T).sum())


def _check_n2(n2: float) -> None:
    if not n2 >= 1:
        raise ValueError(f"a support size N2 is at least 1, not {n2:g}")
