"""Ten Gaussians of 700 dimensions in 1,200: the law, and the radius of a mode."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from pipeline import datasets
from pipeline.datasets.gaussians import mode_radius
from pipeline.options import EmbeddedGaussians, GaussianGrid, GaussianRing

SMALL = EmbeddedGaussians(name="embedded_gaussians", size=4000)


def test_the_ten_gaussians_are_those_of_the_published_code() -> None:
    data = datasets.load(SMALL, None)
    assert data.train.shape == data.held_out.shape == (4000, 1200)
    assert data.modes is not None
    assert data.train_labels is not None
    # github.com/fjxmlzn/PacGAN, synthetic_data_experiments/PacGAN/pacgan/datasets.py
    numbers = [-1, -0.5, 0, 0.5, -2, -2.5, 10, 0.25, -13, -5.5]
    np.testing.assert_array_equal(data.modes, np.outer(numbers, np.ones(1200)))
    away = data.train - data.modes[data.train_labels]
    np.testing.assert_array_equal(away[:, 700:], 0)
    assert abs(away[:, :700].mean()) < 5 / math.sqrt(4000 * 700)
    assert abs(away[:, :700].var() - 1) < 5 * math.sqrt(2 / (4000 * 700))
    assert stats.kstest(np.square(away).sum(1), stats.chi2(700).cdf).pvalue > 1e-3
    assert stats.chisquare(np.bincount(data.train_labels, minlength=10)).pvalue > 1e-3


def test_every_sample_is_nearest_to_its_own_centre() -> None:
    # The nearest two centres, 0 and 0.25, are 8.66 apart, of which the noise along that line takes 11 times
    # its standard deviation sqrt(700 / 1200).
    data = datasets.load(SMALL, None)
    assert data.modes is not None
    squares = np.square(data.modes).sum(1) - 2 * data.held_out.astype(np.float64) @ data.modes.T
    np.testing.assert_array_equal(squares.argmin(1), data.held_out_labels)


@pytest.mark.parametrize(
    "options", [SMALL, GaussianRing(name="gaussian_ring"), GaussianGrid(name="gaussian_grid")]
)
def test_the_radius_holds_what_three_standard_deviations_hold_in_the_plane(
    options: EmbeddedGaussians | GaussianRing | GaussianGrid,
) -> None:
    data = datasets.load(options, None)
    assert data.modes is not None
    assert data.train_labels is not None
    assert data.mode_radius is not None
    distance = np.linalg.norm(data.train.astype(np.float64) - data.modes[data.train_labels], axis=1)
    share = 1 - math.exp(-4.5)
    assert (distance <= data.mode_radius).mean() == pytest.approx(
        share, abs=5 * math.sqrt(share * (1 - share) / len(distance))
    )


def test_the_radius_is_three_standard_deviations_in_the_plane_only() -> None:
    assert mode_radius(0.01, 2) == pytest.approx(0.03, rel=1e-12)
    assert mode_radius(1.0, 1) == pytest.approx(stats.norm.isf(math.exp(-4.5) / 2), rel=1e-12)
    # VEEGAN's "10 standard deviations" holds nothing of a mode of 700 dimensions.
    assert mode_radius(1.0, 700) == pytest.approx(28.078, abs=1e-3)
    assert stats.chi2.logcdf(100, 700) / math.log(10) == pytest.approx(-167, abs=0.2)


def test_other_sizes_of_the_space() -> None:
    options = EmbeddedGaussians(
        name="embedded_gaussians", dimensions=5, intrinsic=3, modes=2, std=0.1, size=40
    )
    data = datasets.load(options, None)
    assert data.modes is not None
    assert data.modes.tolist() == [[-1] * 5, [-0.5] * 5]
    np.testing.assert_array_equal(np.unique(data.train[:, 3:]), [-1, -0.5])
    larger = datasets.load(options.model_copy(update={"size": 400}), None)
    np.testing.assert_array_equal(larger.train[:40], data.train)


def test_gaussians_larger_than_their_space_are_refused() -> None:
    with pytest.raises(ValidationError, match="intrinsic: 700: must not exceed dimensions, 500"):
        EmbeddedGaussians(name="embedded_gaussians", dimensions=500)


def test_the_published_ring_and_grid_never_move() -> None:
    assert datasets.load(GaussianRing(name="gaussian_ring"), None).fingerprint == "5cec738b317fe482"
    assert datasets.load(GaussianGrid(name="gaussian_grid"), None).fingerprint == "4f2f9d3a8ac0b9ec"
