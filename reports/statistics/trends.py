"""Does N2 move with size at all? Tests that assume no shape and no law: only that trials could trade places.

Trials are compared inside a stratum, those of one seed and of one value of every held axis, so that neither
can pass for size. The null hypothesis is that inside a stratum the outcome does not depend on the size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from reports.statistics.counts import Array

# Up to here every arrangement is looked at; beyond, so many are drawn, of so many numbers at most.
MOST_ARRANGEMENTS, DRAWS, MOST_NUMBERS = 20_000, 9_999, 20_000_000
FEWEST_DRAWS, AT_A_TIME = 199, 1_000_000
# Strata of at most this many trials, and at most so many: the law of their concordance is known exactly.
LARGEST_STRATUM, MOST_STRATA = 7, 200

Codes = np.ndarray[Any, np.dtype[np.int64]]


class Trend(NamedTuple):
    """statistic; p: two-sided; grows: whether y is larger where x is. arrangements: how many p was counted
    over if not over all of them; 0: it is that of the normal law.
    """

    statistic: float
    p: float
    grows: bool
    arrangements: int | None = None


UNKNOWN = Trend(math.nan, math.nan, False)


def jonckheere(x: Array, y: Array, strata: Codes) -> Trend:
    """Jonckheere-Terpstra test of ordered alternatives, its J summed over strata (Terpstra 1952; Jonckheere
    1954).

    x, y: (n,) sizes and outcomes. strata: (n,) codes. J counts the pairs of different sizes in which the
    larger has the larger outcome, ties in y as half. The p is exact for small strata, else from the normal
    law with Kendall's variance, corrected for ties. NaN where no stratum has two sizes.
    """
    net, pairs, variance = 0.0, 0.0, 0.0
    groups = list(_by_size(x, y, strata))
    for a, b in groups:
        for lag in range(1, a.shape[1]):
            order = np.sign(a[:, lag:] - a[:, :-lag])
            net += float((order * np.sign(b[:, lag:] - b[:, :-lag])).sum())
            pairs += float(np.abs(order).sum())
        variance += _variances(a, b)
    if variance == 0:
        return UNKNOWN
    statistic, grows = (net + pairs) / 2, net > 0
    if sum(len(a) for a, _ in groups) <= MOST_STRATA and groups[-1][0].shape[1] <= LARGEST_STRATUM:
        law = np.ones(1)
        for a, b in groups:
            for one, two in zip(a, b, strict=True):
                law = np.convolve(law, _law(_ranks(one), _ranks(two)))
        values = np.arange(len(law)) - len(law) // 2
        return Trend(statistic, float(law[np.abs(values) >= abs(net)].sum()), grows)
    return Trend(statistic, float(2 * stats.norm.sf(abs(net) / math.sqrt(variance))), grows, 0)


def permutation(x: Array, y: Array, strata: Codes) -> Trend:
    """The slope of y on x inside strata, against its values when the sizes of a stratum change places.

    Every arrangement where there are few; else random ones from a fixed stream, p = (b + 1) / (m + 1) with b
    of m at least as far from 0 (Phipson & Smyth 2010). NaN where no stratum has two sizes.
    """
    groups = [(a - a.mean(axis=1, keepdims=True), b) for a, b in _by_size(x, y, strata)]
    spread = sum(float(np.square(a).sum()) for a, _ in groups)
    if spread == 0:
        return UNKNOWN
    found = sum(float((a * b).sum()) for a, b in groups)
    least = abs(found) - 1e-9 * math.sqrt(spread * sum(float(np.square(b).sum()) for _, b in groups))
    arrangements = math.prod(math.factorial(a.shape[1]) ** len(a) for a, _ in groups)
    if arrangements <= MOST_ARRANGEMENTS:
        sums = np.zeros(1)
        for a, b in groups:
            every = np.array(list(itertools.permutations(range(a.shape[1]))))
            for one, two in zip(a, b, strict=True):
                sums = np.add.outer(sums, one[every] @ two).ravel()
        return Trend(found / spread, float((np.abs(sums) >= least).mean()), found > 0)
    rng, draws = np.random.default_rng(0), int(np.clip(MOST_NUMBERS // len(x), FEWEST_DRAWS, DRAWS))
    beyond, step = 0, max(1, AT_A_TIME // len(x))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        sums = np.zeros(size)
        for a, b in groups:
            sums += np.einsum("kij,ij->k", rng.permuted(np.broadcast_to(a, (size, *a.shape)), axis=2), b)
        beyond += int((np.abs(sums) >= least).sum())
    return Trend(found / spread, (beyond + 1) / (draws + 1), found > 0, draws)


def _by_size(x: Array, y: Array, strata: Codes) -> Iterator[tuple[Array, Array]]:
    """x and y of all strata with equally many trials, (strata, trials) each; those with one say nothing."""
    order = np.argsort(strata, kind="stable")
    x, y, codes = x[order], y[order], strata[order]
    _, first, sizes = np.unique(codes, return_index=True, return_counts=True)
    for size in np.unique(sizes[sizes > 1]):
        rows = first[sizes == size][:, None] + np.arange(size)
        yield x[rows], y[rows]


def _variances(x: Array, y: Array) -> float:
    """The sum of `_variance` over strata (strata, trials), most of them without ties."""
    n = x.shape[1]
    tied = np.zeros(len(x), dtype=bool)
    for values in (x, y):
        tied |= (np.diff(np.sort(values, axis=1), axis=1) == 0).any(axis=1)
    plain = float((~tied).sum()) * n * (n - 1) * (2 * n + 5) / 18
    return plain + sum(_variance(one, two) for one, two in zip(x[tied], y[tied], strict=True))


def _variance(x: Array, y: Array) -> float:
    """Var of concordant less discordant pairs under permutation (Kendall 1970, Rank Correlation Methods, eq.
    4.3), with ties in both.
    """
    n = len(x)
    t, u = (np.unique(values, return_counts=True)[1].astype(np.float64) for values in (x, y))
    variance = n * (n - 1) * (2 * n + 5) - sum((c * (c - 1) * (2 * c + 5)).sum() for c in (t, u))
    variance = variance / 18 + (t * (t - 1)).sum() * (u * (u - 1)).sum() / (2 * n * (n - 1))
    if n > 2:
        triples = (t * (t - 1) * (t - 2)).sum() * (u * (u - 1) * (u - 2)).sum()
        variance += triples / (9 * n * (n - 1) * (n - 2))
    return float(variance)


def _ranks(values: Array) -> tuple[int, ...]:
    return tuple(sorted(np.unique(values, return_inverse=True)[1].tolist()))


@lru_cache(maxsize=256)
def _law(x: tuple[int, ...], y: tuple[int, ...]) -> Array:
    """P(concordant - discordant pairs = -k .. k) over all arrangements of y; k the number of pairs."""
    n = len(x)
    i, j = np.triu_indices(n, 1)
    order = np.sign(np.array(x)[j] - np.array(x)[i])
    every = np.array(y)[np.array(list(itertools.permutations(range(n))))]
    net = (np.sign(every[:, j] - every[:, i]) * order).sum(axis=1)
    return np.bincount(net + len(i), minlength=2 * len(i) + 1) / len(every)
