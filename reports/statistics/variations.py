"""A hypothesis decided again with part of the data left out: largest clusters, or one seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.statistics.verdicts import Verdict, decide
from reports.tables.protocols import Protocol, primary
from reports.tables.results import Results

LARGEST = "largest cluster"


class Variation(NamedTuple):
    """The verdict without `left_out`, by one ruler."""

    protocol: Protocol
    left_out: str
    verdict: Verdict


def variations(verdict: Verdict, results: Results) -> list[Variation]:
    """By the study's own tau rule: without the largest clusters under every embedding that found them, and
    without each seed under the first.
    """
    study, hypothesis, own = results.study, verdict.hypothesis, primary(results.study)
    found = []
    for name in study.measure.embedding_names():
        protocol = Protocol(name, own.tau_rule)
        completed = results.completed if protocol == own else results.completed_under(protocol)
        trials = without_largest(completed)
        if len(trials):
            found.append(Variation(protocol, LARGEST, decide(hypothesis, study, trials)))
    seeds = sorted(set(results.completed["seed"]))
    for seed in seeds if len(seeds) > 1 else []:
        rest = results.completed[results.completed["seed"] != seed]
        found.append(Variation(own, f"seed {seed}", decide(hypothesis, study, rest)))
    return found


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
