"""Variants across tasks, described: probability of improvement and performance profiles.

Agarwal et al. 2021 (Deep Reinforcement Learning at the Edge of the Statistical Precipice, sections 4.2, 4.3).
A task is a setting that several variants share, a run a seed. P(X > Y) is the mean over tasks of the
Mann-Whitney probability that a trial of X has the larger support than one of Y, ties counting half.
Intervals: percentile bootstrap that redraws the trials of each variant within each task, with a stated seed.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]
# Scores of one variant's trials by task.
Tasks = dict[str, Array]

REPEATS = 1000
LEVELS = (0.025, 0.975)


class Improvement(NamedTuple):
    """P(a trial of `first` has the larger support than one of `second`), over the tasks that both have."""

    first: str
    second: str
    probability: float
    low: float
    high: float
    tasks: int
    trials: int


class Profile(NamedTuple):
    """The share of a variant's trials with a score above each of `at` (k,), tasks weighing the same, with its
    pointwise 95 % interval.
    """

    variant: str
    share: Array
    low: Array
    high: Array


def improvements(scores: dict[str, Tasks], seed: int = 0) -> list[Improvement]:
    """Every pair of variants that share a task, in their order."""
    found = []
    for k, (first, second) in enumerate(itertools.combinations(scores, 2)):
        tasks = [task for task in scores[first] if task in scores[second]]
        if not tasks:
            continue
        rng = np.random.default_rng([seed, k])
        values, draws = np.zeros(len(tasks)), np.zeros((REPEATS, len(tasks)))
        trials = 0
        for t, task in enumerate(tasks):
            x, y = scores[first][task], scores[second][task]
            trials += len(x) + len(y)
            wins = (np.sign(x[:, None] - y[None]) + 1) / 2
            values[t] = wins.mean()
            # The mean over redrawn rows and columns, by how often each was drawn.
            rows, columns = (_times(rng, len(one)) for one in (x, y))
            draws[:, t] = ((rows @ wins) * columns).sum(axis=1)
        low, high = np.quantile(draws.mean(axis=1), LEVELS)
        found.append(
            Improvement(first, second, float(values.mean()), float(low), float(high), len(tasks), trials)
        )
    return found


def profiles(scores: dict[str, Tasks], at: Array, seed: int = 0) -> list[Profile]:
    """Every variant's profile over its tasks. at: (k,) scores, ascending."""
    found = []
    for k, (variant, tasks) in enumerate(scores.items()):
        rng = np.random.default_rng([seed, k])
        above = [(values[:, None] > at[None]).astype(np.float64) for values in tasks.values()]
        share = np.asarray(np.mean([one.mean(axis=0) for one in above], axis=0), np.float64)
        draws = np.mean([_times(rng, len(one)) @ one for one in above], axis=0)
        bounds = np.asarray(np.quantile(draws, LEVELS, axis=0), np.float64)
        found.append(Profile(variant, share, *bounds))
    return found


def by_task(variants: pd.Series[str], tasks: pd.Series[str], values: pd.Series[float]) -> dict[str, Tasks]:
    """Variant -> task -> its trials' scores, in the order of the rows."""
    scores: dict[str, Tasks] = {}
    for (variant, task), own in values.groupby([variants, tasks], sort=False):
        scores.setdefault(str(variant), {})[str(task)] = np.asarray(own, np.float64)
    return scores


def _times(rng: np.random.Generator, count: int) -> Array:
    """(REPEATS, count): the weight of each trial in each redrawing with replacement."""
    return np.asarray(rng.multinomial(count, np.full(count, 1 / count), size=REPEATS) / count, np.float64)
