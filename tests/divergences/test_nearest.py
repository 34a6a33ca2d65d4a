"""The nearest references, against scikit-learn, exact integers and hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from pipeline.divergences import distances, nearest

RNG = np.random.default_rng


def by_definition(queries: np.ndarray, references: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Every distance from the difference, in float64; a stable sort breaks ties by index."""
    difference = queries[:, None].astype(np.float64) - references[None].astype(np.float64)
    d = np.sqrt((difference**2).sum(-1))
    order = np.argsort(d, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(d, order, axis=1)


def assert_exact(queries: np.ndarray, references: np.ndarray, count: int) -> None:
    index, distance = nearest(queries, references, count)
    wanted_index, wanted_distance = by_definition(queries, references, count)
    assert index.dtype == np.int64
    assert distance.dtype == np.float64
    np.testing.assert_array_equal(distance, wanted_distance)
    np.testing.assert_array_equal(index, wanted_index)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_scikit_learns_brute_force(count: int, dtype: type) -> None:
    queries, references = RNG(0).random((300, 64), dtype), RNG(1).random((1200, 64), dtype)
    index, distance = nearest(queries, references, count)
    oracle = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(references.astype(np.float64))
    wanted_distance, wanted_index = oracle.kneighbors(queries.astype(np.float64))
    np.testing.assert_array_equal(index, wanted_index)
    np.testing.assert_allclose(distance, wanted_distance, rtol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 20),
    m=st.integers(1, 30),
    d=st.integers(1, 4),
    values=st.integers(1, 4),
    count=st.integers(1, 30),
    seed=st.integers(0, 10**6),
)
def test_ties_and_copies_go_to_the_smallest_index(
    n: int, m: int, d: int, values: int, count: int, seed: int
) -> None:
    # Points of a small lattice: most distances are tied, most points repeated.
    points = RNG(seed).integers(0, values, (n + m, d)).astype(np.float64)
    assert_exact(points[:n], points[n:], min(count, m))


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_exact_at_any_offset_and_scale(offset: float, scale: float) -> None:
    # A matrix product of raw vectors would lose every digit here: distances of 1e-9 at an offset of 1e6.
    points = offset + RNG(2).normal(size=(80, 7)) * 10.0 ** RNG(3).uniform(-9, 0, (80, 1))
    points[40:50] = np.nextafter(points[:10], np.inf)
    assert_exact(points[:30] * scale, points[30:] * scale, 5)


def test_exact_with_one_outlier_that_spoils_the_filter() -> None:
    points = RNG(4).normal(size=(200, 5))
    points[150] = 1e12
    assert_exact(points[:50], points[50:], 3)


@pytest.mark.parametrize(("copies", "columns"), [(1, 256), (7, 256), (1, 8192)])
def test_block_sizes_change_nothing(monkeypatch: pytest.MonkeyPatch, copies: int, columns: int) -> None:
    # Of long vectors few columns are taken at once: the nearest then stand in different blocks.
    monkeypatch.setattr(distances, "_COPY", columns)
    queries, references = RNG(5).random((70, 9)), np.tile(RNG(6).random((600, 9)), (copies, 1))
    for squares in (columns, 2**19):
        monkeypatch.setattr(distances, "_SQUARES", squares)
        assert_exact(queries, references, 3)


def test_bytes_and_signed_zeros_are_numbers() -> None:
    assert nearest(np.array([[250]], np.uint8), np.array([[5], [255]], np.uint8))[1][0, 0] == 5
    index, distance = nearest(np.array([[1.0]]), np.array([[0.0], [-0.0], [3.0]]), 3)
    assert index.tolist() == [[0, 1, 2]]
    assert distance.tolist() == [[1.0, 1.0, 2.0]]


def test_a_query_among_the_references_finds_itself() -> None:
    points = RNG(7).random((50, 3), np.float32)
    index, distance = nearest(points, points)
    assert index[:, 0].tolist() == list(range(50))
    assert not distance.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_no_number_is_refused(value: float, which: int) -> None:
    points = [np.zeros((3, 2)), np.zeros((3, 2))]
    points[which][1, 1] = value
    with pytest.raises(ValueError, match="references" if which else "queries"):
        nearest(points[0], points[1])


@pytest.mark.parametrize(
    ("queries", "references", "count"),
    [((3, 2), (3, 3), 1), ((3, 2), (3, 2), 4), ((3, 2), (3, 2), 0), ((3, 2), (0, 2), 1), ((3,), (3,), 1)],
)
def test_what_does_not_fit_is_refused(
    queries: tuple[int, ...], references: tuple[int, ...], count: int
) -> None:
    with pytest.raises(ValueError, match=r"points|dimensions|nearest of"):
        nearest(np.zeros(queries), np.zeros(references), count)
