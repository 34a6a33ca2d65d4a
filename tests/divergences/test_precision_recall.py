"""Precision, recall, density, coverage: closed forms, published runs, scikit-learn and hand-made cases."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from pipeline.divergences import PrecisionRecall, distances, precision_recall

RNG = np.random.default_rng


def expected_coverage(real: int, generated: int, neighbours: int) -> float:
    """E[coverage] of equal laws: one minus the chance that a real point's k nearest points are all real."""
    js = range(1, neighbours + 1)
    return 1 - math.prod((real - j) / (generated + real - j) for j in js)


def from_distances(
    d: np.ndarray, real_radius: np.ndarray, generated_radius: np.ndarray, k: int
) -> PrecisionRecall:
    inside = d <= real_radius[:, None]
    return PrecisionRecall(
        float(inside.any(0).mean()),
        float((d <= generated_radius).any(1).mean()),
        float(inside.sum(0).mean() / k),
        float(inside.any(1).mean()),
    )


def by_scikit_learn(real: np.ndarray, generated: np.ndarray, k: int) -> PrecisionRecall:
    def radii(x: np.ndarray) -> np.ndarray:
        # kneighbors() without an argument leaves each point itself out.
        found: np.ndarray = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x).kneighbors()[0][:, -1]
        return found

    return from_distances(pairwise_distances(real, generated), radii(real), radii(generated), k)


def by_integers(real: np.ndarray, generated: np.ndarray, k: int) -> PrecisionRecall:
    """From squared distances of integer points, which are exact."""

    def squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.square(x[:, None] - y[None]).sum(-1)
        return found

    def radii(x: np.ndarray) -> np.ndarray:
        return np.sort(squares(x, x), axis=1)[:, k]

    return from_distances(squares(real, generated), radii(real), radii(generated), k)


# --- against oracles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("n", "m", "d"), [(300, 500, 2), (500, 300, 16), (200, 200, 64)])
def test_agrees_with_scikit_learn(n: int, m: int, d: int, k: int) -> None:
    real, generated = RNG(n).normal(size=(n, d)), 0.8 * RNG(m).normal(size=(m, d)) + 0.1
    found = precision_recall(real, generated, k)
    assert found == pytest.approx(by_scikit_learn(real, generated, k), abs=1e-12)
    assert 0 < found.precision < 1 or d == 64


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(4, 40),
    m=st.integers(4, 40),
    d=st.integers(1, 4),
    values=st.integers(1, 5),
    k=st.integers(1, 3),
    seed=st.integers(0, 10**6),
)
def test_ties_copies_and_radius_zero_are_exact(
    n: int, m: int, d: int, values: int, k: int, seed: int
) -> None:
    # Points of a small lattice: a distance often equals a radius, and both are often 0.
    points = RNG(seed).integers(0, values, (n + m, d))
    assert precision_recall(points[:n], points[n:], k) == by_integers(points[:n], points[n:], k)


@pytest.mark.parametrize(("n", "m", "k"), [(400, 400, 5), (400, 400, 3), (300, 600, 5), (600, 200, 3)])
def test_equal_laws_have_the_coverage_of_the_closed_form_and_density_one(n: int, m: int, k: int) -> None:
    runs = [
        precision_recall(RNG(2 * s).normal(size=(n, 2)), RNG(2 * s + 1).normal(size=(m, 2)), k)
        for s in range(40)
    ]
    coverage = np.array([run.coverage for run in runs])
    density = np.array([run.density for run in runs])
    assert abs(coverage.mean() - expected_coverage(n, m, k)) < 4 * coverage.std() / np.sqrt(40)
    assert abs(density.mean() - 1) < 4 * density.std() / np.sqrt(40)


def test_the_closed_form_gives_the_published_values() -> None:
    assert expected_coverage(10_000, 10_000, 5) == pytest.approx(0.968773, abs=1e-6)
    assert expected_coverage(10_000, 10_000, 3) == pytest.approx(0.875038, abs=1e-6)


@pytest.mark.soak
def test_the_run_printed_by_the_authors_of_density_and_coverage() -> None:
    # Their README: two samples of 10,000 from N(0, I_1000), k = 5. Over six draws of ours the four have
    # standard deviations of .012, .008, .09 and .007 (a few points near the centre lie in very many balls);
    # the bounds are about three of the difference of two draws.
    real, generated = (RNG(seed).standard_normal((10_000, 1000), np.float32) for seed in (1, 2))
    found = precision_recall(real, generated, 5)
    assert found.precision == pytest.approx(0.4772, abs=0.05)
    assert found.recall == pytest.approx(0.4705, abs=0.035)
    assert found.density == pytest.approx(1.0555, abs=0.38)
    assert found.coverage == pytest.approx(0.9735, abs=0.03)


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("n", "m", "d"), [(400, 300, 8), (250, 250, 100)])
def test_agrees_with_the_package_of_the_authors_of_density_and_coverage(
    n: int, m: int, d: int, k: int
) -> None:
    # Its balls are open, ours closed: the same where no distance is tied with a radius.
    prdc = importlib.import_module("prdc")
    real, generated = RNG(n).normal(size=(n, d)), 0.95 * RNG(m + 1).normal(size=(m, d)) + 0.02
    wanted = prdc.compute_prdc(real_features=real, fake_features=generated, nearest_k=k)
    assert precision_recall(real, generated, k)._asdict() == pytest.approx(wanted, abs=1e-12)


# --- by hand ------------------------------------------------------------------------------------------------


def test_a_line_of_five_and_four() -> None:
    # Radii at k = 1: real 1, 1, 1, 1, 7; generated 2, 2, 0, 0.
    real = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])
    generated = np.array([[0.5], [2.5], [20.0], [20.0]])
    found = precision_recall(real, generated, 1)
    assert found.precision == 0.5  # 0.5 and 2.5
    assert found.recall == 0.8  # all but 10
    assert found.density == (2 + 2 + 0 + 0) / 4  # 0.5 lies in the balls of 0 and 1, 2.5 in those of 2 and 3
    assert found.coverage == 0.8


def test_disjoint_clouds_share_nothing() -> None:
    real, generated = RNG(0).normal(size=(100, 8)), RNG(1).normal(size=(80, 8)) + 1000
    assert precision_recall(real, generated, 3) == (0, 0, 0, 0)


def test_a_sample_covers_itself() -> None:
    points = RNG(0).normal(size=(100, 8))
    found = precision_recall(points, points, 3)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    # Each of n closed balls holds its centre and k neighbours.
    assert found.density == pytest.approx(4 / 3, abs=1e-12)


def test_a_generator_of_one_real_image_is_precise_and_recalls_only_that() -> None:
    real = RNG(0).normal(size=(100, 8))
    found = precision_recall(real, np.repeat(real[:1], 50, 0), 3)
    assert found.precision == 1
    assert found.recall == 0.01  # balls of radius 0 hold their own centre: open balls would say 0
    assert found.coverage < 0.3


def test_constant_samples_are_defined() -> None:
    same, other = np.ones((10, 3)), np.zeros((10, 3))
    assert precision_recall(same, same, 3) == (1, 1, 10 / 3, 1)
    assert precision_recall(same, other, 3) == (0, 0, 0, 0)


# --- properties ---------------------------------------------------------------------------------------------


def test_swapping_the_samples_swaps_precision_and_recall() -> None:
    real, generated = RNG(0).normal(size=(150, 4)), RNG(1).normal(size=(130, 4)) * 1.3
    there, back = precision_recall(real, generated, 3), precision_recall(generated, real, 3)
    assert (there.precision, there.recall) == (back.recall, back.precision)


@pytest.mark.parametrize("elements", [256, 3000])
def test_block_sizes_and_order_change_nothing(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    real, generated = RNG(0).integers(0, 6, (700, 5)) + 0.1, RNG(1).integers(0, 6, (600, 5)) + 0.1
    before = precision_recall(real, generated, 5)
    monkeypatch.setattr(distances, "_COPY", elements)
    monkeypatch.setattr(distances, "_SQUARES", elements)
    assert precision_recall(real, generated, 5) == before
    assert precision_recall(RNG(2).permutation(real), RNG(3).permutation(generated), 5) == before


def test_an_offset_changes_nothing() -> None:
    # Sums with a power of two and few bits are exact, so every distance is the same.
    real, generated = RNG(0).integers(0, 64, (200, 6)) / 8, RNG(1).integers(0, 64, (200, 6)) / 8
    assert precision_recall(real, generated, 3) == precision_recall(real + 2.0**30, generated + 2.0**30, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_no_number_is_refused(value: float, which: int) -> None:
    samples = [np.zeros((9, 2)), np.zeros((9, 2))]
    samples[which][1, 1] = value
    with pytest.raises(ValueError, match="generated: .* NaN" if which else "real: .* NaN"):
        precision_recall(samples[0], samples[1], 3)


@pytest.mark.parametrize(("n", "m", "k"), [(3, 9, 3), (9, 3, 3), (9, 9, 0)])
def test_too_few_points_are_refused(n: int, m: int, k: int) -> None:
    with pytest.raises(ValueError, match=f"balls to neighbour {k} .* {n} real and {m} generated"):
        precision_recall(np.zeros((n, 2)), np.zeros((m, 2)), k)
