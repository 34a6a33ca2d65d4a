"""Probability of improvement against SciPy's Mann-Whitney test, profiles by hand, bootstrap intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics.improvement import by_task, improvements, profiles


def test_probability_of_improvement_is_mann_whitneys() -> None:
    rng = np.random.default_rng(0)
    scores = {
        name: {task: rng.integers(0, 6, size).astype(float) for task, size in (("a", 7), ("b", 4))}
        for name in ("x", "y", "z")
    }
    del scores["z"]["b"]
    scores["lonely"] = {"c": np.ones(3)}
    found = {(one.first, one.second): one for one in improvements(scores)}
    assert set(found) == {("x", "y"), ("x", "z"), ("y", "z")}
    for (first, second), one in found.items():
        tasks = [task for task in scores[first] if task in scores[second]]
        each = [stats.mannwhitneyu(scores[first][t], scores[second][t]) for t in tasks]
        sizes = [len(scores[first][t]) * len(scores[second][t]) for t in tasks]
        assert one.probability == pytest.approx(
            np.mean([u.statistic / n for u, n in zip(each, sizes, strict=True)])
        )
        assert (one.tasks, one.low <= one.probability <= one.high) == (len(tasks), True)
    assert found["x", "y"] == improvements(scores)[0]


def test_its_interval_covers() -> None:
    """Normal scores one apart: P(X > Y) = Phi(1 / sqrt 2)."""
    rng, covered = np.random.default_rng(1), 0
    truth = stats.norm.cdf(1 / np.sqrt(2))
    for _ in range(100):
        x, y = ({task: rng.normal(mean, 1, 10) for task in "abc"} for mean in (1.0, 0.0))
        one = improvements({"x": x, "y": y})[0]
        covered += one.low <= truth <= one.high
    assert 0.85 <= covered / 100 <= 0.99


def test_profiles_by_hand() -> None:
    variants = pd.Series(["x", "x", "x", "y"])
    tasks = pd.Series(["a", "a", "b", "a"])
    values = pd.Series([1.0, 3.0, np.inf, 2.0])
    x, y = profiles(by_task(variants, tasks, values), np.array([0.5, 1.0, 2.0, 3.0]))
    # Task a: 1, 3; task b: one trial beyond every bound.
    assert list(x.share) == [1.0, 0.75, 0.75, 0.5]
    assert list(y.share) == [1.0, 1.0, 0.0, 0.0]
    assert (x.low <= x.share).all()
    assert (x.share <= x.high).all()
    # Redrawing a task's single trial changes nothing.
    assert list(y.low) == list(y.high) == list(y.share)
