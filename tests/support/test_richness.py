"""Richness: printed numbers of other programs, medians and coverage under known laws, and what must be None."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from pipeline.support import support_size
from pipeline.support.richness import _rest, chao1, hill_numbers, unseen_mass

# Spiders in two plots, iNEXT's example data (Ellison et al. 2010): samples of each species.
GIRDLED = [46, 22, 17, 15, 15, 9, 8, 6, 6, 4] + [2] * 4 + [1] * 12
LOGGED = [88, 22, 16, 15, 13, 10, 8, 8, 7, 7, 7, 5] + [4] * 3 + [3] * 4 + [2] * 4 + [1] * 14


def labels_of(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)


def even(n: int) -> np.ndarray:
    return np.full(n, 1 / n)


def zipf(exponent: float, n: int) -> np.ndarray:
    p = np.arange(1.0, n + 1) ** -exponent
    return p / p.sum()


def draw(p: np.ndarray, s: int, rng: np.random.Generator) -> np.ndarray:
    return np.searchsorted(np.cumsum(p), rng.random(s) * (1 - 1e-12)).clip(max=len(p) - 1)


# --- Chao1 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # scikit-bio 0.7.4: chao1, chao1_ci (there with z = 1.96 for 1.95996).
        (GIRDLED, (39.2, 29.443297, 76.602660)),
        (LOGGED, (55.2, 42.104415, 101.892741)),
        ([5, 3, 1, 1, 1], (8.0, 5.369122, 29.382198)),  # no pairs seen
        ([5, 4, 3, 3], (4.0, 4.0, 4.704685)),  # nothing seen once
        ([2, 2, 2, 3], (4.0, 4.0, 5.816788)),
        ([10, 1], (2.0, 2.0, 2.0)),
    ],
)
def test_chao1_of_scikit_bio(counts: list[int], expected: tuple[float, float, float]) -> None:
    assert chao1(labels_of(counts)) == pytest.approx(expected, rel=5e-5)


ATOM = np.r_[0.1, np.full(10**6, 0.9e-6)]
MEDIANS = [
    (even(10**5), 400, 39.9e3),
    (even(10**5), 1000, 82.6e3),
    (even(10**5), 5000, 99.6e3),
    (zipf(1, 10**5), 400, 2.0e3),
    (zipf(1, 10**5), 1000, 4.1e3),
    (zipf(1, 10**5), 5000, 12.4e3),
    (ATOM, 400, 65e3),
    (ATOM, 1000, 400e3),
    (ATOM, 5000, 921e3),
]


@pytest.mark.parametrize(("p", "samples", "median"), MEDIANS)
def test_chao1_is_a_lower_bound(p: np.ndarray, samples: int, median: float) -> None:
    rng = np.random.default_rng(0)
    found = np.median([chao1(draw(p, samples, rng)).value for _ in range(200)])
    assert found == pytest.approx(median, rel=0.05)
    assert found < 1.05 * len(p)


def test_chao1_far_above_n2_tells_of_an_atom() -> None:
    labels = np.unique(draw(ATOM, 5000, np.random.default_rng(1)), return_inverse=True)[1]
    n2 = hill_numbers(labels).order_2
    assert n2 == pytest.approx(100, rel=0.2)
    assert chao1(labels).low > 1000 * n2


def test_the_interval_covers_an_even_richness() -> None:
    # There Chao1's expectation is the number of items, nearly.
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        found = chao1(rng.integers(0, 1000, 1500))
        hits += found.low <= 1000 <= found.high
    assert 0.90 <= hits / 400 <= 0.98


def test_without_collisions_it_is_about_the_pairs() -> None:
    assert chao1(np.arange(400)).value == 400 + 400 * 399 / 2


def test_one_item_only() -> None:
    assert chao1(np.zeros(50, int)) == pytest.approx((1, 1, 1))
    assert unseen_mass(np.zeros(50, int)).value == 0
    found = hill_numbers(np.zeros(50, int))
    assert (found.order_1, found.order_2) == (1.0, 1.0)


# --- unseen mass --------------------------------------------------------------------------------------------

LAWS = {
    "even 10^3": even(10**3),
    "even 10^5": even(10**5),
    "Zipf(1) on 10^5": zipf(1, 10**5),
    "10 % atom": ATOM,
    "geometric": 0.9 ** np.arange(400) * 0.1,
}


@pytest.mark.parametrize("samples", [100, 4000])
@pytest.mark.parametrize("law", LAWS)
def test_the_interval_covers_the_mass_not_seen(law: str, samples: int) -> None:
    p = LAWS[law]
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        found = draw(p, samples, rng)
        truth = 1 - p[np.unique(found)].sum()
        bounds = unseen_mass(found)
        hits += bounds.low - 1e-12 <= truth <= bounds.high + 1e-12
    assert hits / 200 >= 0.90  # 93 to 100 % measured


def test_unseen_mass_by_hand() -> None:
    # Twelve of 168 seen once, four twice: the limits solve (12 - 168 U)^2 = 3.8415 (168 U (1 - U) + 8).
    found = unseen_mass(labels_of(GIRDLED))
    assert found.value == 12 / 168
    for u in (found.low, found.high):
        assert (12 - 168 * u) ** 2 == pytest.approx(3.841459 * (168 * u * (1 - u) + 8))
    assert found.low < found.value < found.high


def test_every_sample_new_and_every_sample_seen_before() -> None:
    new = unseen_mass(np.arange(100))
    assert new.value == 1
    assert new.high == pytest.approx(1)
    assert new.low > 0.95
    seen = unseen_mass(np.repeat(np.arange(10), 30))
    assert seen.value == seen.low == 0
    assert seen.high == pytest.approx(3.8415 / 303.84, rel=1e-4)


# --- Hill numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "shannon", "simpson"), [(GIRDLED, 13.826, 8.175), (LOGGED, 16.337, 6.920)]
)
def test_hill_numbers_of_inext(counts: list[int], shannon: float, simpson: float) -> None:
    # iNEXT 3.0.2, user's guide: asymptotic estimates of the spider data.
    found = hill_numbers(labels_of(counts))
    assert found.order_1 == pytest.approx(shannon, abs=5e-4)
    assert found.order_2 == pytest.approx(simpson, abs=5e-4)
    assert found.order_0 == chao1(labels_of(counts))


@pytest.mark.parametrize(("n", "a"), [(5, 0.3), (50, 0.01), (300, 0.001), (8, 0.9), (2, 0.5)])
def test_the_entropy_of_the_rest_without_cancellation(n: int, a: float) -> None:
    r = np.arange(1, n)
    literally = (1 - a) ** (1 - n) * (-np.log(a) - ((1 - a) ** r / r).sum())
    assert _rest(n, a) == pytest.approx(literally, rel=1e-6)


@pytest.mark.parametrize(("n", "a"), [(20_000, 0.5), (10**6, 1e-3), (20_000, 1e-4)])
def test_the_entropy_of_the_rest_where_the_formula_overflows(n: int, a: float) -> None:
    r = np.arange(n, n + int(60 / a))
    series = ((1 - a) ** (r - n + 1.0) / r).sum()
    assert _rest(n, a) == pytest.approx(series, rel=1e-8)


def test_the_entropy_of_the_rest_where_the_series_is_endless() -> None:
    # As good as the integral of exp(-c (r - n + 1)) / r over r > n - 1/2, an exponential integral.
    n, a = 20_000, 1e-9
    c = -np.log1p(-a)
    assert _rest(n, a) == pytest.approx(np.exp(c * (n - 1)) * special.exp1(c * (n - 0.5)), rel=1e-6)


@pytest.mark.parametrize(
    ("p", "samples"), [(even(1000), 4000), (0.9 ** np.arange(400) * 0.1, 2000), (zipf(2, 10**4), 4000)]
)
def test_order_1_is_the_entropy_of_the_law(p: np.ndarray, samples: int) -> None:
    rng = np.random.default_rng(4)
    truth = np.exp(-(p * np.log(p)).sum())
    found = [hill_numbers(draw(p, samples, rng)).order_1 for _ in range(40)]
    assert np.median(np.array(found, float)) == pytest.approx(truth, rel=0.03)


@pytest.mark.parametrize(
    "p", [zipf(1, 10**5), np.r_[np.full(1000, 0.5e-3), np.full(10**6, 0.5e-6)], even(10**4)]
)
def test_order_1_is_withheld_where_it_cannot_be_known(p: np.ndarray) -> None:
    assert hill_numbers(draw(p, 4000, np.random.default_rng(5))).order_1 is None


def test_order_2_is_n2_when_clusters_are_cliques() -> None:
    items = np.random.default_rng(6).integers(0, 200, 1000)
    _, labels, counts = np.unique(items, return_inverse=True, return_counts=True)
    size = support_size(counts[labels] - 1, labels)
    assert hill_numbers(labels).order_2 == pytest.approx(size.n2)


def test_order_2_is_too_low_where_near_duplicates_chain() -> None:
    # 0-1-2: two near-duplicate pairs of three, but one cluster.
    labels = np.array([0, 0, 0, 1])
    assert support_size(np.array([1, 2, 1, 0]), labels).n2 == 3.0
    assert hill_numbers(labels).order_2 == 2.0


def test_nothing_repeats() -> None:
    found = hill_numbers(np.arange(100))
    assert (found.order_1, found.order_2) == (None, None)


def test_bad_input() -> None:
    for function in (chao1, unseen_mass):
        with pytest.raises(ValueError, match="at least one sample"):
            function(np.array([], int))
    with pytest.raises(ValueError, match="at least two samples"):
        hill_numbers(np.array([0]))
