"""Verdicts with part of the data left out: collisions beside the largest cluster, and the odd seed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from pipeline.support.collisions import support_size
from reports.statistics.robustness import effect, in_words, robustness
from reports.statistics.variations import foremost, variations, without_largest
from reports.statistics.verdicts import decide
from reports.tables.results import Results, read
from tests.reports import synthetic


def test_counts_without_the_largest_cluster_are_those_of_the_samples_left() -> None:
    """Samples that are near-duplicates when equal; recounted by hand without the commonest value."""
    rng = np.random.default_rng(0)
    rows, expected = [], []
    for atoms in (5, 300, 10_000_000, 1):
        drawn = rng.integers(0, atoms, 200)
        _, labels, sizes = np.unique(drawn, return_inverse=True, return_counts=True)
        found = support_size(sizes[labels] - 1, labels)
        rows.append(
            {
                name: getattr(found, name)
                for name in ("samples", "pairs", "collisions", "largest_cluster_mass", "n2_without_largest")
            }
        )
        left = np.delete(sizes, sizes.argmax()) if sizes.max() > 1 else sizes
        s = int(left.sum())
        expected.append((s * (s - 1) // 2, int((left * (left - 1) // 2).sum())))
    again = without_largest(pd.DataFrame(rows))
    # Of a single image nothing is left.
    assert list(again[["pairs", "collisions"]].itertuples(index=False, name=None)) == expected[:3]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The same slope in all seeds but the last, where support falls."""
    study = synthetic.study(
        vary={"discriminator.width": [2, 4, 8, 16, 32], "seed": {"count": 3}},
        hypotheses=[synthetic.CAPACITY],
        measure={"samples": 4000, "tau_ladder": []},
    )
    results = read(synthetic.write(tmp_path_factory.mktemp("runs"), study, slope=0.6, sd=0.05, images=False))
    trials = results.trials
    falling = (trials["discriminator_params"].astype(float) / 1000) ** 1.8
    factor = falling.where(trials["seed"] == 2, 1.0)
    counts = np.rint(trials["collisions"].astype(float) * factor)
    without = trials["pairs"].astype(float) / counts
    return dataclasses.replace(
        results, trials=trials.assign(collisions=counts.astype("Int64"), n2_without_largest=without)
    )


def test_the_seed_that_a_verdict_hangs_on_is_named(odd: Results) -> None:
    verdict = decide(odd.study.hypotheses[0], odd.study, odd.completed)
    assert verdict.decision == "inconclusive"
    found = variations(verdict, odd)
    assert [one.left_out for one in found] == ["largest cluster", "seed 0", "seed 1", "seed 2"]
    decisions = {one.left_out: one.verdict.decision for one in found}
    assert decisions.pop("seed 2") == "supported"
    assert set(decisions.values()) == {"inconclusive"}
    words = in_words(robustness(verdict, odd))
    assert words.endswith("Leaving out one seed of 3: supported without seed 2.")


VARIANTS = {"name": "variants", "outcome": "log_support", "predictor": "objective", "expect": "different"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Thirty seeds, each with a slope and a level of its own."""
    study = synthetic.study(
        vary={
            "discriminator.width": [2, 4, 8, 16],
            "objective.name": ["nonsaturating", "wgan_gp"],
            "seed": {"count": 30},
        },
        hypotheses=[synthetic.CAPACITY, VARIANTS],
        measure={"samples": 4000, "tau_ladder": []},
    )
    results = read(synthetic.write(tmp_path_factory.mktemp("runs"), study, slope=0.4, sd=0.2, images=False))
    trials, rng = results.trials, np.random.default_rng(3)
    seed, size = trials["seed"].astype(int), np.log(trials["discriminator_params"].astype(float) / 3000)
    wild = (trials["objective.name"] == "nonsaturating") * rng.standard_normal(30)[seed]
    factor = np.exp(0.3 * rng.standard_normal(30)[seed] * size + 0.5 * wild)
    counts = np.rint(trials["collisions"].astype(float) * factor)
    return dataclasses.replace(results, trials=trials.assign(collisions=counts.astype("Int64")))


@pytest.mark.parametrize("hypothesis", [0, 1], ids=["slope", "variants"])
def test_of_many_seeds_those_that_move_the_effect_most_are_left_out(many: Results, hypothesis: int) -> None:
    """Every seed left out in truth: the order of how far the effect moves is that of the influences."""
    verdict = decide(many.study.hypotheses[hypothesis], many.study, many.completed)
    stated = effect(verdict, verdict)
    assert stated is not None
    moved = {}
    for seed in range(30):
        rest = many.completed[many.completed["seed"] != seed]
        again = effect(decide(verdict.hypothesis, many.study, rest), verdict)
        assert again is not None
        moved[seed] = abs(again.value - stated.value)
    found = foremost(verdict, many)
    assert len(found) == 10
    assert found == sorted(found)
    furthest = sorted(moved, key=lambda seed: -moved[seed])
    assert set(furthest[:8]) <= set(found)
    assert set(furthest[12:]).isdisjoint(found)


def test_how_many_seeds_were_left_out_is_said(many: Results) -> None:
    verdict = decide(many.study.hypotheses[0], many.study, many.completed)
    words = in_words(robustness(verdict, many))
    assert "Leaving out one seed of 30 (each of the 10 that move the effect most): " in words
