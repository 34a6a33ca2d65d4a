"""KID against torch-fidelity, scikit-learn's kernel, the closed form of a Gaussian, and simulations."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from pipeline.divergences import KID, kid

RNG = np.random.default_rng


def from_matrices(xx: np.ndarray, yy: np.ndarray, xy: np.ndarray) -> float:
    n, m = xy.shape
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


def by_scikit_learn(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        found: np.ndarray = polynomial_kernel(a, b, degree=3, gamma=1 / a.shape[1], coef0=1)
        return found

    return from_matrices(k(x, x), k(y, y), k(x, y))


def gaussian_kid(mean: float, variance: float) -> float:
    """KID of N(0, 1) and N(mean, variance): the cubic kernel compares the first three moments, binomially."""
    return 3 * mean**2 + 3 * (mean**2 + variance - 1) ** 2 + (mean**3 + 3 * mean * variance) ** 2


def repeated(mean: float, sd: float, n: int, m: int, repeats: int, d: int = 1) -> list[KID]:
    return [
        kid(RNG([s, 0]).normal(size=(n, d)), RNG([s, 1]).normal(mean, sd, (m, d))) for s in range(repeats)
    ]


# --- the estimate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [3, 64])
def test_agrees_with_torch_fidelity_on_one_subset_of_everything(
    torch_fidelity: SimpleNamespace, d: int
) -> None:
    # More than one block of rows.
    x, y = RNG(0).normal(size=(700, d)), RNG(1).normal(0.1, 1.2, (700, d))
    wanted = torch_fidelity.kid.kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=700, verbose=False
    )
    assert kid(x, y).kid == pytest.approx(wanted[torch_fidelity.kid.KEY_METRIC_KID_MEAN], rel=1e-10)


@pytest.mark.parametrize(("n", "m", "d"), [(4, 9, 2), (300, 1100, 16), (513, 5, 7)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_scikit_learns_kernel(n: int, m: int, d: int, dtype: type) -> None:
    x, y = RNG(n).normal(size=(n, d)).astype(dtype), RNG(m).gamma(1.0, size=(m, d)).astype(dtype)
    assert kid(x, y).kid == pytest.approx(by_scikit_learn(x.astype(float), y.astype(float)), rel=1e-9)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.5, 1.0), (0.0, 1.5), (1.0, 0.7)])
def test_without_bias(mean: float, sd: float) -> None:
    found = np.array([run.kid for run in repeated(mean, sd, 20, 30, 2000)])
    assert abs(found.mean() - gaussian_kid(mean, sd**2)) < 4 * found.std() / np.sqrt(2000)


def test_far_from_the_origin_no_digit_is_lost_to_the_kernels_size() -> None:
    # Kernel values of 1e9 and a KID of a few: sums of the values themselves would leave six digits.
    x, y = 1e3 + RNG(0).normal(size=(200, 3)), 1e3 + RNG(1).normal(size=(200, 3))
    a, b = x.astype(np.longdouble), y.astype(np.longdouble)
    exact = from_matrices(*((p @ q.T / 3 + 1) ** 3 for p, q in ((a, a), (b, b), (a, b))))
    found = kid(x, y)
    assert found.kid == pytest.approx(exact, rel=1e-3 * abs(found.standard_error / exact))


def test_a_sample_with_itself_is_below_zero_and_a_collapsed_one_far_above() -> None:
    x = RNG(0).normal(size=(100, 8))
    assert kid(x, x).kid == pytest.approx(by_scikit_learn(x, x))
    assert kid(x, x).kid < 0
    collapsed = kid(x, np.repeat(x[:1], 100, axis=0))
    assert collapsed.kid > 10 * collapsed.standard_error


def test_points_all_alike_are_at_distance_zero_without_error() -> None:
    same = np.full((6, 4), 0.3)
    assert kid(same, same) == pytest.approx((0, 0), abs=1e-12)


# --- its standard error -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "sd", "n", "m"), [(1.0, 1.0, 100, 100), (0.5, 0.5, 60, 150)])
def test_the_error_of_different_laws_is_the_spread_of_repeats(mean: float, sd: float, n: int, m: int) -> None:
    found = np.array(repeated(mean, sd, n, m, 1500))
    # The ratio of variances has a standard deviation of about .06 (moments of up to the twelfth order).
    assert np.square(found[:, 1]).mean() / found[:, 0].var() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(("n", "m", "d"), [(50, 50, 1), (40, 120, 1), (60, 60, 16)])
def test_the_error_of_equal_laws_is_at_most_half_too_large(n: int, m: int, d: int) -> None:
    found = np.array(repeated(0.0, 1.0, n, m, 1000, d))
    ratio = np.sqrt(np.square(found[:, 1]).mean() / found[:, 0].var())
    assert 0.95 < ratio < 1.5


def test_intervals_cover() -> None:
    # Points 0 and 1: all moments are the share of ones, so KID is 7 (p - q)^2.
    found = np.array(
        [
            kid(*(RNG([s, k]).random((n, 1)) < p for k, n, p in ((0, 200, 0.3), (1, 300, 0.7))))
            for s in range(800)
        ]
    )
    covered = np.abs(found[:, 0] - 7 * 0.4**2) < 1.96 * found[:, 1]
    assert 0.92 < covered.mean() < 0.98


# --- properties and bad input -------------------------------------------------------------------------------


def test_order_sides_and_block_size_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG(0).normal(size=(90, 5)), RNG(1).normal(0.5, 1, (130, 5))
    before = kid(x, y)
    assert kid(y, x) == pytest.approx(before, rel=1e-11)
    assert kid(RNG(2).permutation(x), RNG(3).permutation(y)) == pytest.approx(before, rel=1e-11)
    monkeypatch.setattr(import_module("pipeline.divergences.kid"), "_ROWS", 7)
    assert kid(x, y) == pytest.approx(before, rel=1e-11)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros((9, 2)), "at least 4 points in each set, not 3 real and 9 generated"),
        (np.zeros((9, 2)), np.zeros((9, 3)), "real: points of 2 dimensions, generated: of 3"),
        (np.zeros((9, 2)), np.full((9, 2), np.nan), "generated: .* NaN"),
        (np.zeros((9, 2)), RNG(0).normal(size=(9, 2)) * 1e40, "powers overflow"),
    ],
)
def test_bad_input_is_one_clear_error(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kid(x, y)
