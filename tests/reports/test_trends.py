"""Trend tests against published numbers, other libraries and every arrangement written out."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics import trends
from reports.statistics.trends import jonckheere, permutation


def one(n: int) -> np.ndarray:
    return np.zeros(n, dtype=np.int64)


def test_published_example() -> None:
    """Hollander & Wolfe, Nonparametric Statistical Methods, example 6.2 (motivational effect of knowledge of
    performance): J = 79, and by the normal law z = 2.02 without correction for ties.
    """
    groups = [[40, 35, 38, 43, 44, 41], [38, 40, 47, 44, 40, 42], [48, 40, 45, 43, 46, 44]]
    x = np.repeat([0.0, 1.0, 2.0], 6)
    found = jonckheere(x, np.concatenate(groups).astype(float), one(18))
    assert found.statistic == 79
    assert found.arrangements == 0
    assert found.p == pytest.approx(2 * stats.norm.sf(2.02), abs=0.002)


@pytest.mark.parametrize("ties", [False, True])
def test_exact_law_is_that_of_every_arrangement(ties: bool) -> None:
    x = np.array([1.0, 2, 2, 3, 4, 1, 2, 3])
    y = np.array([1.0, 3, 2, 3 if ties else 5, 4, 6, 2 if ties else 9, 2])
    strata = np.array([0, 0, 0, 0, 0, 1, 1, 1])

    def net(a: tuple[float, ...], b: tuple[float, ...]) -> float:
        return sum(
            float(np.sign(a[j] - a[i]) * np.sign(b[j] - b[i]))
            for i, j in itertools.combinations(range(len(a)), 2)
        )

    every = [
        net(tuple(x[:5]), first) + net(tuple(x[5:]), second)
        for first in itertools.permutations(y[:5])
        for second in itertools.permutations(y[5:])
    ]
    seen = net(tuple(x[:5]), tuple(y[:5])) + net(tuple(x[5:]), tuple(y[5:]))
    found = jonckheere(x, y, strata)
    assert found.arrangements is None
    assert found.p == pytest.approx(np.mean(np.abs(every) >= abs(seen)))
    parts = (slice(0, 5), slice(5, 8))
    variances = [trends._variances(x[None, part], y[None, part]) for part in parts]
    assert sum(variances) == pytest.approx(np.var(every))


@pytest.mark.parametrize("n", [5, 6])
def test_one_stratum_is_kendalls_test(n: int) -> None:
    y = np.random.default_rng(n).permutation(n).astype(float)
    known = stats.kendalltau(np.arange(n), y, method="exact")
    assert jonckheere(np.arange(n, dtype=float), y, one(n)).p == pytest.approx(known.pvalue)


def test_permutation_is_scipys() -> None:
    """Every arrangement within two strata: all pairs of scipy's arrangements of either."""
    rng = np.random.default_rng(2)
    x, y = np.tile(np.arange(4.0), 2), rng.standard_normal(8)
    strata = np.repeat([0, 1], 4)
    laws = [
        stats.permutation_test(
            (x[part], y[part]),
            lambda a, b: ((a - a.mean()) * b).sum(),
            permutation_type="pairings",
            vectorized=False,
        ).null_distribution
        for part in (strata == 0, strata == 1)
    ]
    every = np.add.outer(*laws).ravel()
    seen = sum(((x - 1.5) * y)[strata == k].sum() for k in (0, 1))
    found = permutation(x, y, strata)
    assert found.arrangements is None
    assert found.p == pytest.approx(np.mean(np.abs(every) >= abs(seen) - 1e-12))
    assert found.statistic == pytest.approx(seen / 10)


def test_random_arrangements_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    x = np.tile(np.arange(5.0), 2)
    y, strata = 0.3 * x + rng.standard_normal(10), np.repeat([0, 1], 5)
    exact = permutation(x, y, strata)
    monkeypatch.setattr(trends, "MOST_ARRANGEMENTS", 1)
    drawn = permutation(x, y, strata)
    assert (exact.arrangements, drawn.arrangements) == (None, 9999)
    assert drawn.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 9999))
    assert permutation(x, y, strata) == drawn


@pytest.mark.parametrize("test", [jonckheere, permutation])
def test_what_seeds_do_to_the_level_is_no_trend(test: object) -> None:
    """Seeds that got larger networks and have larger N2 for another reason: within each there is nothing."""
    rng, p = np.random.default_rng(5), []
    for _ in range(200):
        x = np.concatenate([np.arange(4.0), np.arange(2.0, 6.0)])
        y = np.repeat([0.0, 50.0], 4) + rng.standard_normal(8)
        p.append(test(x, y, np.repeat([0, 1], 4)).p)  # type: ignore[operator]
    assert np.mean(np.array(p) <= 0.05) <= stats.binom.ppf(0.999, 200, 0.05) / 200


@pytest.mark.parametrize("test", [jonckheere, permutation])
def test_one_size_a_seed_says_nothing(test: object) -> None:
    found = test(np.arange(3.0), np.arange(3.0), np.arange(3))  # type: ignore[operator]
    assert math.isnan(found.p)
