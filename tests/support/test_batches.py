"""The batch protocol: birthday probabilities, known laws, the coverage of s50's interval, pools drawn wrongly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from pipeline.support import search_pairs
from pipeline.support.batches import (
    batch_collisions,
    batch_sizes,
    equal_support,
    half_collision,
    half_collision_size,
    last_earlier,
)

Draw = Callable[[np.random.Generator, int], np.ndarray]


def earlier(items: np.ndarray) -> np.ndarray:
    """The last earlier sample of the same item, -1 if there is none."""
    order = np.argsort(items, kind="stable")
    previous = np.full(len(items), -1)
    same = items[order][1:] == items[order][:-1]
    previous[order[1:][same]] = order[:-1][same]
    return previous


def exactly(support: int, size: int) -> float:
    return float(1 - np.prod(1 - np.arange(size) / support))


def atom(mass: float, n: int) -> Draw:
    def draw(rng: np.random.Generator, s: int) -> np.ndarray:
        return np.where(rng.random(s) < mass, 0, rng.integers(1, n + 1, s))

    return draw


def uniform(n: int) -> Draw:
    return lambda rng, s: rng.integers(0, n, s)


def zipf(n: int) -> Draw:
    cumulative = np.cumsum(1 / np.arange(1, n + 1))
    return lambda rng, s: np.searchsorted(cumulative, rng.random(s) * cumulative[-1])


def atom_collides(size: int, mass: float, n: int) -> float:
    """Exactly, for an atom over n equal items."""
    none = (1 - mass) ** size * np.prod(1 - np.arange(size) / n)
    once = size * mass * (1 - mass) ** (size - 1) * np.prod(1 - np.arange(size - 1) / n)
    return float(1 - none - once)


def crossing(probability: Callable[[int], float]) -> float:
    """Where it passes 1/2, linear between whole sizes."""
    size = 2
    while probability(size) < 0.5:
        size += 1
    below, above = (probability(k) if k > 1 else 0.0 for k in (size - 1, size))
    return size - 1 + (0.5 - below) / (above - below)


# --- birthdays ----------------------------------------------------------------------------------------------

TABLE = {1000: 38, 10**4: 119, 10**5: 373, 160_000: 472, 200_000: 527, 250_000: 589, 10**6: 1178}


@pytest.mark.parametrize("support", TABLE)
def test_the_size_that_collides_half_of_the_time(support: int) -> None:
    assert exactly(support, TABLE[support]) >= 0.5 > exactly(support, TABLE[support] - 1)
    size = half_collision_size(support)
    assert np.ceil(size - 0.231) == TABLE[support]
    assert size - crossing(lambda b: exactly(support, b)) == pytest.approx(0.231, abs=0.01)


def test_the_calibrated_reading_inverts_the_size() -> None:
    for support in (5.0, 365.0, 1e5):
        assert equal_support(half_collision_size(support), 0.5) == pytest.approx(support)
    assert equal_support(400, 0.5) == pytest.approx(0.7213 * 400 * 399, rel=1e-4)
    assert equal_support(400, 1 - np.exp(-0.5)) == 400 * 399  # where the paper's square would be right: 39 %


BANDS = {10: (48e3, 385e3), 20: (61e3, 251e3), 50: (77e3, 182e3), 100: (87e3, 157e3), 1000: (105e3, 126e3)}


@pytest.mark.parametrize("batches", BANDS)
def test_how_precise_the_paper_is(batches: int) -> None:
    # Half of the batches of 400 collide: the supports that the Clopper-Pearson interval leaves possible.
    previous = np.full(400 * batches, -1)
    previous[np.arange(batches // 2) * 800 + 399] = np.arange(batches // 2) * 800
    (row,) = batch_collisions(previous, [400])
    assert (row.batches, row.collided) == (batches, batches // 2)
    low, high = BANDS[batches]
    assert equal_support(400, row.high) == pytest.approx(low, rel=0.01)
    assert equal_support(400, row.low) == pytest.approx(high, rel=0.01)


# --- counting -----------------------------------------------------------------------------------------------


def test_counts_by_hand() -> None:
    # Near-duplicates 0-1, 2-4, 3-4, 7-8 of nine samples.
    previous = last_earlier(np.array([0, 2, 3, 7]), np.array([1, 4, 4, 8]), 9)
    assert previous.tolist() == [-1, 0, -1, -1, 3, -1, -1, -1, 7]
    rows = batch_collisions(previous, [2, 3, 4, 5, 9])
    # Pairs 01 23 45 67: one. Triples 012 345 678: all. 0123 4567: one. 01234 of one batch. All nine.
    assert [(r.batches, r.collided) for r in rows] == [(4, 1), (3, 3), (2, 1), (1, 1), (1, 1)]


def test_agrees_with_looking_at_every_batch() -> None:
    items = np.random.default_rng(0).integers(0, 60, 500)
    for row in batch_collisions(earlier(items)):
        parts = [items[k : k + row.batch_size] for k in range(0, 500 - row.batch_size + 1, row.batch_size)]
        assert row.batches == len(parts)
        assert row.collided == sum(len(np.unique(part)) < len(part) for part in parts)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_intervals_are_clopper_and_pearsons(confidence: float) -> None:
    rows = batch_collisions(earlier(np.random.default_rng(0).integers(0, 2000, 500)), confidence=confidence)
    assert {0, 1} < {row.collided / row.batches for row in rows}
    for row in rows:
        found = stats.binomtest(row.collided, row.batches).proportion_ci(confidence, method="exact")
        assert (row.low, row.high) == pytest.approx((found.low, found.high), abs=1e-11)


def test_what_the_search_finds_can_be_passed_on() -> None:
    items = np.random.default_rng(1).integers(0, 50, 200)
    (near,) = search_pairs(np.eye(50, dtype=np.float32)[items], [0.1]).near
    assert np.array_equal(near.previous, earlier(items))
    first, second = np.triu_indices(200, 1)
    same = items[first] == items[second]
    assert np.array_equal(last_earlier(first[same], second[same], 200), near.previous)


def test_the_ladder() -> None:
    sizes = batch_sizes(4000)
    assert (sizes[:4], sizes[-1]) == ([2, 3, 4, 5], 4000)
    steps = np.array(sizes[1:]) / sizes[:-1]
    assert (steps[6:] < 1.27).all()
    assert (np.diff(sizes) > 0).all()
    assert batch_sizes(2) == [2]


@pytest.mark.parametrize(("law", "p2"), [(uniform(1000), 1e-3), (uniform(10**5), 1e-5)])
def test_equally_likely_items_follow_the_prediction(law: Draw, p2: float) -> None:
    rows = batch_collisions(earlier(law(np.random.default_rng(2), 100_000)), n2=1 / p2)
    # Each size has a 5 % chance of missing; sizes share samples.
    outside = [not r.low <= r.predicted <= r.high for r in rows if r.predicted is not None]
    assert len(outside) == len(rows)
    assert sum(outside) <= 5


def test_an_atom_departs_from_the_prediction() -> None:
    draw = atom(0.1, 10**6)
    rows = batch_collisions(earlier(draw(np.random.default_rng(3), 300_000)), [10, 20, 30], n2=100.0)
    for row, probability in zip(rows, (0.264, 0.608, 0.816), strict=True):
        assert atom_collides(row.batch_size, 0.1, 10**6) == pytest.approx(probability, abs=5e-4)
        assert row.low - 1e-3 < probability < row.high + 1e-3
    # N2 = 100 predicts 0.36, 0.85, 0.99: far outside.
    assert all(r.predicted is not None and r.predicted > r.high for r in rows)


# --- what a pool is -----------------------------------------------------------------------------------------


def test_distinct_samples_never_collide_whatever_the_size() -> None:
    # 2,000 distinct samples. Batches drawn from them with replacement would collide like 2,000 items, at 54.
    rows = batch_collisions(np.full(2000, -1))
    assert all(row.collided == 0 for row in rows)
    rng = np.random.default_rng(4)
    replaced = [len(np.unique(rng.integers(0, 2000, 54))) < 54 for _ in range(300)]
    assert np.mean(replaced) > 0.4
    found = half_collision(np.full(2000, -1))
    assert (found.s50.value, found.s50.high) == (None, None)


def test_a_sample_is_in_one_batch_of_a_size_at_most() -> None:
    # Every duplicate pair can make one batch collide at each size, so that collided <= pairs.
    previous = np.full(1000, -1)
    previous[[11, 500, 999]] = [10, 3, 0]
    assert max(row.collided for row in batch_collisions(previous)) <= 3
    assert all(row.batches * row.batch_size <= 1000 for row in batch_collisions(previous))


@pytest.mark.parametrize("pair", [(3, 3), (4, 2), (-1, 2), (0, 10)])
def test_pairs_of_a_pool_with_repeated_samples_are_refused(pair: tuple[int, int]) -> None:
    first, second = np.array([[0, 1], pair]).T
    with pytest.raises(ValueError, match="first < second"):
        last_earlier(first, second, 10)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="come before it"):
        batch_collisions(np.array([-1, 1, 0]))
    with pytest.raises(ValueError, match="come before it"):
        half_collision(np.array([-1, 1, 0]))
    for size in (1, 4):
        with pytest.raises(ValueError, match="between 2 and all 3"):
            batch_collisions(np.full(3, -1), [size])
    for samples in (0, 1):
        with pytest.raises(ValueError, match="at least two"):
            half_collision(np.full(samples, -1))
    for probability in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            equal_support(400, probability)


# --- s50 ----------------------------------------------------------------------------------------------------

LAWS: dict[str, tuple[Draw, float]] = {
    "uniform 10": (uniform(10), crossing(lambda b: exactly(10, b))),
    "uniform 10^3": (uniform(10**3), crossing(lambda b: exactly(10**3, b))),
    "uniform 10^5": (uniform(10**5), crossing(lambda b: exactly(10**5, b))),
    "10 % atom": (atom(0.1, 10**6), crossing(lambda b: atom_collides(b, 0.1, 10**6))),
    "3 % atom": (atom(0.03, 10**5), crossing(lambda b: atom_collides(b, 0.03, 10**5))),
    "Zipf(1) on 10^5": (zipf(10**5), 13.19),  # simulated, 400,000 batches of each size
}


def coverage(law: str, samples: int, repeats: int) -> float:
    draw, truth = LAWS[law]
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(repeats):
        s50 = half_collision(earlier(draw(rng, samples))).s50
        hits += s50.low <= truth <= (s50.high or np.inf)
    return hits / repeats


@pytest.mark.parametrize("law", LAWS)
def test_the_interval_covers_the_truth(law: str) -> None:
    assert coverage(law, 4000, 120) >= 0.90  # 94 to 99 % measured; 3 standard errors below 95 is 89 %


@pytest.mark.soak
@pytest.mark.parametrize("samples", [400, 20_000])
@pytest.mark.parametrize("law", LAWS)
def test_the_interval_covers_the_truth_at_other_sizes(law: str, samples: int) -> None:
    assert coverage(law, samples, 500) >= 0.92


def test_both_readings_of_a_large_pool() -> None:
    items = np.random.default_rng(6).integers(0, 10**5, 400_000)
    found = half_collision(earlier(items))
    assert found.s50.value == pytest.approx(373, rel=0.06)
    assert found.calibrated.value == pytest.approx(10**5, rel=0.12)
    # The paper's reading is 2 ln 2 times too high.
    assert found.paper.value == pytest.approx(1.386 * 10**5, rel=0.12)
    assert found.calibrated.high is not None
    assert found.calibrated.low < 10**5 < found.calibrated.high
    assert abs(found.batch_size - 373) < 40
    assert found.batches == 400_000 // found.batch_size


def test_few_batches_leave_a_wide_interval() -> None:
    # 4,000 samples of 10^5 items: some ten batches of 373, as in the table of bands above.
    found = half_collision(earlier(np.random.default_rng(7).integers(0, 10**5, 4000)))
    assert found.calibrated.high is not None
    assert found.calibrated.high / found.calibrated.low > 5


def test_no_collision_leaves_a_lower_limit_that_any_law_keeps() -> None:
    found = half_collision(np.full(400, -1))
    assert (found.batch_size, found.batches, found.collided) == (400, 1, 0)
    assert found.s50.value is None
    assert found.calibrated.high is None
    # P(400) <= 0.975 at 97.5 %: an atom of mass m with 400 m = 5.6 collides so, and half of the time at 1.68 / m.
    atom_mass = 5.572 / 400
    assert atom_collides(400, atom_mass, 10**9) == pytest.approx(0.975, abs=2e-3)
    assert found.s50.low < crossing(lambda b: atom_collides(b, atom_mass, 10**9))
    assert found.s50.low > 50


def test_all_samples_alike() -> None:
    found = half_collision(np.arange(-1, 99))
    assert (found.batch_size, found.batches, found.collided) == (2, 50, 50)
    assert found.s50 == (None, 2.0, 2.0)
    assert found.paper == (None, 4.0, 4.0)


def test_two_samples() -> None:
    assert half_collision(np.array([-1, -1])).s50.value is None
    assert half_collision(np.array([-1, 0])).s50.low == 2.0
