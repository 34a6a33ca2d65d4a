"""Clusters of near-duplicates: connected components of the near-duplicate graph, built edge batch by edge
batch.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Edges kept before they are merged into the labels.
BATCH = 1 << 18


class Clusters:
    """Union of the edges seen so far, in memory O(samples + BATCH)."""

    def __init__(self, samples: int) -> None:
        self._labels = np.arange(samples)
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._count = 0

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Put the samples first[k] and second[k] into one cluster, for each k."""
        # A large cluster has an edge for every two of its members; nearly all join what is joined already.
        first, second = self._labels[first], self._labels[second]
        apart = first != second
        if apart.any():
            self._waiting.append((first[apart], second[apart]))
            self._count += len(self._waiting[-1][0])
        if self._count >= BATCH:
            self._merge()

    def labels(self) -> np.ndarray:
        """(samples,) int64: the first sample of each sample's cluster."""
        self._merge()
        return self._labels

    def _merge(self) -> None:
        if not self._waiting:
            return
        first = self._labels[np.concatenate([f for f, _ in self._waiting])]
        second = self._labels[np.concatenate([s for _, s in self._waiting])]
        n = len(self._labels)
        graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n))
        _, component = connected_components(graph, directed=False)
        component = component[self._labels]
        _, where, inverse = np.unique(component, return_index=True, return_inverse=True)
        self._labels = where[inverse]
        self._waiting, self._count = [], 0
