"""Mode coverage against the papers' numbers, the published counting, closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pipeline import datasets
from pipeline.divergences import ModeCoverage, coverage, coverage_of_labels, expected_coverage
from pipeline.options import EmbeddedGaussians, GaussianGrid, GaussianRing

RNG = np.random.default_rng
RING, GRID = GaussianRing(name="gaussian_ring"), GaussianGrid(name="gaussian_grid")
HIGH = EmbeddedGaussians(name="embedded_gaussians", size=2500)


def on_grid(points: np.ndarray) -> ModeCoverage:
    data = datasets.load(GRID.model_copy(update={"size": 1}), None)
    assert data.modes is not None
    assert data.mode_radius is not None
    return coverage(points, data.modes, data.mode_radius)


def as_pacgan_counts(samples: np.ndarray, centres: np.ndarray, std: float, threshold: float) -> ModeCoverage:
    """The loops of PacGAN's `MetricLogger`, with the two KL divergences by scipy."""
    good, every = np.zeros(len(centres)), np.zeros(len(centres))
    for sample in samples:
        distances = [math.dist(sample, centre) / std for centre in centres]
        mode = min(range(len(centres)), key=distances.__getitem__)
        every[mode] += 1
        good[mode] += distances[mode] < threshold
    equal = np.full(len(centres), 1 / len(centres))
    return ModeCoverage(
        int((good > 0).sum()),
        good.sum() / len(samples),
        stats.entropy(good, equal),
        stats.entropy(every, equal),
    )


@pytest.mark.parametrize("seed", range(3))
def test_counts_as_the_published_code_does(seed: int) -> None:
    rng = RNG(seed)
    centres = rng.normal(size=(12, 3))
    samples = centres[rng.integers(5, size=400)] + 0.1 * rng.normal(size=(400, 3))
    assert coverage(samples, centres, 0.2) == pytest.approx(as_pacgan_counts(samples, centres, 0.1, 2.0))


def test_by_hand() -> None:
    centres = np.array([[0.0, 0], [10, 0], [20, 0], [30, 0]])
    samples = np.array([[0.0, 1], [1, 0], [0, -1], [10, 0.5], [14, 0], [20, 5]])
    found = coverage(samples, centres, 1.0)
    # Shares of the good: 3/4, 1/4; of all: 3/6, 2/6, 1/6.
    assert found == pytest.approx(
        (
            2,
            4 / 6,
            math.log(4) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25),
            math.log(4) + math.log(1 / 2) / 2 + math.log(1 / 3) / 3 + math.log(1 / 6) / 6,
        )
    )


@pytest.mark.parametrize(("options", "modes"), [(RING, 8), (GRID, 25), (HIGH, 10)])
def test_true_samples_cover_every_mode_up_to_the_ceiling(
    options: GaussianRing | GaussianGrid | EmbeddedGaussians, modes: int
) -> None:
    data = datasets.load(options, None)
    assert data.modes is not None
    assert data.mode_radius is not None
    found = coverage(data.held_out, data.modes, data.mode_radius)
    n = len(data.held_out)
    assert found.modes == modes
    # 98.889 %, in the plane the share within 3 standard deviations.
    assert found.high_quality == pytest.approx(0.98889, abs=5 * math.sqrt(0.98889 * 0.01111 / n))
    # 2 n KL is chi-square with K - 1 degrees of freedom where all modes are equally likely.
    assert 1e-3 < stats.chi2.sf(2 * n * found.kl_uniform, modes - 1) < 1 - 1e-3
    assert 1e-3 < stats.chi2.sf(2 * n * found.high_quality * found.reverse_kl, modes - 1) < 1 - 1e-3


def test_ten_standard_deviations_find_no_true_sample_of_700_dimensions() -> None:
    data = datasets.load(HIGH, None)
    assert data.modes is not None
    found = coverage(data.held_out, data.modes, 10.0)
    assert (found.modes, found.high_quality) == (0, 0.0)
    assert math.isnan(found.reverse_kl)
    assert found.kl_uniform < 0.02


def test_one_point_is_one_mode_of_the_best_quality() -> None:
    found = on_grid(np.full((2500, 2), 2.0))
    assert found == pytest.approx((1, 1.0, math.log(25), math.log(25)))


def test_noise_reaches_every_mode_by_chance_and_its_quality_tells() -> None:
    found = on_grid(RNG(0).uniform(-5, 5, (20_000, 2)))
    assert found.modes == 25
    share = 25 * math.pi * 0.15**2 / 100
    assert found.high_quality == pytest.approx(share, abs=5 * math.sqrt(share / 20_000))
    assert found.kl_uniform < 0.01


def test_nothing_near_any_mode() -> None:
    found = on_grid(np.full((10, 2), 3.0))
    assert (found.modes, found.high_quality) == (0, 0.0)
    assert math.isnan(found.reverse_kl)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan])
def test_radii_are_positive(radius: float) -> None:
    with pytest.raises(ValueError, match="a radius is positive"):
        coverage(np.zeros((3, 2)), np.zeros((1, 2)), radius)


def test_points_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        coverage(np.full((3, 2), np.nan), np.zeros((1, 2)), 1.0)


# --- labels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_labels_agree_with_scipy(seed: int) -> None:
    labels = RNG(seed).zipf(1.5, 3000) % 1000
    counts = np.bincount(labels, minlength=1000)
    found = coverage_of_labels(labels, 1000)
    assert found.modes == len(set(labels.tolist()))
    assert found.kl_uniform == pytest.approx(stats.entropy(counts, np.full(1000, 1e-3)), rel=1e-12)


@pytest.mark.parametrize(("modes", "least"), [(99, 2.313), (16, 4.135), (150, 1.897), (1000, 0.0)])
def test_equal_shares_of_some_modes_have_the_least_divergence(modes: int, least: float) -> None:
    # log(1000 / modes): no published pair of modes and KL on stacked MNIST lies below.
    even = coverage_of_labels(np.repeat(np.arange(modes), 7), 1000)
    assert even == pytest.approx((modes, least), abs=5e-4)
    uneven = coverage_of_labels(np.append(np.repeat(np.arange(modes), 7), 0), 1000)
    assert uneven.modes == modes
    assert uneven.kl_uniform > even.kl_uniform


@pytest.mark.parametrize(
    ("samples", "modes", "kl"), [(26_000, 1000, 0.0193), (25_600, 1000, 0.0196), (2500, 918, 0.223)]
)
def test_what_a_perfect_generator_of_stacked_mnist_gets(samples: int, modes: int, kl: float) -> None:
    expected = expected_coverage(samples, 1000)
    assert expected.modes == pytest.approx(modes, abs=0.5)
    assert expected.kl_uniform == pytest.approx(kl, abs=1e-4)
    runs = np.array([coverage_of_labels(RNG(k).integers(1000, size=samples), 1000) for k in range(60)])
    error = runs.std(0, ddof=1) / math.sqrt(60)
    assert (abs(runs.mean(0) - expected) <= 4 * error + 1e-6).all()


def test_the_floor_is_that_of_the_chi_square_law_where_samples_are_many() -> None:
    assert expected_coverage(10**6, 1000).kl_uniform == pytest.approx(999 / 2e6, rel=1e-3)
    assert expected_coverage(1, 8) == pytest.approx((1, math.log(8)))
    assert expected_coverage(5, 1) == pytest.approx((1, 0))


@pytest.mark.parametrize(
    "labels",
    [np.zeros(0, int), np.zeros((3, 2), int), np.zeros(3), np.array([0, 10]), np.array([-1, 3])],
)
def test_labels_that_are_none(labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"takes \(n,\) integers|labels lie in 0..9"):
        coverage_of_labels(labels, 10)
