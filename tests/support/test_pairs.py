"""The pair search against float64 brute force: exactly equal, whatever the data, block size and thread count."""

from __future__ import annotations

from collections.abc import Callable

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import NearestNeighbors

from pipeline.support import PairSearch, search_pairs
from pipeline.support.blocks import CpuBlocks, TorchBlocks, float_products
from pipeline.support.pairs import direct, join, search_tile, tiles
from pipeline.support.quantized import quantize

RNG = np.random.default_rng(0)


def brute_force(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second = np.triu_indices(len(x), 1)
    return first, second, direct(x.astype(np.float32), first, second)


def check(x: np.ndarray, tau: float, block: int, closest: int = 20) -> PairSearch:
    found = search_pairs(x, [tau], closest=closest, block=block)
    first, second, distance = brute_force(x)
    near = distance <= tau
    (counts,) = found.near
    assert counts.collisions == near.sum()
    degrees = np.bincount(first[near], minlength=len(x)) + np.bincount(second[near], minlength=len(x))
    np.testing.assert_array_equal(counts.degrees, degrees)
    order = np.lexsort((second, first, distance))[:closest]
    for got, all_pairs in zip(found.closest, (first, second, distance), strict=True):
        np.testing.assert_array_equal(got, all_pairs[order])
    check_histogram(found, distance)
    return found


def check_histogram(found: PairSearch, distance: np.ndarray) -> None:
    h = found.histogram
    assert h.counts.sum() == len(distance)
    assert (h.high[:-1] <= h.low[1:]).all()
    below = np.cumsum(h.counts)
    for low, high, count, up_to in zip(h.low, h.high, h.counts, below, strict=True):
        if high <= h.exact_below:
            assert count == ((distance >= low) & (distance < high)).sum()
        # Elsewhere no distance was counted more than `resolution` away.
        slack = h.resolution * (1 + 1e-9)
        assert (distance < low - slack).sum() <= up_to - count
        assert (distance < high + slack).sum() >= up_to


CASES: dict[str, tuple[Callable[[], np.ndarray], float]] = {
    "gaussian": (lambda: RNG.normal(size=(300, 40)), 6.0),
    "ties": (lambda: RNG.integers(0, 4, size=(300, 5)).astype(float), 1.0),
    "exact duplicates": (lambda: RNG.integers(0, 3, size=(300, 4)).astype(float), 0.0),
    "large offset": (lambda: RNG.normal(size=(300, 3)) * 1e-3 + 1e4, 1e-3),
    "tiny magnitude": (lambda: RNG.normal(size=(200, 8)) * 1e-20, 2e-20),
    "huge magnitude": (lambda: RNG.normal(size=(200, 8)) * 1e15, 2e15),
    "tight clusters": (
        lambda: np.repeat(RNG.normal(size=(10, 30)), 25, 0) + RNG.normal(size=(250, 30)) * 1e-6,
        1e-5,
    ),
    "heavy tails": (lambda: RNG.standard_cauchy(size=(250, 6)), 1.0),
    "all the same": (lambda: np.full((60, 3), 0.7), 0.0),
    "one column": (lambda: RNG.normal(size=(250, 1)), 1e-3),
    "two samples": (lambda: RNG.normal(size=(2, 5)), 10.0),
}


@pytest.mark.parametrize("block", [7, 64, 1024])
@pytest.mark.parametrize("case", CASES)
def test_equals_brute_force(case: str, block: int) -> None:
    make, tau = CASES[case]
    check(make(), tau, block)


@pytest.mark.parametrize("block", [33, 500])
def test_equals_brute_force_where_eight_bits_do_not_suffice(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.support.pairs.DIRECT", 0)  # every block goes through the finer filter
    for make, tau in CASES.values():
        check(make(), tau, block)


@pytest.mark.parametrize("closest", [0, 1, 7, 10**6])
def test_as_many_closest_pairs_as_wanted(closest: int) -> None:
    x = RNG.integers(0, 5, size=(80, 3)).astype(float)
    found = search_pairs(x, closest=closest, block=32)
    first, second, distance = brute_force(x)
    order = np.lexsort((second, first, distance))[:closest]
    np.testing.assert_array_equal(found.closest.first, first[order])
    np.testing.assert_array_equal(found.closest.second, second[order])
    assert found.near == ()
    check_histogram(found, distance)


def test_the_closest_pair_may_come_first() -> None:
    # The heap of the original code keeps one entry in this case, and then fails.
    x = np.concatenate([[[0.0], [1e-6]], np.arange(1, 60)[:, None] ** 1.5])
    found = search_pairs(x, closest=20)
    assert len(found.closest.first) == 20
    assert (found.closest.first[0], found.closest.second[0]) == (0, 1)


def test_distances_are_scipys() -> None:
    x = RNG.integers(-8, 9, size=(150, 6)).astype(np.float32)  # integers: every order of summation is exact
    for tau in (0.0, 1.0, np.sqrt(2), 3.0):
        (near,) = search_pairs(x, [tau]).near
        assert near.collisions == (pdist(x.astype(float)) <= tau).sum()
        np.testing.assert_array_equal(near.degrees, (squareform(pdist(x.astype(float))) <= tau).sum(1) - 1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 60),
    st.integers(1, 9),
    st.integers(0, 10**6),
    st.sampled_from([1e-6, 1.0, 1e6]),
    st.integers(5, 70),
)
def test_any_small_array(samples: int, width: int, seed: int, scale: float, block: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.rint(rng.normal(size=(samples, width)) * 4) * scale
    check(x, 4 * scale, block)


def test_neither_threads_nor_blocks_nor_the_processors_products_change_a_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(1).normal(size=(700, 90)).astype(np.float32)
    before = torch.get_num_threads()
    results = []
    try:
        for threads, block, fast in [
            (1, 256, True),
            (2, 256, True),
            (2, 100, True),
            (1, 700, False),
            (2, 64, False),
        ]:
            torch.set_num_threads(threads)
            monkeypatch.setattr("pipeline.support.blocks._fast_int8", lambda fast=fast: fast)
            results.append(search_pairs(x, [10.5], block=block))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0].histogram, other.histogram, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(results[0].closest, other.closest, strict=True):
            np.testing.assert_array_equal(a, b)


def test_float_products_of_integers_are_exact() -> None:
    a = torch.randint(-127, 128, (40, 5000), dtype=torch.int8)
    b = torch.full((30, 5000), 127, dtype=torch.int8)
    expected = a.long() @ b.long().T
    out = torch.empty(40, 30, dtype=torch.int32)
    float_products(a, b, out)
    assert torch.equal(out.long(), expected)
    assert torch.equal(torch._int_mm(a, b.T).long(), expected)


def test_very_long_vectors_do_not_overflow() -> None:
    x = np.where(np.random.default_rng(0).random((6, 60_000)) < 0.5, -1.0, 1.0).astype(np.float32)
    x[1] = -x[0]  # the farthest two vectors can be apart
    check(x, 240.0, 4)


@pytest.mark.parametrize("width", [50, 140_000])  # the longer one does not fit 32-bit sums of 8-bit parts
def test_the_rounding_bounds_hold(width: int) -> None:
    x = RNG.normal(size=(30, width)).astype(np.float32)
    q = quantize(x)
    first, second, distance = brute_force(x)
    blocks = CpuBlocks(q, 30, 30, 30)
    blocks.load(0, 0)
    coarse = blocks.up_to(q.coarse.largest)
    blocks.refine()
    fine = blocks.up_to(q.fine.largest)
    for found, rounding in [(coarse, q.coarse), (fine, q.fine)]:
        np.testing.assert_array_equal(found.rows, first)
        np.testing.assert_array_equal(found.columns, second)
        assert np.abs(rounding.step * found.squares**0.5 - distance).max() <= rounding.radius
    assert q.fine.radius < q.coarse.radius / 100


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("direct_limit", [0, 1 << 25])
def test_the_same_in_torch_operations(case: str, direct_limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # What runs on GPUs, here on the CPU.
    def blocks(*arguments: object) -> TorchBlocks:
        return TorchBlocks(*arguments, torch.device("cpu"))  # type: ignore[arg-type]

    monkeypatch.setattr("pipeline.support.pairs.CpuBlocks", blocks)
    monkeypatch.setattr("pipeline.support.pairs.DIRECT", direct_limit)
    make, tau = CASES[case]
    check(make(), tau, 64)


@pytest.mark.parametrize("side", [64, 128, 1000])
@pytest.mark.parametrize("case", ["gaussian", "ties", "tight clusters", "all the same"])
def test_tiles_joined_in_any_order_are_the_whole(case: str, side: int) -> None:
    make, tau = CASES[case]
    x = make().astype(np.float32)
    taus = [tau, 0.5 * tau, 1.2 * tau]
    whole = search_pairs(x, taus, closest=30, block=64)
    q = quantize(x)
    parts = [search_tile(q, *tile, taus, 30, block=64) for tile in tiles(len(x), side)]
    joined = join(q, taus, 30, parts[::-1])
    for a, b in zip(whole.histogram + whole.closest, joined.histogram + joined.closest, strict=True):
        np.testing.assert_array_equal(a, b)
    for near, other in zip(whole.near, joined.near, strict=True):
        for a, b in zip(near, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("block", [16, 1024])
def test_clusters_and_earlier_near_duplicates_at_several_taus(block: int) -> None:
    x = RNG.integers(0, 9, size=(200, 3)).astype(np.float32)
    first, second, distance = brute_force(x)
    taus = [0.0, 1.0, 1.5, 3.0]
    for tau, counts in zip(taus, search_pairs(x, taus, block=block).near, strict=True):
        near = distance <= tau
        graph = coo_array((np.ones(near.sum()), (first[near], second[near])), shape=(200, 200))
        number, labels = connected_components(graph, directed=False)
        assert counts.tau == tau
        assert counts.collisions == near.sum()
        assert sorted(set(counts.labels)) == list(range(number))
        assert len(set(zip(labels, counts.labels, strict=True))) == number
        previous = [max(first[near & (second == k)], default=-1) for k in range(200)]
        np.testing.assert_array_equal(counts.previous, previous)


@pytest.mark.parametrize("x", [np.zeros((1, 3)), np.zeros(5), np.zeros((0, 2))])
def test_too_few_samples(x: np.ndarray) -> None:
    with pytest.raises(ValueError, match="s >= 2"):
        search_pairs(x)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        search_pairs(np.array([[0.0, bad], [1.0, 2.0]]))


def test_pairs_are_those_of_faiss_and_scikit_learn() -> None:
    x = RNG.integers(-6, 7, size=(900, 12)).astype(np.float32)  # whole numbers: float32 is exact too
    tau = 9.0
    (near,) = search_pairs(x, [tau]).near
    index = faiss.IndexFlatL2(12)
    index.add(x)
    limits, _, _ = index.range_search(x, np.nextafter(np.float32(tau**2), np.float32(np.inf)))
    np.testing.assert_array_equal(near.degrees, np.diff(limits.astype(np.int64)) - 1)
    found = NearestNeighbors(radius=tau, algorithm="brute").fit(x).radius_neighbors(x, return_distance=False)
    np.testing.assert_array_equal(near.degrees, [len(row) - 1 for row in found])
