"""All pairs of levels compared: differences of log N2, with intervals that hold together.

Bonferroni: every difference lies in its interval at once with at least 95 % confidence, whatever the pairs
have to do with each other. The studentized range would be shorter, but needs one variance for all pairs;
here each has its own, with degrees of freedom of its own.
"""

from __future__ import annotations

import itertools
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
    df: float

    @property
    def distance(self) -> float:
        """From 0, in units of the interval: above 1 the interval excludes 0."""
        return abs(self.value) / (self.high - self.value)


def contrasts(levels: Levels) -> list[Contrast]:
    """Every pair of levels, in their order."""
    unit, variances = np.eye(len(levels.names)), levels.variances()
    pairs = list(itertools.combinations(range(len(unit)), 2))
    found = []
    for i, j in pairs:
        value = float(levels.log_support[i] - levels.log_support[j])
        variance = variances(unit[i] - unit[j])
        error = float(np.sqrt(variance.value))
        wide, narrow = (
            float(stats.t.ppf(1 - alpha, variance.df)) * error for alpha in (0.025 / len(pairs), 0.05)
        )
        bounds = (value - wide, value + wide, value - narrow, value + narrow)
        found.append(Contrast(levels.names[i], levels.names[j], value, *bounds, variance.df))
    return found
