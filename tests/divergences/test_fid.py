"""FID against torch-fidelity, scipy's matrix root and closed forms."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from pipeline.divergences import fid

RNG = np.random.default_rng


def correlated(seed: int, n: int, d: int) -> np.ndarray:
    rng = RNG(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def whitened(seed: int, n: int, d: int) -> np.ndarray:
    """(n, d) points of mean exactly 0 and covariance exactly I, up to rounding."""
    x = RNG(seed).normal(size=(n, d))
    return np.linalg.qr(x - x.mean(0))[0] * np.sqrt(n - 1)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 300, 10), (500, 200, 64)])
def test_agrees_with_torch_fidelity(torch_fidelity: SimpleNamespace, n: int, m: int, d: int) -> None:
    x, y = correlated(n, n, d), correlated(m, m, d)
    statistics = [torch_fidelity.fid.fid_features_to_statistics(torch.from_numpy(z)) for z in (x, y)]
    wanted = torch_fidelity.fid.fid_statistics_to_metric(*statistics, verbose=False)
    assert fid(x, y) == pytest.approx(wanted[torch_fidelity.fid.KEY_METRIC_FID], rel=1e-9)


def test_agrees_with_scipys_matrix_root() -> None:
    x, y = correlated(0, 300, 12), correlated(1, 150, 12)
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    wanted = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert fid(x, y) == pytest.approx(wanted, rel=1e-10)


def test_the_closed_form_of_diagonal_gaussians() -> None:
    mean, sd_x, sd_y = RNG(0).normal(size=9), RNG(1).random(9), RNG(2).random(9)
    sd_x[3] = sd_y[4] = 0
    x, y = whitened(3, 400, 9) * sd_x, whitened(4, 77, 9) * sd_y + mean
    assert fid(x, y) == pytest.approx(np.square(mean).sum() + np.square(sd_x - sd_y).sum(), rel=1e-12)


@pytest.mark.parametrize("d", [1, 2, 50])
def test_two_points_a_set_have_covariances_of_rank_one(d: int) -> None:
    # S = u u^T and v v^T: tr (S_x S_y)^(1/2) = |<u, v>|.
    x, y = RNG(0).normal(size=(2, d)), RNG(1).normal(size=(2, d))
    u, v = (x[0] - x[1]) / np.sqrt(2), (y[0] - y[1]) / np.sqrt(2)
    wanted = np.square(x.mean(0) - y.mean(0)).sum() + u @ u + v @ v - 2 * abs(u @ v)
    assert fid(x, y) == pytest.approx(wanted, rel=1e-12)


def test_fewer_points_than_dimensions_as_in_the_space_they_span() -> None:
    # Rank-deficient covariances leave torch-fidelity's and scipy's roots with errors of 1e-8 and more.
    basis = np.linalg.qr(RNG(0).normal(size=(300, 20)))[0]
    x, y = correlated(1, 60, 20), correlated(2, 80, 20)
    assert fid(x @ basis.T, y @ basis.T) == pytest.approx(fid(x, y), rel=1e-11)


@pytest.mark.parametrize(("n", "d"), [(2, 5), (40, 200), (200, 40)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1000])
def test_a_set_is_at_distance_zero_from_itself(n: int, d: int, dtype: type, offset: float) -> None:
    x = (correlated(n, n, d) + offset).astype(dtype)
    trace = x.astype(np.float64).var(0, ddof=1).sum()
    assert 0 <= fid(x, x) < 1e-13 * trace
    assert 0 <= fid(x, RNG(0).permutation(x)) < 1e-13 * trace


def test_constant_sets_differ_by_their_means() -> None:
    assert fid(np.zeros((5, 3)), np.full((7, 3), 2.0)) == 12


def test_a_collapsed_generator_keeps_the_variance_of_the_real() -> None:
    x = whitened(0, 100, 6)
    assert fid(x, np.zeros((50, 6))) == pytest.approx(6, rel=1e-12)


def test_the_bias_halves_as_the_samples_double() -> None:
    def mean_fid(n: int) -> float:
        return float(
            np.mean(
                [
                    fid(RNG([n, s, 0]).normal(size=(n, 4)), RNG([n, s, 1]).normal(size=(n, 4)))
                    for s in range(300)
                ]
            )
        )

    # 300 repeats: each mean has a standard error of about 3 %.
    assert mean_fid(100) / mean_fid(200) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 2)), np.zeros((9, 2)), "at least 2 points in each set, not 1 real and 9 generated"),
        (np.zeros((9, 2)), np.zeros((9, 3)), "real: points of 2 dimensions, generated: of 3"),
        (np.full((9, 2), np.inf), np.zeros((9, 2)), "real: .* infinity"),
        (np.zeros(9), np.zeros((9, 2)), r"real: \(n, d\) points"),
    ],
)
def test_bad_input_is_one_clear_error(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fid(x, y)
