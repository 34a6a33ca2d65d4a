"""Vendi scores: their authors' numbers and package, Hill numbers, and the collision estimator."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

from pipeline.divergences import vendi, vendi_of

RNG = np.random.default_rng
ORDERS = [0.5, 1.0, 2.0, 3.0, math.inf]


def hill(p: np.ndarray, q: float) -> float:
    if q == 1:
        return float(np.exp(-(p * np.log(p)).sum()))
    return float(1 / p.max()) if q == math.inf else float((p**q).sum() ** (1 / (1 - q)))


def repeated(counts: list[int], d: int) -> np.ndarray:
    """counts[k] copies of the k-th of orthogonal directions, of any lengths: a law with these shares."""
    directions = np.linalg.qr(RNG(0).normal(size=(d, d)))[0][: len(counts)]
    x = np.repeat(directions, counts, axis=0)
    return x * RNG(1).uniform(0.1, 10, (len(x), 1))


# --- from the matrix ----------------------------------------------------------------------------------------


def test_the_examples_printed_by_the_authors() -> None:
    items = np.array([0, 0, 10, 10, 20, 20])
    assert vendi(np.exp(-np.abs(items[:, None] - items))) == pytest.approx(2.9999, abs=1e-4)
    assert vendi(np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]])) == pytest.approx(2.1573, abs=5e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("q", ORDERS)
def test_agrees_with_the_authors_package(q: float) -> None:
    package = importlib.import_module("vendi_score.vendi")
    x = RNG(0).normal(size=(60, 3))
    kernel = np.exp(-np.square(x[:, None] - x[None]).sum(-1))
    assert vendi(kernel, q) == pytest.approx(package.score_K(kernel, "inf" if q == math.inf else q), rel=1e-9)
    # Its score_X ignores q; score_dual does not, but counts rounding at q = 0.5.
    points = RNG(1).normal(size=(60, 7))
    if q != math.inf:
        assert vendi_of(points, q) == pytest.approx(package.score_dual(points, q), rel=1e-9)


def test_order_two_agrees_with_the_orders_around_it() -> None:
    # Order 2 takes no eigenvalues.
    x = RNG(0).random(50)
    kernel = np.exp(-np.abs(np.subtract.outer(x, x)))
    around = (vendi(kernel, 2 - 1e-6) + vendi(kernel, 2 + 1e-6)) / 2
    assert vendi(kernel, 2) == pytest.approx(around, rel=1e-9)


def test_near_duplicates_give_the_collision_estimator_but_for_the_self_pairs() -> None:
    items = RNG(0).integers(0, 50, 300)
    collisions = sum(items[i] == items[j] for j in range(300) for i in range(j))
    score = vendi((items[:, None] == items).astype(float), 2)
    assert score == pytest.approx(300**2 / (300 + 2 * collisions), rel=1e-12)


# --- from points --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize("d", [4, 40])
def test_orthogonal_groups_have_the_hill_number_of_their_shares(q: float, d: int) -> None:
    # Of 20 points, in 4 and in 40 dimensions: the one or the other Gram matrix is the smaller.
    found = vendi_of(repeated([2, 4, 6, 8], d), q)
    assert found == pytest.approx(hill(np.array([0.1, 0.2, 0.3, 0.4]), q), rel=1e-10)


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize(("n", "d"), [(30, 200), (200, 30)])
def test_both_gram_matrices_give_the_score_of_the_kernel(q: float, n: int, d: int) -> None:
    x = RNG(0).normal(size=(n, d)).astype(np.float32) + 0.5
    unit = x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True)
    assert vendi_of(x, q) == pytest.approx(vendi(unit @ unit.T, q), rel=1e-6)


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize("d", [3, 2000])
def test_one_repeated_image_counts_as_one(q: float, d: int) -> None:
    # 1,000 eigenvalues of 0, rounded to 1e-17, would count as 0.1 and more at order one half.
    assert vendi_of(np.tile(RNG(0).random(d), (1000, 1)), q) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("q", ORDERS)
def test_orthogonal_points_all_count(q: float) -> None:
    assert vendi_of(np.eye(40), q) == pytest.approx(40, rel=1e-10)


@pytest.mark.parametrize("scale", [1e-200, 1e100])
def test_lengths_do_not_matter(scale: float) -> None:
    x = RNG(0).normal(size=(30, 5))
    lengths = scale * RNG(1).uniform(1e-3, 1, (30, 1))
    assert vendi_of(x * lengths) == pytest.approx(vendi_of(x), rel=1e-12)


def test_scores_fall_with_the_order() -> None:
    x = RNG(0).gamma(0.3, size=(80, 20))
    scores = [vendi_of(x, q) for q in (0.1, *ORDERS)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= 1
    assert scores[0] <= 20


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (np.ones((2, 3)), r"\(n, n\)"),
        (np.array([[1, 0.5], [0.4, 1]]), "not symmetric"),
        (2 * np.eye(3), "diagonal"),
        (np.array([[1, 2], [2, 1]]), "negative eigenvalue -1"),
        (np.array([[1, np.nan], [np.nan, 1]]), "NaN"),
    ],
)
def test_what_is_no_similarity_is_refused(kernel: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vendi(kernel)


@pytest.mark.parametrize("q", [0, -1, math.nan])
def test_orders_not_above_zero_are_refused(q: float) -> None:
    with pytest.raises(ValueError, match="order q above 0"):
        vendi_of(np.eye(3), q)


def test_a_point_at_the_origin_has_no_cosine() -> None:
    with pytest.raises(ValueError, match="1 points at the origin"):
        vendi_of(np.array([[0.0, 0.0], [1.0, 0.0]]))
