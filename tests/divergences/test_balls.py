"""Balls and who lies in them, point by point: scipy, exact integers, and the means in precision and recall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from pipeline.divergences import distances, in_balls, memberships, precise, precision_recall, radii

RNG = np.random.default_rng


def test_radii_agree_with_scipy() -> None:
    x = RNG(0).normal(size=(120, 6))
    np.testing.assert_allclose(radii(x, 4), np.sort(cdist(x, x), axis=1)[:, 4], rtol=1e-12)
    assert not radii(np.repeat(x, 3, axis=0), 2).any()


@pytest.mark.parametrize(("n", "m"), [(200, 300), (300, 1), (5, 900)])
def test_precise_points_lie_in_a_real_ball(n: int, m: int) -> None:
    real, generated = RNG(n).normal(size=(n, 5)), 1.5 * RNG(m).normal(size=(m, 5))
    wanted = (cdist(real, generated) <= np.sort(cdist(real, real), axis=1)[:, [3]]).any(0)
    np.testing.assert_array_equal(precise(real, generated, 3), wanted)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(4, 30), m=st.integers(1, 30), values=st.integers(1, 5), seed=st.integers(0, 10**6))
def test_ties_with_the_radius_are_inside(n: int, m: int, values: int, seed: int) -> None:
    points = RNG(seed).integers(0, values, (n + m, 2))
    real, generated = points[:n], points[n:]

    def squares(x: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.square(real[:, None] - x[None]).sum(-1)
        return found

    wanted = (squares(generated) <= np.sort(squares(real), axis=1)[:, [3]]).any(0)
    np.testing.assert_array_equal(precise(real, generated, 3), wanted)


def test_precision_and_recall_are_means_over_the_points() -> None:
    real, generated = RNG(0).normal(size=(300, 4)), 1.4 * RNG(1).normal(size=(200, 4))
    points, means = memberships(real, generated, 5), precision_recall(real, generated, 5)
    np.testing.assert_array_equal(points.real_balls > 0, precise(real, generated, 5))
    np.testing.assert_array_equal(points.recalled, precise(generated, real, 5))
    assert points.real_balls.mean() / 5 == means.density
    assert points.covered.mean() == means.coverage
    assert 0 < means.precision == precise(real, generated, 5).mean() < 1


@pytest.mark.parametrize("elements", [256, 3000])
def test_block_sizes_change_nothing(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    real, generated = RNG(0).integers(0, 6, (700, 5)) + 0.1, RNG(1).integers(0, 9, (600, 5)) + 0.1
    before = precise(real, generated, 2)
    monkeypatch.setattr(distances, "_COPY", elements)
    monkeypatch.setattr(distances, "_SQUARES", elements)
    np.testing.assert_array_equal(precise(real, generated, 2), before)
    assert 0 < before.mean() < 1


def test_a_ball_of_radius_zero_holds_its_centre_only() -> None:
    centres = np.array([[0.0, 0.0], [3.0, 40.0]])
    points = np.array([[0.0, 0.0], [1e-150, 0.0], [6.0, 44.0], [3.0, np.nextafter(45.0, 46)]])
    assert in_balls(points, centres, np.array([0.0, 5.0])).tolist() == [True, False, True, False]


def test_bad_input_is_one_clear_error() -> None:
    x = np.zeros((5, 2))
    with pytest.raises(ValueError, match="balls to neighbour 5 need more real points than that, not 5"):
        precise(x, x, 5)
    with pytest.raises(ValueError, match="5 centres need as many radii"):
        in_balls(x, x, np.zeros(4))
    with pytest.raises(ValueError, match="points: points of 2 dimensions, centres: of 3"):
        in_balls(x, np.zeros((5, 3)), np.zeros(5))
