"""The curve of judgments over distance: against other libraries, closed forms, and separable data."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from pipeline.judgments.curve import DuplicateCurve, duplicate_probability, fit_curves, tau_of

TRUE = DuplicateCurve(intercept=3.0, slope=-6.0, low=0.1, high=10.0)  # half at exp(0.5) = 1.65


def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    distance = np.exp(rng.normal(0.5, 0.6, n))
    return distance, (rng.random(n) < expit(3.0 - 6.0 * np.log(distance))).astype(float)


def test_many_judgments_are_fitted_as_statsmodels_fits_them() -> None:
    rng = np.random.default_rng(0)
    distance, duplicate = draw(rng, 20_000)
    weight = rng.uniform(0.2, 5.0, 20_000)
    curve = duplicate_probability(distance, duplicate, weight)
    design = sm.add_constant(np.log(distance))
    found = sm.GLM(duplicate, design, family=sm.families.Binomial(), var_weights=weight).fit().params
    # The penalty is half an observation a coefficient: 1 / 20,000 of what the data say.
    np.testing.assert_allclose(curve[:2], found, rtol=2e-3)
    np.testing.assert_allclose(curve[:2], [3.0, -6.0], rtol=0.06)
    assert (curve.low, curve.high) == (distance.min(), distance.max())


def test_few_judgments_are_fitted_as_firth_says() -> None:
    # At Firth's estimate, plain maximum likelihood on data to which each observation adds half its leverage of
    # successes and of failures gives the same estimate (Heinze & Schemper 2002, section 2).
    rng = np.random.default_rng(1)
    distance, duplicate = draw(rng, 25)
    weight = rng.uniform(0.5, 2.0, 25)
    weight /= weight.mean()
    curve = duplicate_probability(distance, duplicate, weight)
    x = np.log(distance)
    design = np.stack([np.ones(25), x], axis=1)
    p = curve.probability(distance)
    root = np.sqrt(weight * p * (1 - p))[:, None] * design
    leverage = np.einsum("ni,ij,nj->n", root, np.linalg.inv(root.T @ root), root)
    assert leverage.sum() == pytest.approx(2)
    outcomes = np.repeat([1, 0], 25)
    counts = np.concatenate([weight * duplicate + leverage / 2, weight * (1 - duplicate) + leverage / 2])
    plain = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    plain.fit(np.tile(x, 2)[:, None], outcomes, sample_weight=counts)
    np.testing.assert_allclose(curve[:2], [plain.intercept_[0], plain.coef_[0, 0]], rtol=1e-5)


@pytest.mark.parametrize(("near", "far"), [((9, 10), (2, 12)), ((10, 10), (0, 12)), ((5, 5), (7, 7))])
def test_two_distances_have_a_closed_form(near: tuple[int, int], far: tuple[int, int]) -> None:
    # With as many coefficients as groups, Firth's penalty adds half a success and half a failure to each.
    distance = np.repeat([0.5, 2.0], [near[1], far[1]])
    duplicate = np.concatenate([np.arange(n) < k for k, n in (near, far)]).astype(float)
    curve = duplicate_probability(distance, duplicate)
    expected = [(k + 0.5) / (n + 1) for k, n in (near, far)]
    np.testing.assert_allclose(curve.probability(np.array([0.5, 2.0])), expected, rtol=1e-8)


def test_separated_verdicts_leave_the_curve_finite() -> None:
    distance = np.linspace(0.1, 3.0, 60)
    curve = duplicate_probability(distance, (distance < 1.0).astype(float))
    assert np.isfinite(curve[:2]).all()
    assert 0.95 < tau_of(curve) < 1.05
    with pytest.raises(ValueError, match="do not become rarer with distance"):
        tau_of(duplicate_probability(distance, (distance > 1.0).astype(float)))


@pytest.mark.parametrize("verdict", [0.0, 1.0])
def test_unanimous_verdicts_leave_the_curve_finite(verdict: float) -> None:
    distance = np.linspace(0.1, 3.0, 60)
    p = duplicate_probability(distance, np.full(60, verdict)).probability(distance)
    assert np.abs(p - verdict).max() < 0.15
    assert p.mean() == pytest.approx(verdict, abs=2 / 60)


def test_extreme_designs_converge() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        n = int(rng.integers(3, 60))
        distance = np.exp(rng.normal(0, 10.0 ** rng.uniform(-3, 1), n))
        duplicate = (rng.random(n) < rng.choice([0.02, 0.5, 0.98])).astype(float)
        weight = 10.0 ** rng.uniform(-5, 5, n)
        assert np.isfinite(duplicate_probability(distance, duplicate, weight)[:2]).all()


def test_many_fits_at_once_are_each_as_alone() -> None:
    rng = np.random.default_rng(3)
    distance, duplicate = draw(rng, 40)
    weight = rng.uniform(0.1, 3.0, (5, 40))
    weight /= weight.mean(axis=1, keepdims=True)
    together = fit_curves(distance, weight * duplicate, weight)
    for curve, w in zip(together, weight, strict=True):
        np.testing.assert_allclose(curve, duplicate_probability(distance, duplicate, w), rtol=1e-9)


def test_what_is_left_out_does_not_matter_and_units_scale() -> None:
    rng = np.random.default_rng(4)
    distance, duplicate = draw(rng, 50)
    curve = duplicate_probability(distance, duplicate)
    more = np.concatenate([distance, [0.3, 900.0]]), np.concatenate([duplicate, [np.nan, np.nan]])
    assert duplicate_probability(*more) == curve
    assert duplicate_probability(*more, np.ones(52)) == curve
    assert tau_of(duplicate_probability(1000 * distance, duplicate)) == pytest.approx(1000 * tau_of(curve))
    order = rng.permutation(50)
    np.testing.assert_allclose(duplicate_probability(distance[order], duplicate[order]), curve, rtol=1e-9)


def test_exact_duplicates_count_as_the_smallest_positive_distance() -> None:
    distance = np.array([0.0, 0.0, 0.2, 0.4, 1.0, 2.0])
    duplicate = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    curve = duplicate_probability(distance, duplicate)
    assert curve.low == 0.2
    assert curve[:2] == duplicate_probability(np.maximum(distance, 0.2), duplicate)[:2]
    assert curve.probability(np.array([0.0]))[0] == curve.probability(np.array([0.2]))[0]


def test_tau_is_where_the_curve_says() -> None:
    assert tau_of(TRUE) == pytest.approx(np.exp(0.5))
    for probability in (0.01, 0.5, 0.9):
        assert TRUE.probability(np.array([tau_of(TRUE, probability)]))[0] == pytest.approx(probability)
    assert tau_of(TRUE, 0.9) == pytest.approx(np.exp((logit(0.9) - 3) / -6))
    for bad in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            tau_of(TRUE, bad)


def test_pairs_drawn_by_distance_need_no_weights() -> None:
    # Ten strata, 15 judged pairs of each, though the farthest holds 10^5 times as many as the nearest.
    rng = np.random.default_rng(5)
    edges = np.exp(np.linspace(-1.0, 2.0, 11))
    plain, weighted = [], []
    for _ in range(150):
        distance = rng.uniform(np.repeat(edges[:-1], 15), np.repeat(edges[1:], 15))
        duplicate = (rng.random(150) < TRUE.probability(distance)).astype(float)
        plain.append(np.log(tau_of(duplicate_probability(distance, duplicate))))
        sizes = np.repeat(10.0 ** np.linspace(1, 6, 10), 15)
        curve = duplicate_probability(distance, duplicate, sizes)
        weighted.append((np.log(max(tau_of(curve), 1e-9)) if curve.slope < 0 else -5.0) - 0.5)
    error = np.array(plain) - 0.5
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(150)
    assert error.std() < 0.08
    assert np.sqrt(np.mean(np.square(weighted))) > 3 * error.std()  # why equal weights are the default


@pytest.mark.parametrize(
    ("distance", "weight", "match"),
    [
        ([1.0, 1.0], None, "two different ones"),
        ([0.0, 1.0], None, "two different ones"),
        ([-1.0, 1.0], None, "finite distances"),
        ([1.0, np.inf], None, "finite distances"),
        ([1.0, np.nan], None, "finite distances"),
        ([], None, "needs verdicts"),
        ([1.0, 2.0], [1.0, 0.0], "weights must be positive"),
        ([1.0, 2.0], [1.0, np.nan], "weights must be positive"),
    ],
)
def test_bad_input(distance: list[float], weight: list[float] | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        duplicate_probability(
            np.array(distance), np.arange(len(distance)) % 2.0, None if weight is None else np.array(weight)
        )


@pytest.mark.parametrize("pairs", [20, 60, 200, 600, 2000])
def test_a_rater_without_doubt(pairs: int) -> None:
    # Distance separates the verdicts perfectly: without a penalty there is no curve, with it tau lies between.
    distance = np.exp(np.random.default_rng(0).normal(0.5, 0.8, pairs))
    curve = duplicate_probability(distance, (distance <= 1.3).astype(float))
    below, above = distance[distance <= 1.3].max(), distance[distance > 1.3].min()
    margin = 0.1 * (above - below) + 0.02
    assert below - margin <= tau_of(curve) <= above + margin
