"""Cells of k-means: known clusters, repeatability, scikit-learn's own assignment."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from pipeline.divergences import cell_of, k_means

RNG = np.random.default_rng


def test_clusters_far_apart_are_found() -> None:
    which = RNG(0).integers(0, 4, 500)
    points = 100 * np.eye(4)[which] + RNG(1).normal(size=(500, 4))
    centres = k_means(points, 4, RNG(2))
    assert centres.shape == (4, 4)
    assert adjusted_rand_score(which, cell_of(points, centres)) == 1


def test_every_point_belongs_to_its_nearest_centre() -> None:
    points = RNG(0).random((400, 6), np.float32)
    centres = k_means(points, 20, RNG(1))
    assert centres.dtype == np.float64
    np.testing.assert_array_equal(
        cell_of(points, centres), pairwise_distances_argmin(points.astype(np.float64), centres)
    )
    # Converged: each centre is the mean of its cell.
    means = [points[cell_of(points, centres) == k].mean(0) for k in range(20)]
    np.testing.assert_allclose(centres, means, atol=2e-2)


def test_the_generator_decides_and_threads_do_not() -> None:
    points = RNG(0).random((3000, 16))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(k_means(points, 10, RNG(1)))
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0], k_means(points, 10, RNG(2)))


@pytest.mark.parametrize(("n", "count"), [(3, 4), (9, 6), (9, 0)])
def test_more_cells_than_distinct_points_are_refused(n: int, count: int) -> None:
    points = np.arange(n)[:, None] % 5 * 1.0
    with pytest.raises(ValueError, match=f"{count} cells of {min(n, 5)} distinct points"):
        k_means(points, count, RNG(0))
