"""A hypothesis decided again with part of the data left out: largest clusters, or one seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.statistics.counts import Undecided, fit_counts
from reports.statistics.slopes import covariates, influences, regression
from reports.statistics.verdicts import Verdict, decide
from reports.tables.protocols import Protocol, primary
from reports.tables.results import Results

LARGEST = "largest cluster"
# Of more seeds each one's part is small, and a reader would not look at each.
MOST_SEEDS = 10


class Variation(NamedTuple):
    """The verdict without `left_out`, by one ruler."""

    protocol: Protocol
    left_out: str
    verdict: Verdict


def variations(verdict: Verdict, results: Results) -> list[Variation]:
    """By the study's own tau rule: without the largest clusters under every embedding that found them, and
    without each seed under the first; of more than `MOST_SEEDS` each of those that move the effect most.
    """
    study, hypothesis, own = results.study, verdict.hypothesis, primary(results.study)
    found = []
    for name in study.measure.embedding_names():
        protocol = Protocol(name, own.tau_rule)
        completed = results.completed if protocol == own else results.completed_under(protocol)
        trials = without_largest(completed)
        if len(trials):
            found.append(Variation(protocol, LARGEST, decide(hypothesis, study, trials)))
    seeds = foremost(verdict, results)
    for seed in seeds if len(seeds) > 1 else []:
        rest = results.completed[results.completed["seed"] != seed]
        found.append(Variation(own, f"seed {seed}", decide(hypothesis, study, rest)))
    return found


def foremost(verdict: Verdict, results: Results) -> list[int]:
    """The seeds to be left out one by one, ascending."""
    seeds = sorted(set(results.completed["seed"]))
    if len(seeds) <= MOST_SEEDS:
        return seeds
    try:
        moved = _moved(verdict, results).abs()
    except Undecided:  # nor could it be decided from less
        return seeds[:MOST_SEEDS]
    return sorted(moved.sort_values(ascending=False, kind="stable").index[:MOST_SEEDS])


def _moved(verdict: Verdict, results: Results) -> pd.Series[float]:
    """By seed, about how much its trials move the slope, or the difference of the variants furthest apart."""
    if verdict.comparison is None:
        problem = regression(
            verdict.hypothesis, results.completed, covariates(verdict.hypothesis, results.study)
        )
        return influences(problem, fit_counts(*problem.counted), np.eye(problem.design.shape[1])[1])
    if verdict.comparison.plain is None:
        raise Undecided(verdict.reason)
    levels, pair = verdict.comparison.plain.levels, verdict.comparison.plain.furthest
    contrast = np.zeros(levels.problem.design.shape[1])
    contrast[levels.names.index(pair.first)], contrast[levels.names.index(pair.second)] = 1, -1
    return influences(levels.problem, levels.fit, contrast)


def without_largest(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials as if the samples of each one's largest cluster had not been drawn: `collisions` and `pairs`
    from `samples`, `largest_cluster_mass` and `n2_without_largest` (null: none of the rest collided).

    Trials whose clusters were not looked for are left out, unless nothing collided.
    """
    trials = trials[trials["largest_cluster_mass"].notna() | (trials["collisions"] == 0)]
    drawn = trials["samples"].to_numpy(np.float64)
    mass, n2 = (
        trials[key].astype(np.float64).to_numpy() for key in ("largest_cluster_mass", "n2_without_largest")
    )
    left = drawn - np.rint(np.nan_to_num(mass) * drawn)
    pairs = left * (left - 1) / 2
    collisions = np.where(np.isnan(n2), 0, np.rint(pairs / n2))
    # A trial of which one sample is left has no pair, and says nothing.
    return trials.assign(collisions=collisions, pairs=pairs)[pairs > 0]
