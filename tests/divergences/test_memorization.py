"""Copying and authenticity: scipy's Mann-Whitney test, mutual neighbours' closed form, simulations, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from pipeline.divergences import authenticity, data_copying, k_means, mann_whitney_z

RNG = np.random.default_rng


def to_nearest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    found: np.ndarray = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(y).kneighbors(x)[0][:, 0]
    return found


def by_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """The z behind scipy's p-value, which also allows for ties."""
    below = mannwhitneyu(x, y, use_continuity=False, alternative="less", method="asymptotic").pvalue
    return float(norm.ppf(below))


# --- Mann-Whitney -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [2, 5, 10**9])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 40), (150, 80)])
def test_z_agrees_with_scipy(n: int, m: int, values: int) -> None:
    x, y = RNG(n).integers(0, values, n), RNG(m).integers(0, values, m) + values // 5
    assert mann_whitney_z(x, y) == pytest.approx(
        by_scipy(x, y) if np.unique([*x, *y]).size > 1 else 0, abs=1e-9
    )


def test_all_tied_is_no_evidence() -> None:
    assert mann_whitney_z(np.ones(9), np.ones(5)) == 0


# --- C_T ----------------------------------------------------------------------------------------------------


def test_agrees_with_scipy_and_scikit_learn_cell_by_cell() -> None:
    train, held_out, generated = (RNG(k).normal(size=(n, 3)) for k, n in enumerate((500, 400, 600)))
    generated *= 0.8
    fit = KMeans(5, n_init=1, random_state=0).fit(train)
    scores, weights = [], []
    for cell in range(5):
        t, h, g = (x[fit.predict(x) == cell] for x in (train, held_out, generated))
        scores.append(by_scipy(to_nearest(g, t), to_nearest(h, t)))
        weights.append(len(h) / 400)
    found = data_copying(train, held_out, generated, fit.cluster_centers_)
    assert found.cells == 5
    assert found.held_out_share == 1
    assert found.c_t == pytest.approx(np.dot(weights, scores), rel=1e-9)
    assert found.z == pytest.approx(np.dot(weights, scores) / np.linalg.norm(weights), rel=1e-9)


@pytest.mark.parametrize("cells", [1, 4])
def test_true_samples_stay_within_two_in_95_percent(cells: int) -> None:
    found = []
    for seed in range(300):
        train, held_out, generated = (RNG([seed, k]).normal(size=(300, 2)) for k in range(3))
        found.append(data_copying(train, held_out, generated, k_means(train, cells, RNG(seed))))
    z = np.array([run.z for run in found])
    assert abs(z.mean()) < 4 / math.sqrt(300)
    assert z.std() == pytest.approx(1, abs=0.17)
    assert 0.91 <= (np.abs(z) < 1.96).mean() <= 0.99
    # The average over cells itself does not have variance 1.
    assert np.std([run.c_t for run in found]) == pytest.approx(1 / math.sqrt(cells), rel=0.25)


@pytest.mark.parametrize("cells", [1, 4])
def test_copies_of_the_training_points_are_far_below_zero(cells: int) -> None:
    train, held_out = RNG(0).normal(size=(300, 2)), RNG(1).normal(size=(200, 2))
    found = data_copying(train, held_out, train[RNG(2).integers(0, 300, 250)], k_means(train, cells, RNG(3)))
    assert found.z < -15
    if cells == 1:
        assert (
            found.c_t == found.z == pytest.approx(by_scipy(np.zeros(250), np.ones(200) * np.arange(1, 201)))
        )


def test_samples_that_keep_away_are_far_above_zero() -> None:
    train, held_out = RNG(0).normal(size=(300, 2)), RNG(1).normal(size=(200, 2))
    assert data_copying(train, held_out, 3 * RNG(2).normal(size=(250, 2))).c_t > 5


def test_copying_in_one_cell_shows_though_others_underfit() -> None:
    # Meehan et al.'s reason for cells: on the whole the two cancel.
    train, held_out, generated = (RNG(k).normal(size=(900, 2)) for k in range(3))
    train[:, 0] += 20 * (np.arange(900) % 3)
    held_out[:, 0] += 20 * (np.arange(900) % 3)
    generated[:, 0] += 20 * (np.arange(900) % 3)
    generated[::3] = train[::3]
    there = [data_copying(train[k::3], held_out[k::3], generated[k::3]).z for k in range(3)]
    assert there[0] < -15
    assert min(there[1:]) > -4
    assert data_copying(train, held_out, generated, k_means(train, 3, RNG(0))).z < -8


def test_cells_with_few_points_are_left_out() -> None:
    train = np.repeat([[0.0], [10.0], [20.0]], 30, axis=0) + RNG(0).random((90, 1))
    held_out = np.repeat([[0.0], [10.0], [20.0]], [40, 40, 20], axis=0) + RNG(1).random((100, 1))
    generated = np.repeat([[0.0], [10.0], [20.0]], [50, 19, 20], axis=0) + RNG(2).random((89, 1))
    middles = np.array([[0.5], [10.5], [20.5], [90.0]])
    found = data_copying(train, held_out, generated, middles)
    assert (found.cells, found.held_out_share) == (2, 0.6)
    alone = [data_copying(train[s], held_out[t], generated[g]).z for s, t, g in (
        (slice(30), slice(40), slice(50)), (slice(60, 90), slice(80, 100), slice(69, 89)))]  # fmt: skip
    assert found.c_t == pytest.approx((40 * alone[0] + 20 * alone[1]) / 60, rel=1e-12)
    with pytest.raises(ValueError, match=r"no cell .* 20 held-out and 20 generated"):
        data_copying(train, held_out, generated[:19])


# --- authenticity -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d", "mutual"),
    # Share of points of a Poisson process that are their nearest neighbour's nearest neighbour: the volume of
    # a ball over that of two whose centres lie on each other's surface (Clark & Evans 1955).
    [(1, 2 / 3), (2, 6 * math.pi / (8 * math.pi + 3 * math.sqrt(3))), (3, 16 / 27)],
)
def test_true_samples_are_authentic_unless_mutual_neighbours_of_training_points(
    d: int, mutual: float
) -> None:
    # On spheres: without boundary, and locally flat.
    def sphere(seed: int) -> np.ndarray:
        x = RNG([d, seed]).normal(size=(2500, d + 1))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    found = [authenticity(sphere(2 * k), sphere(2 * k + 1)) for k in range(4)]
    assert np.mean(found) == pytest.approx(1 - mutual, abs=4 * math.sqrt(0.25 / 10_000))


@pytest.mark.parametrize("d", [2, 30])
def test_authenticity_agrees_with_scikit_learn(d: int) -> None:
    train, generated = RNG(0).normal(size=(200, d)), RNG(1).normal(size=(300, d)) * 0.9
    fit = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(train)
    spacing = fit.kneighbors()[0][:, 0]  # without an argument it leaves each point itself out
    distance, index = (x[:, 0] for x in fit.kneighbors(generated))
    assert authenticity(train, generated) == (spacing[index] < distance).mean()


def test_copies_are_not_authentic_and_far_points_are() -> None:
    train = RNG(0).normal(size=(100, 4))
    assert authenticity(train, train[:40]) == 0
    assert (
        authenticity(np.concatenate([train, train]), train) == 0
    )  # repeated training points: distance 0, spacing 0
    assert authenticity(train, train[:40] + 1000) == 1


def test_on_a_line() -> None:
    # Spacings 1, 1, 6. Distances .5 (not authentic), 1 (a tie: not), 2 (authentic), 5 (not).
    train = np.array([[0.0], [1.0], [7.0]])
    assert authenticity(train, np.array([[-0.5], [-1.0], [3.0], [12.0]])) == 0.25


@pytest.mark.parametrize(
    ("train", "generated", "message"),
    [
        (np.zeros((1, 2)), np.zeros((9, 2)), "at least 2 training points"),
        (np.zeros((9, 2)), np.zeros((9, 3)), "train: points of 2 dimensions, generated: of 3"),
        (np.full((9, 2), np.nan), np.zeros((9, 2)), "train: .* NaN"),
    ],
)
def test_bad_input_is_one_clear_error(train: np.ndarray, generated: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        authenticity(train, generated)


def test_held_out_points_that_are_no_numbers_are_refused() -> None:
    x = np.zeros((30, 2))
    with pytest.raises(ValueError, match=r"held_out: .* infinity"):
        data_copying(x, np.full((30, 2), np.inf), x)
