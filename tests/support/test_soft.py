"""The soft birthday test: Gaussians in closed form, its bounds, its hard limit, and the Vendi score."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from pipeline.divergences import vendi
from pipeline.support import search_pairs
from pipeline.support.histogram import PairHistogram
from pipeline.support.soft import soft_support


def by_pairs(x: np.ndarray, tau: float) -> tuple[float, np.ndarray]:
    """N_soft from every pair, and the kernel matrix."""
    x = x.astype(np.float32).astype(np.float64)
    squares = ((x[:, None] - x) ** 2).sum(-1)
    kernel = np.exp(-squares * np.log(2) / (2 * tau**2))  # h = tau / sqrt(ln 2)
    off = kernel[np.triu_indices(len(x), 1)]
    return len(off) / float((off**2).sum()), kernel


def hand_made(
    low: list[float], high: list[float], counts: list[int], exact_below: float, resolution: float
) -> PairHistogram:
    return PairHistogram(np.array(low), np.array(high), np.array(counts), exact_below, resolution)


@pytest.mark.parametrize(("d", "tau"), [(1, 0.2), (2, 0.5), (5, 1.0), (10, 2.0)])
def test_gaussians_in_closed_form(d: int, tau: float) -> None:
    # Of N(0, I_d): E exp(-|x - y|^2 / h^2) = (1 + 4 / h^2)^(-d / 2), 1 / h^2 = ln 2 / tau^2.
    truth = (1 + 4 * np.log(2) / tau**2) ** (d / 2)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(8):
        x = rng.normal(size=(1500, d)).astype(np.float32)
        result = soft_support(search_pairs(x, closest=100).histogram, tau)
        assert result.n2 is not None
        found.append(1 / result.n2)
    assert np.mean(found) == pytest.approx(1 / truth, abs=4 * np.std(found) / 8**0.5)
    assert np.mean(found) == pytest.approx(1 / truth, rel=0.03)


@pytest.mark.parametrize("closest", [0, 50, 5000])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_bounds_hold_every_pair(closest: int, scale: float) -> None:
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(300, 6)) * scale).astype(np.float32)
    x[7] = x[200]
    for tau in (0.3 * scale, scale, 3 * scale):
        exact, _ = by_pairs(x, tau)
        found = soft_support(search_pairs(x, closest=closest).histogram, tau)
        assert found.n2 is not None
        assert found.high is not None
        assert found.low <= exact <= found.high
        assert found.low < found.n2 < found.high
        # With none of the closest pairs known exactly, the nearest are counted a few percent off.
        assert found.n2 == pytest.approx(exact, rel=0.05 if closest else 0.1)


def test_bounds_of_an_exact_histogram_are_narrow() -> None:
    x = np.random.default_rng(2).normal(size=(200, 3)).astype(np.float32)
    found = soft_support(search_pairs(x, closest=200 * 199 // 2).histogram, 1.0)
    assert found.high is not None
    assert found.high / found.low < 1.1
    assert found.n2 == pytest.approx(by_pairs(x, 1.0)[0], rel=1e-3)


def test_pairs_counted_elsewhere_are_allowed_for() -> None:
    # The second bin is beyond what is known exactly: its pairs may be 0.5 nearer or farther, but not nearer
    # than 1, up to which all are known. The first bin's are where they are.
    inexact = soft_support(hand_made([0.5, 1.2], [0.6, 1.3], [1, 1], 1.0, 0.5), 1.0)
    weights = {d: 2.0 ** -(d**2) for d in (0.5, 0.6, 1.0, 1.2, 1.3, 1.8)}
    assert inexact.low == pytest.approx(2 / (weights[0.5] + weights[1.0]))
    assert inexact.high == pytest.approx(2 / (weights[0.6] + weights[1.8]))
    exact = soft_support(hand_made([0.5, 1.2], [0.6, 1.3], [1, 1], np.inf, 0.5), 1.0)
    assert exact.low == pytest.approx(2 / (weights[0.5] + weights[1.2]))
    assert exact.high == pytest.approx(2 / (weights[0.6] + weights[1.3]))


def test_a_pair_at_tau_counts_one_half() -> None:
    found = soft_support(hand_made([3.0], [3.0], [10], np.inf, 0.0), 3.0)
    assert found == (2.0, 2.0, 2.0)
    assert soft_support(hand_made([6.0], [6.0], [10], np.inf, 0.0), 3.0).n2 == 16.0


def test_distances_of_zero_or_far_beyond_tau_give_n2() -> None:
    items = np.random.default_rng(3).integers(0, 40, 300)
    x = np.eye(40, dtype=np.float32)[items] * 100
    (near,) = (result := search_pairs(x, [1.0])).near
    found = soft_support(result.histogram, 1.0)
    assert found.n2 == pytest.approx(300 * 299 / 2 / near.collisions)
    assert found.low == pytest.approx(found.n2)


def test_the_vendi_score_with_its_diagonal() -> None:
    package = importlib.import_module("vendi_score.vendi")
    x = np.random.default_rng(4).normal(size=(80, 2)).astype(np.float32)
    x[:10] = x[10:20]
    soft, kernel = by_pairs(x, 0.7)
    found = soft_support(search_pairs(x, closest=80 * 79 // 2).histogram, 0.7).n2
    assert found == pytest.approx(soft, rel=2e-3)
    for score in (package.score_K(kernel, q=2), vendi(kernel, 2)):
        assert 1 / score == pytest.approx(1 / 80 + (1 - 1 / 80) / soft, rel=1e-9)
        assert score < 80


def test_the_self_pairs_would_cap_it() -> None:
    # 50 samples of a law with N_soft = 1 + 4 ln 2 / 0.01^2: the Vendi score cannot say more than 50.
    x = np.random.default_rng(5).uniform(size=(50, 4)).astype(np.float32)
    soft, kernel = by_pairs(x, 0.05)
    assert soft > 500
    assert vendi(kernel, 2) < 50
    found = soft_support(search_pairs(x).histogram, 0.05)
    assert found.n2 == pytest.approx(soft, rel=0.1)


def test_all_alike_and_nothing_near() -> None:
    alike = soft_support(search_pairs(np.full((20, 3), 0.5, np.float32)).histogram, 0.1)
    assert alike.low == alike.n2 == 1.0
    far = soft_support(hand_made([1000.0], [1001.0], [45], np.inf, 0.0), 1.0)
    assert far == (None, np.inf, None)


@pytest.mark.parametrize("tau", [0.0, -1.0, np.nan])
def test_a_bad_tau(tau: float) -> None:
    with pytest.raises(ValueError, match="tau must be positive"):
        soft_support(hand_made([1.0], [2.0], [3], np.inf, 0.0), tau)


def test_no_pairs() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        soft_support(hand_made([], [], [], np.inf, 0.0), 1.0)
