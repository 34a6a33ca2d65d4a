"""Pairs for people to judge: strata, their sizes, and estimates that weigh them back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from pipeline.support import draw_candidates, search_pairs


@pytest.mark.parametrize("samples", [2, 5, 40, 600])
def test_strata_cover_all_pairs_once(samples: int) -> None:
    x = np.random.default_rng(0).normal(size=(samples, 5)).astype(np.float32)
    found = draw_candidates(x, search_pairs(x).closest, 3, np.random.default_rng(1))
    pairs = samples * (samples - 1) // 2
    assert len({(c.first, c.second) for c in found}) == len(found)
    assert all(c.first < c.second and c.low <= c.distance <= c.high for c in found)
    sizes = {c.stratum: c.pairs for c in found}
    assert sum(sizes.values()) == pytest.approx(pairs, abs=2)
    for stratum, size in sizes.items():
        drawn = [c for c in found if c.stratum == stratum]
        assert len(drawn) == min(3, size) == drawn[0].drawn


def test_weighted_back_they_estimate_the_share_of_near_pairs() -> None:
    # Horvitz-Thompson: the weights pairs / drawn of the candidates within a distance add up to its pairs.
    x = np.random.default_rng(2).normal(size=(500, 3)).astype(np.float32)
    closest = search_pairs(x).closest
    distances = pdist(x.astype(np.float64))
    for tau in (float(np.quantile(distances, 3e-3)), float(np.quantile(distances, 0.06))):
        truth = (distances <= tau).sum()
        estimates = []
        for seed in range(300):
            found = draw_candidates(x, closest, 8, np.random.default_rng(seed))
            estimates.append(sum(c.pairs / c.drawn for c in found if c.distance <= tau))
        error = np.std(estimates) / np.sqrt(300)
        assert abs(np.mean(estimates) - truth) < 3.5 * error + 0.01 * truth


def test_the_same_stream_draws_the_same_pairs() -> None:
    x = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    closest = search_pairs(x).closest
    a, b = (draw_candidates(x, closest, 4, np.random.default_rng(9)) for _ in range(2))
    assert a == b
