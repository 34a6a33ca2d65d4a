"""All pairs within tau among 20,000 x 3,072: `search_pairs` against faiss's exact `IndexFlatL2.range_search`,
scikit-learn and `torch.cdist`.

All get the same float32 array and threshold. Ours also keeps the 1,000 closest pairs, the histogram of all distances and
the clusters, and is exact; faiss looks at every pair twice, because it has no way to say that queries and base are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from unittest import mock

import faiss
import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from pipeline.support import PairSearch, search_pairs
from pipeline.support.pairs import direct
from tests.benchmarks.timing import Figure, Times, alternate, load, ratios

NAME = "pair_search"
SAMPLES, SIDE, CHANNELS = 20_000, 32, 3
DIMENSIONS = CHANNELS * SIDE**2
THREADS, REPEATS, RATE_REPEATS = 2, 3, 15
BLOCK = 1024  # of search_pairs


def images(rng: np.random.Generator) -> np.ndarray:
    """Smooth images from 24 factors, a little pixel noise, and one in 200 a near-duplicate of another."""
    coarse = torch.from_numpy(rng.standard_normal((24, CHANNELS, 8, 8), np.float32))
    basis = F.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").flatten(1).numpy()
    x = 1 / (1 + np.exp(-rng.standard_normal((SAMPLES, 24), np.float32) @ basis / 5))
    x += 0.02 * rng.standard_normal(x.shape, np.float32)
    planted = SAMPLES // 200
    x[-planted:] = x[:planted] + 0.03 * rng.standard_normal((planted, DIMENSIONS), np.float32)
    return np.ascontiguousarray(x.clip(0, 1), np.float32)


def noise(rng: np.random.Generator) -> np.ndarray:
    """Independent uniform coordinates: all distances within a few percent, the worst case of a filter."""
    return rng.random((SAMPLES, DIMENSIONS), np.float32)


# Data and tau: between planted and natural pairs; 5 standard deviations below the mean distance.
CASES: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], float]] = {
    "images": (images, 2.0),
    "uniform noise": (noise, 21.4),
}


def run() -> Iterator[Figure]:
    """Seconds per search, pairs found, and the share of the machine's matrix product rates."""
    torch.set_num_threads(THREADS)
    faiss.omp_set_num_threads(THREADS)
    rates = product_rates()
    for name, rate in rates.items():
        case = f"{BLOCK} x {DIMENSIONS} x {BLOCK}"
        yield Figure(NAME, case, f"{name} matrix product", "Gop/s", rate, load=load())
    for case, (make, tau) in CASES.items():
        yield from _compare(case, make(np.random.default_rng(0)), tau, rates)


def product_rates() -> dict[str, float]:
    """Billion operations (two per multiply-add) per second of one block's product, the best of
    many tries, in three precisions."""
    rng = np.random.default_rng(1)
    a, b = (
        torch.from_numpy(rng.integers(-127, 128, (BLOCK, DIMENSIONS), dtype=np.int8)).contiguous()
        for _ in range(2)
    )
    af, bf, ah, bh = a.float(), b.float(), a.bfloat16(), b.bfloat16()
    calls: dict[str, Callable[[], object]] = {
        "int8": lambda: torch._int_mm(a, b.T),
        "bf16": lambda: ah @ bh.T,
        "f32": lambda: af @ bf.T,
    }
    alternate(calls, 2)
    times = alternate(calls, RATE_REPEATS)
    return {name: 2e-9 * BLOCK**2 * DIMENSIONS / min(t.wall) for name, t in times.items()}


def _compare(case: str, x: np.ndarray, tau: float, rates: dict[str, float]) -> Iterator[Figure]:
    found: list[PairSearch] = []
    pairs: list[int] = []

    def ours() -> None:
        found.append(search_pairs(x, [tau]))

    def without_int8() -> None:
        with mock.patch("pipeline.support.blocks._fast_int8", return_value=False):
            found.append(search_pairs(x, [tau]))

    def theirs() -> None:
        pairs.append(len(_faiss_pairs(x, tau * tau)[0]))

    # Warming up doubles as the check: float32 rounding cannot push a pair out of this wider search.
    rounding = DIMENSIONS * 2.0**-23 * float(np.square(x).sum(1).max())
    first, second = _faiss_pairs(x, tau * tau + rounding)
    near = direct(x, first, second) <= tau
    ours()
    without_int8()
    for each in found:
        check(each, first[near], second[near])
    # scikit-learn and torch take long, so they come once; faiss in every round.
    times = alternate({"ours": ours, "ours, no int8": without_int8, "faiss": theirs}, REPEATS)
    once = alternate(
        {"scikit-learn": lambda: _sklearn_pairs(x, tau), "torch": lambda: _cdist_pairs(x, tau)}, 1
    )
    now = load()

    def against(mine: str, peer: str, other: Times, quantity: str, target: str = "") -> Figure:
        wall = times[mine].wall
        speed = ratios(other.wall * (len(wall) // len(other.wall)), wall)
        return Figure(
            NAME, case, quantity, "s", median(wall), peer, other.median, **speed, target=target, load=now
        )

    yield against("ours", "faiss IndexFlatL2", times["faiss"], "wall time", "5x")
    yield against("ours, no int8", "faiss IndexFlatL2", times["faiss"], "wall time in float32", "1.5x")
    yield against("ours", "sklearn radius_neighbors", once["scikit-learn"], "wall time")
    yield against("ours", "torch.cdist, blocks", once["torch"], "wall time")
    mine, other = times["ours"].cpu, times["faiss"].cpu
    yield Figure(
        NAME,
        case,
        "CPU time",
        "s",
        median(mine),
        "faiss IndexFlatL2",
        median(other),
        **ratios(other, mine),
        load=now,
    )
    yield Figure(NAME, case, "pairs within tau", "pairs", int(near.sum()), "faiss", pairs[-1], load=now)
    operations = 1e-9 * SAMPLES**2 * DIMENSIONS  # every pair once: half the products
    for name, way in (("int8", "ours"), ("f32", "ours, no int8")):
        speed = operations / times[way].median
        quantity = f"share of the {name} rate, {way}"
        yield Figure(NAME, case, quantity, "%", 100 * speed / rates[name], target="70 %", load=now)


def check(found: PairSearch, first: np.ndarray, second: np.ndarray) -> None:
    """Ours must be what float64 says of every pair that float32 could not rule out."""
    degrees = np.bincount(first, minlength=SAMPLES) + np.bincount(second, minlength=SAMPLES)
    (near,) = found.near
    assert near.collisions == len(first)
    np.testing.assert_array_equal(near.degrees, degrees)


def _faiss_pairs(x: np.ndarray, square: float) -> tuple[np.ndarray, np.ndarray]:
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    limits, _, second = index.range_search(x, float(square))
    counts = np.diff(limits.astype(np.int64)).astype(np.int64)
    first = np.repeat(np.arange(len(x)), counts)
    once = first < second
    return first[once], second[once]


def _sklearn_pairs(x: np.ndarray, tau: float) -> int:
    neighbours = NearestNeighbors(radius=tau, algorithm="brute").fit(x)
    return (sum(map(len, neighbours.radius_neighbors(x, return_distance=False))) - len(x)) // 2


def _cdist_pairs(x: np.ndarray, tau: float) -> int:
    t = torch.from_numpy(x)
    near = sum(int((torch.cdist(rows, t) <= tau).sum()) for rows in t.split(BLOCK))
    return (near - len(x)) // 2
