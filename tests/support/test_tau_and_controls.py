"""The tau rules and the controls, against enumeration and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from pipeline.support import (
    augmentation_quantile,
    real_quantile,
    real_quantiles,
    search_pairs,
    support_size,
)
from pipeline.support.controls import atom, draw, jittered, true_n2, uniform, zipf


@pytest.mark.parametrize("quantile", [1e-3, 0.01, 0.2])
def test_tau_is_the_order_statistic_of_real_pairs(quantile: float) -> None:
    real = np.random.default_rng(0).normal(size=(200, 9)).astype(np.float32)
    tau = real_quantile(real, quantile)
    distances = np.sort(pdist(real.astype(np.float64)))
    rank = math.ceil(quantile * len(distances))
    assert tau == pytest.approx(distances[rank - 1], rel=1e-12)
    (near,) = search_pairs(real, [tau]).near
    assert near.collisions == rank  # N2 of the real images is 1 / quantile


def test_several_quantiles_at_once() -> None:
    real = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
    quantiles = [0.05, 1e-3, 0.3]
    assert real_quantiles(real, quantiles) == [real_quantile(real, q) for q in quantiles]


def test_a_quantile_of_too_few_pairs() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        real_quantile(np.random.default_rng(0).normal(size=(50, 3)), 1e-3)


def test_noise_alone_moves_an_image_by_a_known_distance() -> None:
    # Without clipping in reach, |noise * N(0, I_d)| / noise follows chi with d degrees of freedom.
    images = np.full((4000, 1, 6, 6), 128, np.uint8)
    flat = lambda x: x.reshape(len(x), -1)  # noqa: E731
    for quantile in (0.1, 0.5, 0.9):
        tau = augmentation_quantile(images, flat, quantile, shift=0, noise=0.01, rng=np.random.default_rng(0))
        assert tau == pytest.approx(0.01 * stats.chi.ppf(quantile, 36), rel=0.01)


def test_shifts_repeat_the_edge() -> None:
    # A step edge moved by one pixel either way differs in one column; not at all where it moves up or down.
    images = np.zeros((3000, 1, 8, 8), np.uint8)
    images[..., 4:] = 255
    seen: list[np.ndarray] = []

    def flat(x: np.ndarray) -> np.ndarray:
        seen.append(x)
        return x.reshape(len(x), -1)

    tau = augmentation_quantile(images, flat, 0.9, shift=1, noise=0.0, rng=np.random.default_rng(0))
    assert tau == pytest.approx(math.sqrt(8))
    columns = seen[1][:, 0, 0].sum(1)
    assert set(columns) == {3.0, 4.0, 5.0}
    assert np.mean(columns == 4) == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize("law", ["uniform", "atom", "zipf"])
def test_the_truth_of_a_control_is_that_of_enumeration(law: str) -> None:
    items = np.random.default_rng(3).integers(0, 4, size=(60, 3)).astype(np.float32)
    p = {"uniform": uniform(60), "atom": atom(60, 0.3), "zipf": zipf(60, 1.3)}[law]
    taus = [0.0, 1.0, 1.5, 9.0]
    near = squareform(pdist(items))[None] <= np.array(taus)[:, None, None]
    found = true_n2(items, p, taus)
    np.testing.assert_allclose(found, 1 / np.einsum("i,tij,j->t", p, near, p), rtol=1e-12)
    assert true_n2(items[:1], uniform(1), taus) == [1.0] * 4


def test_laws() -> None:
    assert atom(1001, 0.1)[:2] == pytest.approx([0.1, 0.0009])
    assert 1 / (zipf(10**5, 1.0) ** 2).sum() == pytest.approx(89, abs=0.5)  # Zipf(1) on 10^5: N2 = 89
    assert 1 / (zipf(10**5, 0.7) ** 2).sum() == pytest.approx(3419, abs=0.5)
    for law in (uniform(9), atom(9, 0.5), zipf(9, 2.0)):
        assert law.sum() == pytest.approx(1)


@pytest.mark.parametrize("law", ["uniform", "atom", "zipf"])
def test_the_ruler_recovers_a_known_support(law: str) -> None:
    items = np.random.default_rng(1).random((300, 20)).astype(np.float32)
    p = {"uniform": uniform(300), "atom": atom(300, 0.1), "zipf": zipf(300, 1.0)}[law]
    hits = 0
    (truth,) = true_n2(items, p, [0.9])
    for seed in range(150):
        (near,) = search_pairs(items[draw(p, 700, np.random.default_rng(seed))], [0.9], closest=0).near
        size = support_size(near.degrees, near.labels)
        hits += size.n2_low <= truth <= (size.n2_high or np.inf)
    assert truth < 1 / (p @ p)  # some items are near-duplicates at this tau
    assert 0.90 <= hits / 150 <= 1.0  # binomial(150, 0.95) falls outside once in 10^3


def test_exact_matching_does_not_recover_a_jittered_support() -> None:
    images = np.random.default_rng(5).integers(60, 200, (40, 1, 8, 8), dtype=np.uint8)
    items = jittered(images, 20, 0.02, np.random.default_rng(0)).reshape(800, -1)
    # Versions lie within tau of each other, images do not.
    assert true_n2(items, uniform(800), [0.5]) == [pytest.approx(40)]
    drawn = draw(uniform(800), 2000, np.random.default_rng(1))
    exact, near = search_pairs(items[drawn], [0.0, 0.5]).near
    sizes = [support_size(n.degrees, n.labels) for n in (exact, near)]
    assert sizes[0].n2_low > 600
    assert sizes[1].n2_low <= 40 <= (sizes[1].n2_high or np.inf)
