"""Is it size, or quality? The slope of log N2 again among trials of like quality, and with quality held.

A larger discriminator also trains otherwise: if support grew only because quality did, the slope at matched
quality is 0. Quality comes after training, so that what it carries of a true effect is taken out as well: the
partial slope is what size does beyond quality, and no correction of the plain one. Quality is measured with
error, so that a little of its effect stays in the partial slope.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.study import Hypothesis, Study
from reports.statistics.counts import Undecided, fit_counts
from reports.statistics.factors import factors, heard, some
from reports.statistics.levels import design
from reports.statistics.quality import known, quality
from reports.statistics.slopes import (
    FEWEST_DF,
    PREDICTOR_COLUMNS,
    Regression,
    Slope,
    covariates,
    estimate,
    slope_of,
)
from reports.statistics.verdicts import Verdict


class Matched(NamedTuple):
    """A slope with its 95 % interval among `trials` trials, or None and the reason. how: what was matched."""

    how: str
    value: float | None
    low: float | None
    high: float | None
    trials: int
    reason: str


def confound(verdict: Verdict, study: Study, trials: pd.DataFrame) -> list[Matched]:
    """The plain slope first, then above the gate, in the band of each measure that all sizes share, and with
    each measure and all of them as covariates. trials: as for `variants.compare`; log KID as in `quality.py`.
    """
    hypothesis = verdict.hypothesis
    measured = quality(trials)
    names = [str(name) for name in measured if measured[name].notna().any()]
    found = [
        _of_slope("all trials", verdict.slope, len(trials), verdict.reason),
        _of_slope("above the quality gate", verdict.gated, verdict.gated_trials, "too few trials"),
    ]
    for name in names:
        inside = _shared(measured[name], trials[PREDICTOR_COLUMNS[hypothesis.predictor]])
        found.append(
            _estimated(f"in the band of {name} that all sizes share", hypothesis, study, trials[inside])
        )
    held = [[name] for name in names] + ([names] if len(names) > 1 else [])
    for one in held:
        rows = known(measured[one])
        how = f"{' and '.join(one)} as covariate{'s' if len(one) > 1 else ''}"
        found.append(_partial(how, hypothesis, study, trials.loc[rows.index], rows))
    return found


def _shared(values: pd.Series[float], sizes: pd.Series) -> pd.Series[bool]:
    """The trials between the largest of the sizes' least values and the smallest of their greatest ones."""
    by_size = values.groupby(sizes)
    return values.between(by_size.min().max(), by_size.max().min())


def _of_slope(how: str, slope: Slope | None, trials: int, reason: str) -> Matched:
    if slope is None:
        return Matched(how, None, None, None, trials, reason)
    return Matched(how, slope.value, slope.low, slope.high, slope.trials, "")


def _estimated(how: str, hypothesis: Hypothesis, study: Study, trials: pd.DataFrame) -> Matched:
    try:
        return _of_slope(how, estimate(hypothesis, study, trials), len(trials), "")
    except Undecided as error:
        return _of_slope(how, None, len(trials), str(error))


def _partial(
    how: str, hypothesis: Hypothesis, study: Study, trials: pd.DataFrame, measures: pd.DataFrame
) -> Matched:
    """The slope with these measures as covariates, from the same model."""
    size = trials[PREDICTOR_COLUMNS[hypothesis.predictor]]
    trials, measures = trials[size.notna()], measures[size.notna()]
    counts = trials["collisions"].to_numpy(np.float64)
    others = factors(trials[covariates(hypothesis, study)])
    kept = heard(counts, others)
    try:
        if not kept.any():
            raise Undecided("no pair collided in any trial")
        x = np.log(size.dropna().to_numpy(np.float64)[kept])
        if np.ptp(x) == 0:
            raise Undecided(f"{hypothesis.predictor} takes one value only")
        focus = np.column_stack([np.ones(len(x)), x - x.mean()])
        columns = design(focus, some(others, kept), measures[kept])
        n, p = columns.shape
        if n - p < FEWEST_DF:
            raise Undecided(f"{n} trials for {p} coefficients are too few (at least {p + FEWEST_DF})")
        problem = Regression(trials[kept], np.exp(x), columns, len(trials))
        return _of_slope(how, slope_of(problem, fit_counts(*problem.counted), 1), n, "")
    except Undecided as error:
        return Matched(how, None, None, None, len(trials), str(error))
