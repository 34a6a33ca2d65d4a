"""All pairs within tau among 20,000 x 3,072: `search_pairs` against faiss's exact `IndexFlatL2.range_search`.

Both get the same float32 array and threshold. Ours also keeps the 1,000 closest pairs, the histogram of all distances and
the clusters, and is exact; faiss looks at every pair twice, because it has no way to say that queries and base are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

import faiss
import numpy as np
import torch
from torch.nn import functional as F

from pipeline.support import PairSearch, search_pairs
from pipeline.support.pairs import direct
from tests.benchmarks.timing import Figure, alternate, load, ratios

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

    def theirs() -> None:
        pairs.append(len(_faiss_pairs(x, tau * tau)[0]))

    # Warming up doubles as the check: float32 rounding cannot push a pair out of this wider search.
    rounding = DIMENSIONS * 2.0**-23 * float(np.square(x).sum(1).max())
    first, second = _faiss_pairs(x, tau * tau + rounding)
    near = direct(x, first, second) <= tau
    ours()
    check(found[0], first[near], second[near])
    times = alternate({"ours": ours, "faiss": theirs}, REPEATS)
    now, target, rival = load(), "2x", "faiss IndexFlatL2"
    for quantity, (mine, other), goal in (
        ("wall time", (times["ours"].wall, times["faiss"].wall), target),
        ("CPU time", (times["ours"].cpu, times["faiss"].cpu), ""),
    ):
        yield Figure(
            NAME,
            case,
            quantity,
            "s",
            median(mine),
            rival,
            median(other),
            **ratios(other, mine),
            target=goal,
            load=now,
        )
    yield Figure(NAME, case, "pairs within tau", "pairs", int(near.sum()), rival, pairs[-1], load=now)
    speed = 1e-9 * SAMPLES**2 * DIMENSIONS / median(times["ours"].wall)  # every pair once: half the products
    for name in ("f32", "int8"):
        quantity = f"share of the {name} rate"
        yield Figure(NAME, case, quantity, "%", 100 * speed / rates[name], load=now)


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
