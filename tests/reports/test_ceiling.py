"""Support beside the training set: planted ceilings, and the false alarms of either side."""

import numpy as np
import pandas as pd
import pytest

from reports.sections import ceiling as section
from reports.statistics.ceiling import Ceiling, ceiling
from tests.reports.test_coverage import allowance

SIZES = (50, 500, 5000)


def draw(
    rng: np.random.Generator, support: dict[int, float], seeds: int = 6, sd: float = 0.2
) -> pd.DataFrame:
    """Trials of two discriminator sizes whose N2 is a factor of four apart, around a planted mean a level."""
    rows = [(n, width, seed) for n in support for width in (2, 8) for seed in range(seeds)]
    trials = pd.DataFrame(rows, columns=["train_samples", "width", "seed"])
    log_support = trials["train_samples"].map(support).map(np.log) + np.where(
        trials["width"] == 8, 1, -1
    ) * np.log(2)
    pairs = 4000 * 3999 // 2
    counts = rng.poisson(pairs * np.exp(-log_support - sd * rng.standard_normal(len(trials))))
    return trials.assign(collisions=counts, pairs=pairs, n2_real=1e5)


def test_memorised_sets_are_told_from_support_beyond_and_below() -> None:
    """A memoriser of 50 images, support beyond 500, and a collapse at 5,000."""
    memoriser = 1 / (1 / 50 + (1 - 1 / 50) / 1e5)
    trials = draw(np.random.default_rng(0), {50: memoriser, 500: 3000, 5000: 800})
    found = ceiling(trials, ["width"])
    assert [level.n for level in found.levels] == [50, 500, 5000]
    assert [level.side for level in found.levels] == ["not told apart", "above", "below"]
    assert [level.saturated for level in found.levels] == [True, False, False]
    assert found.levels[0].memoriser == pytest.approx(memoriser)
    for level, truth in zip(found.levels, (memoriser, 3000, 800), strict=True):
        assert level.low < truth < level.high
    words = section.in_words(found)
    assert (
        "exceeds it at 500, is smaller than it at 5,000, cannot be told apart from it at 50 images" in words
    )
    assert words.endswith("would set up to 50 training images.")
    assert section.table(found)["side"].tolist() == ["not told apart", "above", "below"]
    assert section.listing(found).rows[1][0] == "500"


def test_support_equal_to_the_training_set_is_rarely_put_on_a_side() -> None:
    rng = np.random.default_rng(1)
    above = below = 0
    for _ in range(100):
        sides = [one.side for one in ceiling(draw(rng, {n: n for n in SIZES}, 4, 0.6), ["width"]).levels]
        above, below = above + ("above" in sides), below + ("below" in sides)
    assert max(above, below) / 100 <= allowance(0.05, 100)


def test_without_real_images_the_ceiling_is_n_and_without_seeds_there_is_none() -> None:
    trials = draw(np.random.default_rng(2), {50: 49.0, 500: 499.0})
    bare = ceiling(trials.assign(n2_real=np.nan), ["width"])
    assert [level.memoriser for level in bare.levels] == [50, 500]
    alone = ceiling(trials[trials["seed"] == 0], ["width"])
    assert alone.levels == []
    assert "too few" in alone.reason
    assert section.in_words(alone).startswith("Whether support exceeds the training set cannot be said")
    assert section.table(Ceiling([], "")).empty
