"""All pairs of levels compared: differences of log N2, with intervals that hold together.

Tukey-Kramer: every difference lies in its interval at once with at least 95 % confidence, by the studentized
range (Kramer 1956; conservative for unequal variances of the means, Hayter 1984). For two levels this is
Student's interval.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

from reports.statistics.levels import Levels


class Contrast(NamedTuple):
    """log N2 of `first` minus that of `second`. low, high: 95 %, simultaneous over all pairs; low90, high90:
    90 %, of this pair alone, for two one-sided tests at 5 %.
    """

    first: str
    second: str
    value: float
    low: float
    high: float
    low90: float
    high90: float

    @property
    def distance(self) -> float:
        """From 0, in units of the interval: above 1 the interval excludes 0."""
        return abs(self.value) / (self.high - self.value)


def contrasts(levels: Levels) -> list[Contrast]:
    """Every pair of levels, in their order."""
    wide = _tukey(len(levels.names), levels.df)
    narrow = float(stats.t.ppf(0.95, levels.df))
    found = []
    for i, j in itertools.combinations(range(len(levels.names)), 2):
        value = float(levels.log_support[i] - levels.log_support[j])
        c = levels.covariance
        error = float(np.sqrt(c[i, i] + c[j, j] - 2 * c[i, j]))
        bounds = (value - wide * error, value + wide * error, value - narrow * error, value + narrow * error)
        found.append(Contrast(levels.names[i], levels.names[j], value, *bounds))
    return found


@lru_cache
def _tukey(levels: int, df: int) -> float:
    """How many standard errors of a difference its simultaneous 95 % interval reaches."""
    if levels == 2:
        return float(stats.t.ppf(0.975, df))
    return float(stats.studentized_range.ppf(0.95, levels, df) / np.sqrt(2))
