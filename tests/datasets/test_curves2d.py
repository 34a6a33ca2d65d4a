"""The circle and the Swiss roll against their closed forms and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_swiss_roll

from pipeline import datasets
from pipeline.options import Circle, SwissRoll

CIRCLE = Circle(name="circle", size=20_000)
ROLL = SwissRoll(name="swiss_roll", size=20_000)


def polar(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radii, and angles in [0, 2 pi)."""
    x, y = points.astype(np.float64).T
    return np.hypot(x, y), np.arctan2(y, x) % (2 * math.pi)


@pytest.mark.parametrize("radius", [1.0, 2.5])
def test_points_of_the_circle_lie_on_it_and_are_uniform_along_it(radius: float) -> None:
    data = datasets.load(CIRCLE.model_copy(update={"radius": radius}), None)
    for points, count in ((data.train, 20_000), (data.held_out, 10_000)):
        assert points.shape == (count, 2)
        radii, angles = polar(points)
        np.testing.assert_allclose(radii, radius, rtol=2e-7)
        assert stats.kstest(angles / (2 * math.pi), "uniform").pvalue > 1e-3


def test_noise_about_the_circle_is_gaussian() -> None:
    data = datasets.load(CIRCLE.model_copy(update={"noise": 0.3}), None)
    radii, _ = polar(data.train)
    # |R u + s N(0, I)| / s is Rice-distributed with parameter R / s.
    assert stats.kstest(radii / 0.3, stats.rice(1 / 0.3).cdf).pvalue > 1e-3


def test_the_roll_without_noise_is_the_spiral_r_equals_t() -> None:
    data = datasets.load(ROLL.model_copy(update={"noise": 0.0}), None)
    radii, angles = polar(data.train)
    t = 7.5 * radii
    assert stats.kstest(t, stats.uniform(1.5 * math.pi, 3 * math.pi).cdf).pvalue > 1e-3
    turn = (t - angles + math.pi) % (2 * math.pi) - math.pi
    np.testing.assert_allclose(turn, 0, atol=1e-5)


def test_the_roll_is_scikit_learns_as_gulrajani_scaled_it() -> None:
    ours = datasets.load(ROLL, None).train.astype(np.float64)
    theirs = make_swiss_roll(20_000, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5
    rng = np.random.default_rng(0)
    for direction in rng.normal(size=(5, 2)):
        assert stats.ks_2samp(ours @ direction, theirs @ direction).pvalue > 1e-3
    assert stats.ks_2samp(polar(ours)[0], polar(theirs)[0]).pvalue > 1e-3


def test_noise_about_the_roll_is_that_of_the_options() -> None:
    radii, angles = polar(datasets.load(ROLL, None).train)
    away = (7.5 * radii - angles + math.pi) % (2 * math.pi) - math.pi
    # Radius less angle: N(0, noise^2) along the radius and, to first order, N(0, noise^2 / t^2) across it;
    # the mean of 1 / t^2 over [a, b] is 1 / (a b).
    expected = 0.25 * math.sqrt(1 + 1 / (1.5 * 4.5 * math.pi**2))
    assert away.std() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("options", [CIRCLE, ROLL])
def test_a_larger_curve_begins_with_the_smaller_and_held_out_points_are_others(
    options: Circle | SwissRoll,
) -> None:
    small, large = (datasets.load(options.model_copy(update={"size": n}), None) for n in (50, 500))
    np.testing.assert_array_equal(large.train[:50], small.train)
    assert len(small.held_out) == 50
    assert not {p.tobytes() for p in large.train} & {p.tobytes() for p in large.held_out}
    noisier = datasets.load(options.model_copy(update={"size": 50, "noise": 0.5}), None)
    assert not np.allclose(polar(noisier.train)[1], polar(small.train)[1], atol=0.5)
