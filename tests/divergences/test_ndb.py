"""NDB against statsmodels and scipy, by hand, and under equal laws by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

from pipeline.divergences import NDB, k_means, ndb

RNG = np.random.default_rng


def on_a_line(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts)[:, None] + 0.1


def centres(bins: int) -> np.ndarray:
    return np.arange(bins)[:, None].astype(float)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_statsmodels_and_scipy(seed: int, alpha: float) -> None:
    p, q = RNG(seed).dirichlet(np.full(30, 3.0)), RNG(seed + 100).dirichlet(np.full(30, 30.0))
    x, y = RNG(seed).multinomial(2000, p), RNG(seed + 1).multinomial(1500, 0.4 * p + 0.6 * q)
    found = ndb(on_a_line(x), on_a_line(y), centres(30), alpha)
    tests = [proportions_ztest([a, b], [2000, 1500])[1] for a, b in zip(x, y, strict=True)]
    assert found.ndb == sum(p < alpha for p in tests)
    assert found.ndb_share == found.ndb / 30
    assert found.ndb_holm == multipletests(tests, alpha, "holm")[0].sum()
    assert found.js == pytest.approx(jensenshannon(x, y) ** 2, rel=1e-10)
    assert 0 < found.ndb_holm < found.ndb


def test_equal_laws_reject_alpha_of_the_bins_and_hardly_any_after_correction() -> None:
    runs = []
    for seed in range(20):
        train, reference, generated = (RNG([seed, k]).normal(size=(4000, 2)) for k in range(3))
        runs.append(ndb(reference, generated, k_means(train, 50, RNG(seed))))
    share = np.array([run.ndb_share for run in runs])
    assert share.mean() == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 1000))
    assert sum(run.ndb_holm > 0 for run in runs) <= 4  # expected: 1
    js = np.mean([run.js for run in runs])
    assert js == pytest.approx(49 * (2 / 4000) / 8, rel=0.1)


def test_cells_fitted_to_the_reference_itself_reject_equal_laws_in_many_dimensions() -> None:
    # Why the centres come from other points than the reference.
    train, reference, generated = (RNG(k).normal(size=(3000, 400)) for k in range(3))
    centres = k_means(train, 60, RNG(3))
    assert ndb(reference, generated, centres).ndb_share < 0.12
    assert ndb(train, generated, centres).ndb_share > 0.12


def test_a_missing_mode_is_found_and_equal_counts_are_not() -> None:
    real = [100] * 10
    assert ndb(on_a_line(real), on_a_line(real), centres(10)) == NDB(10, 0, 0.0, 0, 0.0)
    found = ndb(on_a_line(real), on_a_line([100] * 9 + [0]), centres(10))
    assert (found.ndb, found.ndb_holm) == (1, 1)


def test_two_samples_in_different_bins_differ_most() -> None:
    # Three bins that neither fills: no evidence.
    found = ndb(on_a_line([50]), on_a_line([0, 70]), centres(5))
    assert found == NDB(5, 2, 0.4, 2, pytest.approx(math.log(2)))


def test_one_bin_holds_everything() -> None:
    assert ndb(on_a_line([50]), on_a_line([70]), centres(1)) == NDB(1, 0, 0.0, 0, 0.0)


def test_a_collapsed_generator_differs_nearly_everywhere() -> None:
    train, reference = RNG(0).normal(size=(4000, 2)), RNG(1).normal(size=(4000, 2))
    found = ndb(reference, np.zeros((4000, 2)), k_means(train, 50, RNG(2)))
    assert found.ndb_holm > 45
    assert found.js > 0.6


@pytest.mark.parametrize("alpha", [0, 1, math.nan])
def test_levels_are_probabilities(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        ndb(on_a_line([5]), on_a_line([5]), centres(1), alpha)


def test_points_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        ndb(np.full((5, 1), np.nan), on_a_line([5]), centres(1))
