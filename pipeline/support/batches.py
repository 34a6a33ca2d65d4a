"""The paper's protocol: how often does a batch of samples hold near-duplicates? (Arora & Zhang 2017, Do GANs
actually learn the distribution? An empirical study.)

One pool of independent samples is cut into disjoint batches of each size, in order of index: the samples are
independent draws of one law, so their order is random as it is. No sample is in two batches of a size.
Batches drawn from the pool with replacement would hold samples twice, and a pool of s samples without any
near-duplicate would seem to have a support of s. Batches of different sizes do share samples, so their counts
are dependent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from pipeline.support.arz import collision_probability

STEP = 1.25
# -log P(no collision) grows like s^(2 slope). With counts n_i ~ Poisson(s p_i) it is the sum of g(s p_i) with
# g(u) = u - log(1 + u): slope 1, that of equally likely items, while none is seen often, and 1/2 at least.
LEAST_SLOPE, EVEN_SLOPE = 0.5, 1.0


class BatchCollisions(NamedTuple):
    """`collided` of `batches` disjoint batches hold near-duplicates. low, high: Clopper-Pearson interval of
    the probability. predicted: what it would be for N2 equally likely items; None without an N2.
    """

    batch_size: int
    batches: int
    collided: int
    low: float
    high: float
    predicted: float | None


class Reading(NamedTuple):
    """A value with its interval. value: None where not determined. high: None where unbounded."""

    value: float | None
    low: float
    high: float | None


class HalfCollision(NamedTuple):
    """Where half of all batches collide, read off `batches` batches of `batch_size`, `collided` of them.

    s50: that size. paper: s50^2, the paper's support. calibrated: s50 (s50 - 1) / (2 ln 2), the number of
    equally likely items that collide half of the time at this size, 0.72 of the former.
    """

    batch_size: int
    batches: int
    collided: int
    s50: Reading
    paper: Reading
    calibrated: Reading


def last_earlier(first: np.ndarray, second: np.ndarray, samples: int) -> np.ndarray:
    """(s,) int64: the last earlier near-duplicate of each sample, -1 if it has none.

    first, second: (pairs,) int64 the near-duplicate pairs, 0 <= first < second < s. Raises ValueError for
    others: a sample is no duplicate of itself, and a pool that lists one twice was drawn with replacement.
    """
    if not ((first >= 0) & (first < second) & (second < samples)).all():
        raise ValueError(f"near-duplicate pairs need 0 <= first < second < {samples}")
    previous = np.full(samples, -1)
    np.maximum.at(previous, second, first)
    return previous


def batch_sizes(samples: int) -> list[int]:
    """2, 3, 4, ... in steps of about a quarter up to all samples, of which there must be at least two."""
    if samples < 2:
        raise ValueError("batches need at least two samples")
    steps = math.ceil(math.log(samples / 2) / math.log(STEP))
    return sorted({min(round(2 * STEP**k), samples) for k in range(steps + 1)})


def batch_collisions(
    previous: np.ndarray,
    sizes: Sequence[int] | None = None,
    n2: float | None = None,
    confidence: float = 0.95,
) -> list[BatchCollisions]:
    """For each batch size, how many of the s // size batches hold near-duplicates.

    previous: (s,) int64 the last earlier near-duplicate of each sample, -1 if it has none, as in PairCounts
    or from `last_earlier`: a batch collides if that of one of its samples is in it too. sizes: None for
    `batch_sizes(s)`. n2: the support size for `predicted`. Raises ValueError for sizes outside [2, s] and
    where a previous sample does not come before.
    """
    _check(previous)
    rows = []
    for size in batch_sizes(len(previous)) if sizes is None else sizes:
        batches, collided = _count(previous, size)
        low, high = _clopper_pearson(batches, collided, confidence)
        predicted = None if n2 is None else collision_probability(size, n2)
        rows.append(BatchCollisions(size, batches, collided, low, high, predicted))
    return rows


def half_collision(previous: np.ndarray, confidence: float = 0.95) -> HalfCollision:
    """The batch size at which half of all batches collide, and what support the paper reads from it.

    previous: as in `batch_collisions`, with the same errors.

    Value and interval rest on the batches of one size alone, which are independent: their share and its
    Clopper-Pearson interval, carried to 1/2 along -log(1 - P) = (s (s - 1) / (2 N))^slope (complementary
    log-log). The sizes of the ladder together, as if independent, only choose: N and the slope in [1/2, 1]
    maximise the sum of their binomial log likelihoods, and the size used is where this curve crosses 1/2. The
    slope is 1 for equally likely items. Atoms flatten the curve: with the slope held at 1 the interval of a
    10 % atom would cover 82 % (20,000 samples).

    Simulated coverage of the 95 % interval: 94 to 99 % for uniform laws on 10, 10^3 and 10^5 items, Zipf(1)
    on 10^5 and atoms of 3 and 10 %, with 400, 1,000, 4,000 and 20,000 samples. It is wide where the pool
    makes few batches: a support to 10 % takes some 200 of them.

    s50: at least 2; value None if none or all of the batches of that size collide, so that the pool is too
    small for the paper's statement, or every pair collides. Without any collision its lower limit holds for
    any law (slope 1/2).
    """
    _check(previous)
    sizes = batch_sizes(len(previous))
    crossing, slope = _curve(np.array(sizes), np.array([_count(previous, b) for b in sizes]))
    size = min(max(2, round(crossing)), len(previous))
    batches, collided = _count(previous, size)
    low, high = _clopper_pearson(batches, collided, confidence)
    middle = _carry(size, collided / batches, slope) if 0 < collided < batches else None
    s50 = Reading(middle, _carry(size, high, slope), _carry(size, low, slope) if collided else None)
    return HalfCollision(
        batch_size=size,
        batches=batches,
        collided=collided,
        s50=s50,
        paper=_read(s50, lambda s: s**2),
        calibrated=_read(s50, lambda s: equal_support(s, 0.5)),
    )


def equal_support(batch_size: float, probability: float) -> float:
    """How many equally likely items collide with this probability in a batch: N = -b (b - 1) / (2 ln(1 - P)).

    At P = 1/2 it is 0.7213 b (b - 1); the paper's b^2 belongs to P = 0.39. Raises ValueError unless
    0 < P < 1.
    """
    if not 0 < probability < 1:
        raise ValueError(f"a support needs a collision probability between 0 and 1, not {probability:g}")
    return batch_size * (batch_size - 1) / 2 / -math.log1p(-probability)


def half_collision_size(support: float) -> float:
    """The batch size at which a support of equally likely items collides half of the time: `equal_support`
    at P = 1/2, inverted. Exact birthday probabilities cross 1/2 sooner, by 0.5 - (3 - 2 ln 2) / 6 = 0.231.
    """
    return 0.5 + math.sqrt(0.25 + 2 * support * math.log(2))


def _check(previous: np.ndarray) -> None:
    if not ((previous >= -1) & (previous < np.arange(len(previous)))).all():
        raise ValueError("an earlier near-duplicate of a sample must come before it")


def _count(previous: np.ndarray, size: int) -> tuple[int, int]:
    """(batches, collided) of one size."""
    if not 2 <= size <= len(previous):
        raise ValueError(f"a batch holds between 2 and all {len(previous)} samples, not {size}")
    batches = len(previous) // size
    inside = previous[: batches * size].reshape(batches, size)
    return batches, int((inside >= size * np.arange(batches)[:, None]).any(1).sum())


def _clopper_pearson(batches: int, collided: int, confidence: float) -> tuple[float, float]:
    # Quantiles of beta distributions. scipy's `binomtest` searches for them, five hundred times as slowly.
    tail = (1 - confidence) / 2
    low = special.betaincinv(collided, batches - collided + 1, tail) if collided else 0.0
    high = special.betainccinv(collided + 1, batches - collided, tail) if collided < batches else 1.0
    return float(low), float(high)


def _carry(size: int, probability: float, slope: float) -> float:
    """Where the curve through (size, probability), 0 < probability <= 1, crosses 1/2."""
    if probability == 1:
        return 2.0
    rate = -math.log1p(-probability)
    support = equal_support(size, 0.5) * (math.log(2) / rate) ** (1 / slope)
    return max(2.0, half_collision_size(support))


def _read(s50: Reading, support: Callable[[float], float]) -> Reading:
    value, low, high = s50
    return Reading(
        None if value is None else support(value), support(low), None if high is None else support(high)
    )


def _curve(sizes: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """(crossing, slope) of the curve through the counts: (k, 2) batches and collided of each size."""
    batches, collided = counts.T
    if not collided.any():
        return float(sizes[-1]), LEAST_SLOPE
    if (collided == batches).all():
        return float(sizes[0]), EVEN_SLOPE
    log_pairs = np.log(sizes * (sizes - 1) / 2)
    # Near the crossing log rate = log ln 2.
    log_pairs -= (origin := log_pairs[np.argmin(np.abs(collided / batches - 0.5))])

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        rate = np.exp(np.clip(theta[0] + theta[1] * log_pairs, -50, 50))
        value = collided * np.log(-np.expm1(-rate)) - (batches - collided) * rate
        slope = collided * rate / np.expm1(rate) - (batches - collided) * rate
        return -value.sum(), -np.array([slope.sum(), slope @ log_pairs])

    with np.errstate(over="ignore"):  # rate / (exp(rate) - 1) of a large rate is 0
        found = optimize.minimize(
            loss,
            [math.log(math.log(2)), EVEN_SLOPE],
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None), (LEAST_SLOPE, EVEN_SLOPE)],
        )
    level, slope = map(float, found.x)
    pairs = math.exp(min(origin + (math.log(math.log(2)) - level) / slope, 80))
    return half_collision_size(pairs / math.log(2)), slope
