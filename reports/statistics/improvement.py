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
    rng = np.random.default_rng(seed)
    found: dict[tuple[str, str], list[tuple[Array, int]]] = {
        pair: [] for pair in itertools.combinations(scores, 2)
    }
    for task in dict.fromkeys(task for tasks in scores.values() for task in tasks):
        # Sorted, since any order of trials is as likely to be redrawn.
        own = {variant: np.sort(tasks[task]) for variant, tasks in scores.items() if task in tasks}
        # First as drawn, then redrawn; once for all pairs.
        times = {variant: _times(rng, len(values)) for variant, values in own.items()}
        for x, y in itertools.combinations(own, 2):
            wins = _wins(own[x], own[y], times[x], times[y])
            found[x, y].append((wins, len(own[x]) + len(own[y])))
    improved = []
    for (first, second), tasks in found.items():
        if tasks:
            value, *draws = np.mean([wins for wins, _ in tasks], axis=0)
            low, high = map(float, np.quantile(draws, LEVELS))
            trials = sum(count for _, count in tasks)
            improved.append(Improvement(first, second, float(value), low, high, len(tasks), trials))
    return improved


def profiles(scores: dict[str, Tasks], at: Array, seed: int = 0) -> list[Profile]:
    """Every variant's profile over its tasks. at: (k,) scores, ascending."""
    found = []
    for k, (variant, tasks) in enumerate(scores.items()):
        rng = np.random.default_rng([seed, k])
        share, draws = np.zeros(len(at)), np.zeros((REPEATS, len(at)))
        for values in tasks.values():
            # Redrawn, trials between two bounds are as many as a multinomial law says.
            counts = np.bincount(np.searchsorted(at, values), minlength=len(at) + 1)
            redrawn = rng.multinomial(len(values), counts / len(values), size=REPEATS)
            share += _above(counts) / len(tasks)
            draws += _above(redrawn) / len(tasks)
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
    """(1 + REPEATS, count): the weight of each trial as drawn, and in each redrawing with replacement."""
    drawn = rng.integers(count, size=(REPEATS, count)) + count * np.arange(REPEATS)[:, None]
    redrawn = np.bincount(drawn.ravel(), minlength=REPEATS * count).reshape(REPEATS, count)
    return np.asarray(np.vstack([np.ones(count), redrawn]) / count, np.float64)


def _wins(x: Array, y: Array, rows: Array, columns: Array) -> Array:
    """(r,): P(X > Y) + P(X = Y) / 2 under each of r pairs of weights of x (m,) and y (n,), both ascending.

    rows: (r, m), columns: (r, n).
    """
    below = np.pad(np.cumsum(rows, axis=1), ((0, 0), (1, 0)))
    lost = below[:, np.searchsorted(x, y, "left")] + below[:, np.searchsorted(x, y, "right")]
    return np.asarray(1 - (lost * columns).sum(axis=1) / 2, np.float64)


def _above(counts: np.ndarray[Any, np.dtype[np.int64]]) -> Array:
    """(..., k): the share of all above each bound, of counts (..., k + 1) between bounds."""
    total = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(total[..., 1:] / total[..., :1], np.float64)
