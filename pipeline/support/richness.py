"""What clusters say about the number of distinct items: lower bounds, and the mass that was not seen.

An item is a cluster of near-duplicates; D is the number of clusters, n_i the samples in one, f_k the clusters
of exactly k samples. Clusters are connected components: where near-duplicates chain, they hold samples that
are not near-duplicates of each other, and every figure here is too low.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import integrate, special, stats

# Below this coverage the entropy of what was not seen is anyone's guess: no Hill number of order 1.
LEAST_COVERAGE = 0.9


class Bounds(NamedTuple):
    """An estimate with its interval."""

    value: float
    low: float
    high: float


class Hill(NamedTuple):
    """Hill numbers: effective numbers of items, those of mass p_i counting p_i^q. order_0: of items, of which
    Chao1 is a lower bound. order_1: exp of the Shannon entropy; None where coverage is too low. order_2: 1 /
    sum p_i^2; None where no two samples are of one item.
    """

    order_0: Bounds
    order_1: float | None
    order_2: float | None


def chao1(labels: np.ndarray, confidence: float = 0.95) -> Bounds:
    """A lower bound on the number of items: D + f1 (f1 - 1) / (2 (f2 + 1)), Chao 1984, bias-corrected.

    labels: (s,) int64 cluster of each sample. Its expectation is at most the number of items, and near it
    once the items seen once are about as likely as those not seen. Much larger than N2, it tells of items far
    likelier than the rest.

    The interval takes log(Chao1 - D) as normal (Chao 1987, Estimating the population size for
    capture-recapture data with unequal catchability), with the variances of EstimateS (Colwell 2013, appendix
    B, equations 6 to 8, 13, 14), as scikit-bio does. It is one of Chao1's expectation, not of the number of
    items. f2 = 0 makes it vague, f1 = 1 then a point; with f1 = s, no collision at all, Chao1 is about the
    number of pairs. Raises ValueError for no samples.
    """
    counts = _counts(labels)
    s, distinct = len(labels), len(counts)
    f1, f2 = _frequencies(counts)
    z = stats.norm.ppf((1 + confidence) / 2)
    unseen = f1 * (f1 - 1) / (2 * (f2 + 1))
    if f1 == 0:
        missed = np.exp(-s / distinct)
        middle, half = distinct / (1 - missed), z * np.sqrt(distinct * missed / (1 - missed))
        return Bounds(float(distinct), float(max(distinct, middle - half)), float(middle + half))
    if unseen == 0:
        return Bounds(float(distinct), float(distinct), float(distinct))
    if f2 == 0:
        variance = unseen + f1 * (2 * f1 - 1) ** 2 / 4 - f1**4 / (4 * (distinct + unseen))
    else:
        variance = (
            unseen
            + f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
            + f1**2 * f2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
        )
    factor = np.exp(z * np.sqrt(np.log1p(variance / unseen**2)))
    return Bounds(distinct + unseen, float(distinct + unseen / factor), float(distinct + unseen * factor))


def unseen_mass(labels: np.ndarray, confidence: float = 0.95) -> Bounds:
    """The probability U that one more sample is of an item not seen so far: f1 / s (Good 1953, Turing).

    labels: (s,) int64 cluster of each sample. f1 - s U has mean about 0 and variance about s U (1 - U) + 2 f2
    (Esty 1983, A normal limit law for a nonparametric estimator of the coverage of a random sample). The
    interval holds the U for which f1 is within z standard deviations, as Wilson's does for a proportion, so
    that f1 = 0 leaves U <= z^2 / (s + z^2). Simulated coverage at 95 %: 93 to 100 % for uniform, geometric
    and Zipf laws and a 10 % atom, 100 to 4,000 samples. Raises ValueError for no samples.
    """
    f1, f2 = _frequencies(_counts(labels))
    s = len(labels)
    z2 = stats.norm.ppf((1 + confidence) / 2) ** 2
    # (f1 - s U)^2 = z^2 (s U (1 - U) + 2 f2)
    a, b, c = s * (s + z2), s * (2 * f1 + z2), f1**2 - 2 * z2 * f2
    root = np.sqrt(b**2 - 4 * a * c)
    low, high = np.clip([(b - root) / (2 * a), (b + root) / (2 * a)], 0.0, 1.0)
    return Bounds(f1 / s, float(low), float(high))


def hill_numbers(labels: np.ndarray, confidence: float = 0.95) -> Hill:
    """Hill numbers of order 0 (a lower bound), 1 and 2 (nearly unbiased).

    labels: (s,) int64 cluster of each sample.

    Order 1 is exp of the entropy estimator of Chao, Wang & Jost 2013 (Entropy and the species accumulation
    curve), as iNEXT has it. It extrapolates from f1 and f2 as if what was not seen were equally likely, and
    is too low where much of that is rarer still. The rule: None unless the estimated sample coverage (Chao &
    Jost 2012, equation 4a) is at least 0.9. Simulated medians above that, relative to the truth: uniform laws
    0.99 to 1.00; p_i ~ i^-1.5 0.86 to 0.96; a 90 % atom over 10^4 items 0.78 (400 samples) to 1.01 (4,000);
    95 % on 100 items, the rest on 10^6, 0.61 (400) to 0.97 (20,000). Below it, laws with a long tail give 0.1
    to 0.6, and nothing in the data tells.

    Order 2 is s (s - 1) / sum n_i (n_i - 1): the support size N2 where all members of a cluster are
    near-duplicates of each other. Raises ValueError for fewer than two samples.
    """
    counts = _counts(labels)
    s = len(labels)
    if s < 2:
        raise ValueError("Hill numbers need at least two samples")
    alike = int((counts * (counts - 1)).sum())
    order_1 = float(np.exp(_entropy(counts))) if _coverage(counts) >= LEAST_COVERAGE else None
    return Hill(chao1(labels, confidence), order_1, s * (s - 1) / alike if alike else None)


def _counts(labels: np.ndarray) -> np.ndarray:
    """(D,) int64 samples of each cluster."""
    if len(labels) == 0:
        raise ValueError("at least one sample is needed")
    counts: np.ndarray = np.unique(labels, return_counts=True)[1]
    return counts


def _frequencies(counts: np.ndarray) -> tuple[int, int]:
    """(f1, f2)"""
    return int((counts == 1).sum()), int((counts == 2).sum())


def _discovery(counts: np.ndarray) -> float:
    """A of Chao & Jost 2012: the estimated mean probability of the items that were seen once."""
    n = int(counts.sum())
    f1, f2 = _frequencies(counts)
    if f2:
        return 2 * f2 / ((n - 1) * f1 + 2 * f2)
    return 2 / ((n - 1) * (f1 - 1) + 2) if f1 else 1.0


def _coverage(counts: np.ndarray) -> float:
    return 1 - _frequencies(counts)[0] / int(counts.sum()) * (1 - _discovery(counts))


def _entropy(counts: np.ndarray) -> float:
    """Shannon entropy in nats, Chao, Wang & Jost 2013, equation 7."""
    n = int(counts.sum())
    seen = float((counts / n * (special.digamma(n) - special.digamma(counts))).sum())
    return seen + _frequencies(counts)[0] / n * _rest(n, _discovery(counts))


def _rest(n: int, a: float) -> float:
    """(1 - a)^(1 - n) (-log a - sum_{r < n} (1 - a)^r / r).

    Its terms cancel and overflow. It is the sum over r >= n of (1 - a)^(r - n + 1) / r, which is the integral
    of (1 - a) e^(-n u) / (1 - (1 - a) e^-u) over u > 0, taken over w = log(n u).
    """
    if a == 1:
        return 0.0

    def integrand(w: float) -> float:
        v = np.exp(w)
        return float((1 - a) / n * np.exp(w - v) / (a - (1 - a) * np.expm1(-v / n)))

    lowest = np.log(min(1.0, n * a)) - 40
    return float(integrate.quad(integrand, lowest, np.log(60), epsabs=0, epsrel=1e-10, limit=200)[0])
