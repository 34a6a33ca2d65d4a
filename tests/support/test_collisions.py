"""Support sizes: closed forms, known laws, and interval coverage by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pipeline.support import search_pairs, support_size
from pipeline.support.collisions import interval, largest_clusters, lower_bound_of_any_law

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


def half_on_1000() -> Law:
    def draw(rng: np.random.Generator, s: int) -> np.ndarray:
        return np.where(rng.random(s) < 0.5, rng.integers(0, 1000, s), rng.integers(1000, 1_001_000, s))

    return draw, 0.25 / 1000 + 0.25 / 10**6


LAWS = {
    "uniform 100": uniform(100),
    "uniform 10^3": uniform(10**3),
    "uniform 10^4": uniform(10**4),
    "uniform 10^5": uniform(10**5),
    "uniform 10^6": uniform(10**6),
    "Zipf(1) on 10^5": zipf(1, 10**5),
    "Zipf(0.7) on 10^5": zipf(0.7, 10**5),
    "10 % atom": atom(0.1, 10**6),
    "1 % atom": atom(0.01, 10**6),
    "half on 1,000": half_on_1000(),
}


@pytest.mark.parametrize("samples", [1000, 4000])
@pytest.mark.parametrize("law", LAWS)
def test_the_interval_covers_the_truth(law: str, samples: int) -> None:
    draw, p2 = LAWS[law]
    rng = np.random.default_rng(7)
    repeats, hits = 600, 0
    for _ in range(repeats):
        low, high, _ = interval(degrees_of(draw(rng, samples)))
        hits += low <= 1 / p2 <= (high or np.inf)
    # Of few collisions an exact interval must cover more: counts are whole numbers.
    assert 0.92 <= hits / repeats <= (1 if p2 * samples**2 < 20 else 0.98)


def clustered(rng: np.random.Generator, s: int) -> np.ndarray:
    """Near-duplicates that are not copies: 500 items far apart in 3 dimensions, each with its own noise."""
    items = rng.integers(0, 500, s)
    centres = np.stack([items % 8, items // 8 % 8, items // 64], 1) * 20.0
    points: np.ndarray = centres + rng.normal(size=(s, 3))
    return points


@pytest.mark.parametrize("tau", [0.5, 1.5])
def test_the_interval_covers_near_duplicates(tau: float) -> None:
    # Two draws of one item differ by N(0, 2 I_3): N2 = 500 / P(chi2_3 < tau^2 / 2).
    truth = 500 / stats.chi2.cdf(tau**2 / 2, 3)
    rng = np.random.default_rng(12)
    repeats, hits, found = 500, 0, []
    for _ in range(repeats):
        (near,) = search_pairs(clustered(rng, 1500), [tau], closest=0).near
        low, high, _ = interval(near.degrees)
        hits += low <= truth <= (high or np.inf)
        found.append(near.collisions)
    assert 0.92 <= hits / repeats <= 0.98
    assert 1500 * 1499 / 2 / np.mean(found) == pytest.approx(
        truth, rel=4 * np.std(found) / np.mean(found) / 500**0.5
    )


@pytest.mark.soak
@pytest.mark.parametrize("samples", [1000, 4000, 20000])
@pytest.mark.parametrize("law", LAWS)
def test_the_interval_covers_the_truth_at_other_sizes(law: str, samples: int) -> None:
    draw, p2 = LAWS[law]
    rng = np.random.default_rng(8)
    hits = 0
    for _ in range(2000):
        low, high, _ = interval(degrees_of(draw(rng, samples)))
        hits += low <= 1 / p2 <= (high or np.inf)
    # Of few collisions an exact interval must cover more: counts are whole numbers.
    assert (
        0.92 <= hits / 2000 <= (1 if p2 * samples**2 < 20 else 0.985)
    )  # 98.1 % for 4,000 samples of 100 items, else 92 to 98 %


def test_the_lower_bound_of_any_law_holds_for_the_worst() -> None:
    # The worst law is a single atom over a continuum: the bound must cover it, and the usual one does not.
    for mass in (0.004, 0.01, 0.0135):
        samples = 400
        none = stats.binom.cdf(1, samples, mass)  # P(no collision)
        assert none > 0.02
        if lower_bound_of_any_law(samples) > mass**-2:
            assert none <= 0.05
    # Two atoms or a hundred of the same p2 are seen to collide more often.
    for atoms in (2, 100):
        mass = 0.0118 / atoms**0.5
        several = stats.poisson.cdf(1, 400 * mass) ** atoms
        assert several < stats.poisson.cdf(1, 400 * 0.0118) == pytest.approx(0.05, abs=0.002)
    assert lower_bound_of_any_law(400) == pytest.approx((400 / 4.744) ** 2, rel=1e-3)


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
    draw, p2 = LAWS["Zipf(1) on 10^5"]
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
    assert method == "mover"
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
    (found,) = search_pairs(np.full((50, 3), 0.5), [0.0]).near
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


def test_the_largest_clusters_one_after_another() -> None:
    items = np.array([3] * 4 + [1] * 2 + [7] * 4 + [2] * 3 + [8, 9])
    found = largest_clusters(degrees_of(items), items, 3)
    assert [(c.first, c.size) for c in found] == [(0, 4), (6, 4), (10, 3)]
    assert found[0].mass == 4 / 15
    # Without them: 6 + 3 + 1 collisions of 11 samples, 3 + 1 of 7, 1 of 4.
    assert [c.n2_without for c in found] == pytest.approx([55 / 10, 21 / 4, 6 / 1])
    assert len(largest_clusters(degrees_of(items), items, 10)) == 4


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
