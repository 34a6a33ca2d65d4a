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
) -> float:
    """The probability that a study finds the slope of log N2 on log discriminator parameters to differ from
    0.

    slope: the true one. sizes: the discriminators' numbers of parameters. seeds: trials of each size; where
    other axes are varied, all their values together. held: coefficients that these axes take, one for each
    value but the first. samples: of each generator. n2: the support size at the geometric mean of the sizes,
    so that the N2 of a size is n2 (size / mean)^slope. between_seed_sd: of log N2 between equally configured
    trials; it holds whatever differs but the collision count, uneven laws included. alpha: of both sides.

    Approximate: log N2 of a trial is normal with variance between_seed_sd^2 + 1 / E[C], the slope is that of
    least squares, and its t has n - 2 - held degrees of freedom. The report fits the collision counts
    themselves, with robust intervals. Trials with few expected collisions are told less than 1 / E[C] says:
    below about 5, read the result as an upper limit.

    Raises ValueError for fewer than two different sizes, sizes that are not positive, no seeds, a
    between_seed_sd below 0, alpha outside (0, 1), a negative `held`, or fewer than 4 degrees of freedom.
    """
    x, df = _design(sizes, seeds, held)
    if not between_seed_sd >= 0:
        raise ValueError(f"between_seed_sd must be at least 0, not {between_seed_sd:g}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha:g}")
    variance = between_seed_sd**2 + np.exp(slope * x) / expected_collisions(samples, n2)
    standard_error = np.sqrt((x**2 @ variance) / seeds) / (x @ x)
    critical = stats.t.ppf(1 - alpha / 2, df)
    shift = abs(slope) / standard_error
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
    probability: float = 0.8,
) -> float | None:
    """The smallest positive slope that a study finds with this probability; arguments and errors as of
    `power`. None if there is none up to 10: the steeper, the fewer collisions at the largest sizes.
    """
    if not alpha < probability < 1:
        raise ValueError(f"probability must lie between alpha and 1, not {probability:g}")

    def excess(slope: float) -> float:
        found = power(slope, sizes, seeds, samples, n2, between_seed_sd, alpha, held=held)
        return found - probability

    below = 0.0
    for above in np.geomspace(1e-3, LARGEST_SLOPE, 60):
        if excess(above) >= 0:
            return float(optimize.brentq(excess, below, above))
        below = above
    return None


def _design(sizes: Sequence[float], seeds: int, held: int) -> tuple[np.ndarray, int]:
    """(centred log sizes, residual degrees of freedom)"""
    if not all(size > 0 for size in sizes) or len(set(sizes)) < 2:
        raise ValueError("a slope needs at least two different sizes, all positive")
    if seeds < 1 or held < 0:
        raise ValueError(f"seeds must be at least 1 and held at least 0, not {seeds} and {held}")
    x = np.log(np.array(sizes, np.float64))
    df = len(sizes) * seeds - 2 - held
    if df < FEWEST_DF:
        raise ValueError(
            f"{len(sizes) * seeds} trials for {2 + held} coefficients are too few: "
            f"at least {2 + held + FEWEST_DF} are needed"
        )
    return x - x.mean(), df


def _check_n2(n2: float) -> None:
    if not n2 >= 1:
        raise ValueError(f"a support size N2 is at least 1, not {n2:g}")
