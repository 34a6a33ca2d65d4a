"""Support sizes: closed forms, known laws, and interval coverage by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pipeline.support import search_pairs, support_size
from pipeline.support.collisions import interval

Law = tuple[Callable[[np.random.Generator, int], np.ndarray], float]


def degrees_of(items: np.ndarray) -> np.ndarray:
    """Near-duplicates of each sample when only equal items are near-duplicates."""
    _, which, counts = np.unique(items, return_inverse=True, return_counts=True)
    degrees: np.ndarray = counts[which] - 1
    return degrees


def uniform(n: int) -> Law:
    return lambda rng, s: rng.integers(0, n, s), 1 / n


def zipf(exponent: float, n: int) -> Law:
    p = np.arange(1.0, n + 1) ** -exponent
    p /= p.sum()
    cumulative = np.cumsum(p)
    return lambda rng, s: np.searchsorted(cumulative, rng.random(s) * cumulative[-1]), float(p @ p)


def atom(mass: float, n: int) -> Law:
    def draw(rng: np.random.Generator, s: int) -> np.ndarray:
        return np.where(rng.random(s) < mass, 0, rng.integers(1, n + 1, s))

    return draw, mass**2 + (1 - mass) ** 2 / n


LAWS = {
    "uniform 100": uniform(100),
    "uniform 10^4": uniform(10**4),
    "uniform 10^6": uniform(10**6),
    "Zipf(1) on 10^4": zipf(1, 10**4),
    "Zipf(0.7) on 10^4": zipf(0.7, 10**4),
    "10 % atom": atom(0.1, 10**6),
    "1 % atom": atom(0.01, 10**6),
}


@pytest.mark.parametrize("law", LAWS)
def test_the_interval_covers_the_truth(law: str) -> None:
    draw, p2 = LAWS[law]
    rng = np.random.default_rng(7)
    repeats, hits = 600, 0
    for _ in range(repeats):
        low, high, _ = interval(degrees_of(draw(rng, 4000)))
        hits += low <= 1 / p2 <= (high or np.inf)
    assert 0.92 <= hits / repeats <= 0.98


@pytest.mark.soak
@pytest.mark.parametrize("samples", [1000, 4000, 20000])
@pytest.mark.parametrize("law", LAWS)
def test_the_interval_covers_the_truth_at_other_sizes(law: str, samples: int) -> None:
    draw, p2 = LAWS[law]
    if p2 * samples**2 / 2 < 5:
        pytest.skip("fewer than five collisions: the exact Poisson interval is wider by construction")
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(2000):
        low, high, _ = interval(degrees_of(draw(rng, samples)))
        hits += low <= 1 / p2 <= (high or np.inf)
    floor = (
        0.89 if law == "1 % atom" and samples == 1000 else 0.92
    )  # ten copies of the atom: too few to know its mass
    assert floor <= hits / 2000 <= 0.98


def test_a_poisson_interval_would_not_cover() -> None:
    # What the triple term is for: without it the 10 % atom's interval covers less than half the time.
    draw, p2 = LAWS["10 % atom"]
    rng = np.random.default_rng(9)
    pairs = 4000 * 3999 / 2
    hits = 0
    for _ in range(300):
        count = degrees_of(draw(rng, 4000)).sum() / 2
        low, high = stats.chi2.ppf([0.025, 0.975], [2 * count, 2 * count + 2]) / 2
        hits += low / pairs <= p2 <= high / pairs
    assert hits / 300 < 0.5


def test_the_estimate_is_unbiased() -> None:
    draw, p2 = LAWS["Zipf(1) on 10^4"]
    rng = np.random.default_rng(10)
    found = [degrees_of(draw(rng, 1000)).sum() / (1000 * 999) for _ in range(500)]
    standard_error = np.std(found) / np.sqrt(500)
    assert abs(np.mean(found) - p2) < 3.5 * standard_error


@pytest.mark.parametrize(("count", "low", "high"), [(5, 0.43, 3.1), (10, 0.54, 2.1), (20, 0.65, 1.64)])
def test_few_collisions_give_garwoods_interval(count: int, low: float, high: float) -> None:
    degrees = np.zeros(4000, np.int64)
    degrees[: 2 * count] = 1  # disjoint pairs
    pairs = 4000 * 3999 / 2
    below, above, method = interval(degrees)
    assert method == "poisson"
    assert above is not None
    # papers' table gives N / N-hat = C / [Garwood bounds], 95 %.
    assert below / (pairs / count) == pytest.approx(low, abs=0.01)
    assert above / (pairs / count) == pytest.approx(high, rel=0.02)


@pytest.mark.parametrize(("samples", "bound"), [(1000, 167e3), (10_000, 16.7e6)])
def test_no_collision_gives_the_exact_lower_bound(samples: int, bound: float) -> None:
    low, high, method = interval(np.zeros(samples, np.int64))
    assert (high, method) == (None, "lower_bound")
    assert low == pytest.approx(samples * (samples - 1) / 2 / 2.995732)
    assert low == pytest.approx(bound, rel=0.01)


def test_all_samples_alike() -> None:
    found = search_pairs(np.full((50, 3), 0.5), 0.0).near
    assert found is not None
    size = support_size(found.degrees, found.labels)
    assert (size.n2, size.collisions, size.pairs) == (1.0, 1225, 1225)
    assert (size.clusters, size.largest_cluster_mass, size.n2_without_largest) == (1, 1.0, None)
    assert size.n2_low <= 1.0


def test_nothing_alike() -> None:
    size = support_size(np.zeros(30, np.int64), np.arange(30))
    assert (size.n2, size.n2_high, size.clusters, size.largest_cluster_mass) == (None, None, 0, 0.0)


def test_clusters_and_what_is_left_without_the_largest() -> None:
    # Five copies of one item, two of another, three single ones: 10 + 1 of 45 pairs.
    items = np.array([0] * 5 + [1] * 2 + [2, 3, 4])
    size = support_size(degrees_of(items), items)
    assert size.p2 == pytest.approx(11 / 45)
    assert (size.clusters, size.largest_cluster_mass) == (2, 0.5)
    assert size.n2_without_largest == pytest.approx(10.0)  # one of the ten pairs among the other five


def test_two_samples() -> None:
    assert support_size(np.array([1, 1]), np.array([0, 0])).n2 == 1.0
    assert support_size(np.array([0, 0]), np.array([0, 1])).n2 is None
    with pytest.raises(ValueError, match="at least two"):
        support_size(np.array([0]), np.array([0]))


def test_the_paper_numbers_of_a_popular_image() -> None:
    # A 10 % atom on top of 10^6 equal images has N2 = 100 (Arora & Zhang's caveat): one image rules the
    # answer.
    draw, p2 = LAWS["10 % atom"]
    assert 1 / p2 == pytest.approx(100, rel=0.01)
    items = draw(np.random.default_rng(3), 40_000)
    _, labels = np.unique(items, return_inverse=True)
    size = support_size(degrees_of(items), labels)
    assert size.n2 == pytest.approx(100, rel=0.12)
    assert size.largest_cluster_mass == pytest.approx(0.1, abs=0.006)
    assert size.n2_without_largest is None or size.n2_without_largest > 2e5
