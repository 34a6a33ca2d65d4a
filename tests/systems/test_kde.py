"""The kernel density estimate against scikit-learn on the same arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, LeaveOneOut
from sklearn.neighbors import KernelDensity

from pipeline.systems.bandwidth import GRID, LEFT_OUT, bandwidth, log_densities
from pipeline.training import sample
from tests.systems.games import trial
from tests.systems.unfitted import begun, ring_of


def test_log_densities_are_scikit_learns() -> None:
    points = np.random.default_rng(0).normal(3, 2, (4500, 3)).astype(np.float32)
    rows, widths = np.array([0, 17, 2000, 4499]), np.array([0.05, 0.7, 5.0])
    found = log_densities(torch.tensor(points), torch.tensor(rows), widths)
    for k, width in enumerate(widths):
        # Its k-d tree is exact to 6 digits only, whatever its tolerances.
        for i, row in enumerate(rows):
            others = KernelDensity(bandwidth=width, algorithm="ball_tree").fit(
                np.delete(points, row, 0).astype(np.float64)
            )
            expected = others.score_samples(points[row : row + 1].astype(np.float64))[0]
            assert float(found[i, k]) == pytest.approx(expected, rel=1e-9)


def test_the_bandwidth_is_the_one_that_a_grid_search_finds() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 1, (12, 2)).astype(np.float32)
    assert len(points) <= LEFT_OUT  # all are left out in turn
    found = bandwidth(torch.tensor(points), rng)
    grid = math.sqrt(points.astype(np.float64).var(0).mean()) * GRID
    search = GridSearchCV(KernelDensity(), {"bandwidth": grid}, cv=LeaveOneOut()).fit(points.astype(float))
    assert found == pytest.approx(search.best_params_["bandwidth"], rel=1e-6)


def test_the_bandwidth_is_near_silvermans_for_a_gaussian() -> None:
    # Optimal for N(0, I) in d = 2: (4 / ((d + 2) n))^(1 / (d + 4)) = n^(-1/6) (Silverman 1986, 4.14).
    points = np.random.default_rng(0).standard_normal((4000, 2)).astype(np.float32)
    found = bandwidth(torch.tensor(points), np.random.default_rng(0))
    assert found == pytest.approx(4000 ** (-1 / 6), rel=0.35)


def test_samples_have_the_variance_of_points_and_kernels() -> None:
    points = np.random.default_rng(0).standard_normal((300, 2)).astype(np.float32)
    config = trial("kde", train_samples=300)
    system, players = begun(config, points)
    h = float(players["generator"]["bandwidth"])
    drawn = sample(system, players, 20_000, config.id)
    np.testing.assert_allclose(drawn.var(0), points.var(0) + h * h, rtol=0.05)


def test_images_are_held_as_bytes_and_stay_in_range() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 1, 8, 8)).astype(np.uint8)
    config = trial("kde")
    system, players = begun(config, images)
    assert players["generator"]["points"].dtype == torch.uint8
    drawn = sample(system, players, 100, config.id)
    assert drawn.shape == (100, 1, 8, 8)
    assert drawn.min() == 0
    assert drawn.max() == 1


def test_without_two_different_samples_there_is_no_bandwidth() -> None:
    with pytest.raises(ValueError, match="train_samples"):
        bandwidth(torch.zeros(5, 2), np.random.default_rng(0))
    with pytest.raises(ValueError, match="train_samples"):
        bandwidth(torch.ones(1, 2), np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(3))
def test_the_ring(seed: int) -> None:
    found = ring_of(trial("kde", train_samples=4000, seed=seed))
    assert found.modes == 8
    # Kernels of h = 0.004 or so widen the sd of 0.01: exp(-9 / 2 / (1 + h^2 / sd^2)) lie further out.
    assert 0.96 < found.high_quality < 0.99
