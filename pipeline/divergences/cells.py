"""A partition of space into cells, each the points nearest to one of some centres."""

from __future__ import annotations

import numpy as np

from pipeline.divergences.nearest import nearest
from pipeline.divergences.points import checked


def k_means(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, d) float64 centres of cells: Lloyd's k-means of (n, d) points from one k-means++ start.

    The same for every number of threads: it runs on one, because the order of its sums decides its course.
    Raises ValueError for NaN or infinity and for fewer distinct points than cells.
    """
    # scikit-learn takes a second to import, and other measures do not need it.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    points = checked(points, "points")
    distinct = len(np.unique(points, axis=0)) if len(points) >= count else len(points)
    if not 1 <= count <= distinct:
        raise ValueError(f"{count} cells of {distinct} distinct points")
    fit = KMeans(count, n_init=1, random_state=int(rng.integers(2**32)))
    with threadpool_limits(1):
        return fit.fit(points).cluster_centers_.astype(np.float64)


def cell_of(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n,) int64 nearest of the (k, d) centres for each of the (n, d) points. Exact; raises as `nearest`."""
    return nearest(points, centres)[0][:, 0]
