"""Clusters against scipy's connected components of the whole graph."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.support import clusters
from pipeline.support.clusters import Clusters


@pytest.mark.parametrize("batch", [1, 10, 1 << 20])
@pytest.mark.parametrize("edges", [0, 30, 150, 600])
def test_equals_components_of_the_whole_graph(
    edges: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "BATCH", batch)
    rng = np.random.default_rng(edges)
    pairs = rng.integers(0, 200, (2, edges))
    grown = Clusters(200)
    for k in range(0, edges, 7):
        grown.join(*pairs[:, k : k + 7])
    count, labels = connected_components(coo_array((np.ones(edges), pairs), shape=(200, 200)), directed=False)
    assert len(np.unique(grown.labels())) == count
    # The same partition: labels determine each other.
    assert len(set(zip(labels, grown.labels(), strict=True))) == count
