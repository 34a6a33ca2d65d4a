"""Pairs for people to judge, drawn by stratified sampling over distance."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from pipeline.support.pairs import Closest, direct

# Strata: the closest pairs by rank, and the rest by the quantiles of their distance.
RANKS = (0, 20, 60, 200, 600, 1000)
QUANTILES = (0.0, 0.01, 0.1, 1.0)
# Random pairs among which those of the outer strata are found.
RANDOM = 20_000


class Candidate(NamedTuple):
    """A pair, and the stratum it stands for: `drawn` of the `pairs` pairs at low <= distance <= high."""

    first: int
    second: int
    distance: float
    stratum: int
    low: float
    high: float
    pairs: int
    drawn: int


def draw_candidates(
    x: np.ndarray, closest: Closest, per_stratum: int, rng: np.random.Generator
) -> list[Candidate]:
    """At most `per_stratum` pairs of the rows of x, (s, d) float32, from every stratum of distance.

    Uniform duplicates are rare: of pairs drawn at random nearly none would be. closest: the closest pairs of
    x, at least 1,000 where there are as many. Beyond them the strata's sizes are estimated from random pairs.
    """
    found: list[Candidate] = []
    for k, (start, stop) in enumerate(itertools.pairwise(RANKS)):
        members = np.arange(start, min(stop, len(closest.first)))
        if len(members):
            found += _draw(k, Closest(*(part[members] for part in closest)), len(members), per_stratum, rng)
    s, known = len(x), min(RANKS[-1], len(closest.first))
    rest = s * (s - 1) // 2 - known
    if rest == 0:
        return found
    a, b = rng.integers(0, s, RANDOM), rng.integers(0, s - 1, RANDOM)
    first, second = np.minimum(a, b + (b >= a)), np.maximum(a, b + (b >= a))
    keys = np.setdiff1d(first * s + second, closest.first[:known] * s + closest.second[:known])
    first, second = np.divmod(keys, s)
    distance = direct(x, first, second)
    order = np.lexsort((second, first, distance))
    ends = [math.ceil(q * len(order)) for q in QUANTILES]
    for k, (start, stop) in enumerate(itertools.pairwise(ends), len(RANKS) - 1):
        some = order[start:stop]
        if len(some):
            population = max(len(some), round(rest * len(some) / len(order)))
            found += _draw(
                k, Closest(first[some], second[some], distance[some]), population, per_stratum, rng
            )
    return found


def _draw(
    stratum: int, members: Closest, population: int, count: int, rng: np.random.Generator
) -> list[Candidate]:
    chosen = np.sort(rng.permutation(len(members.first))[:count])
    low, high = float(members.distance.min()), float(members.distance.max())
    return [
        Candidate(
            int(members.first[k]),
            int(members.second[k]),
            float(members.distance[k]),
            stratum,
            low,
            high,
            population,
            len(chosen),
        )
        for k in chosen
    ]
