"""The tau rule and the finite-support control, against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from pipeline.support import finite_support, real_quantile, search_pairs, support_size
from pipeline.support.embeddings import embed


@pytest.mark.parametrize("quantile", [1e-3, 0.01, 0.2])
def test_tau_is_the_order_statistic_of_real_pairs(quantile: float) -> None:
    real = np.random.default_rng(0).normal(size=(200, 9)).astype(np.float32)
    tau = real_quantile(real, quantile)
    distances = np.sort(pdist(real.astype(np.float64)))
    rank = math.ceil(quantile * len(distances))
    assert tau == pytest.approx(distances[rank - 1], rel=1e-12)
    near = search_pairs(real, tau).near
    assert near is not None
    assert near.collisions == rank  # N2 of the real images is 1 / quantile


def test_a_quantile_of_too_few_pairs() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        real_quantile(np.random.default_rng(0).normal(size=(50, 3)), 1e-3)


def test_the_truth_of_a_control_counts_alike_items() -> None:
    items = np.array([[0.0], [0.1], [5.0], [9.0]], np.float32)
    rng = np.random.default_rng(0)
    assert finite_support(items, 10, 0.01, rng).n2_true == 4
    # Two of four items are near-duplicates of each other: p2 = (4 + 2) / 16.
    assert finite_support(items, 10, 0.5, rng).n2_true == pytest.approx(16 / 6)
    assert finite_support(items[:1], 10, 0.5, rng).n2_true == 1


def test_the_ruler_recovers_a_known_support() -> None:
    items = np.random.default_rng(1).random((300, 20)).astype(np.float32)
    hits = 0
    for seed in range(150):
        control = finite_support(items, 700, 0.9, np.random.default_rng(seed))
        near = search_pairs(items[control.indices], 0.9).near
        assert near is not None
        size = support_size(near.degrees, near.labels)
        hits += size.n2_low <= control.n2_true <= (size.n2_high or np.inf)
    assert control.n2_true < 300  # some items are near-duplicates at this tau
    assert 0.90 <= hits / 150 <= 1.0  # binomial(150, 0.95) falls outside once in 10^3


def test_pixels() -> None:
    images = np.array([[[[0, 255], [51, 102]]]], np.uint8)
    np.testing.assert_allclose(embed("pixels", images), [[0, 1, 0.2, 0.4]])
    assert embed("pixels", images).dtype == np.float32
    # Generated floats are not rounded to 8 bits: rounding would merge samples that differ.
    floats = np.float32([[[[0.5]]], [[[0.5005]]]])
    assert embed("pixels", floats)[0] != embed("pixels", floats)[1]
    with pytest.raises(ValueError, match="NaN"):
        embed("pixels", np.float32([[np.nan]]))
