"""How N2 grows with the size of a network: what stands beside the slope on which a capacity verdict rests."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from pipeline.study import PREDICTOR_AXES, Hypothesis, Study
from reports.statistics.bends import Bend, bend
from reports.statistics.counts import Array, Fit, Undecided, fit_counts
from reports.statistics.slopes import (
    FEWEST_SEEDS,
    Regression,
    Slope,
    covariates,
    regression,
    slope_of,
    variances,
)
from reports.statistics.trends import Trend, jonckheere, permutation

# A mixed model of more trials takes minutes and says what the clustered interval says.
MOST_MIXED = 10_000


class Steps(NamedTuple):
    """sizes: (k,) log parameters, ascending. mean: (k,) of log N2 there. isotonic: (k,) its monotone fit."""

    sizes: Array
    mean: Array
    isotonic: Array


class Line(NamedTuple):
    """log N2 over log sizes (k,) at the mean of the held effects, with its pointwise 95 % interval."""

    sizes: Array
    value: Array
    low: Array
    high: Array


class Mixed(NamedTuple):
    """The slope of a mixed-effects model with its 95 % interval."""

    value: float
    low: float
    high: float


class Growth(NamedTuple):
    """log_n2: (n,) of the trials in the fit, held effects taken out. size: (n,) log sizes. censored: (n,)
    whether no pair collided: such a trial counts as if half a one had, but in the slope and the bend, which
    need no such thing. parts: of width and depth, where both are varied, the slope by one at equal other.
    Where something cannot be estimated, the reason stands in its place.
    """

    hypothesis: Hypothesis
    slope: Slope
    log_n2: Array
    size: Array
    censored: np.ndarray[Any, np.dtype[np.bool_]]
    line: Line
    steps: Steps
    jonckheere: Trend
    permutation: Trend
    bend: Bend | str
    mixed: Mixed | str
    parts: dict[str, Slope | str]


def growth(hypothesis: Hypothesis, study: Study, trials: pd.DataFrame) -> Growth:
    """The shape of growth over these trials. Raises Undecided where not even a slope can be estimated."""
    held = covariates(hypothesis, study)
    problem = regression(hypothesis, trials, held)
    counts, design, log_pairs = problem.counted
    fit = fit_counts(counts, design, log_pairs)
    size = np.log(problem.sizes)
    raw = log_pairs - np.log(np.maximum(counts, 0.5))
    log_n2 = raw + (design[:, 2:] - design[:, 2:].mean(axis=0)) @ fit.coefficients[2:]
    strata = problem.trials.groupby([problem.trials[key].map(repr) for key in [*held, "seed"]]).ngroup()
    codes = strata.to_numpy().astype(np.int64)
    return Growth(
        hypothesis=hypothesis,
        slope=slope_of(problem, fit, 1),
        log_n2=log_n2,
        size=size,
        censored=counts == 0,
        line=_line(problem, fit, size),
        steps=_steps(size, log_n2, hypothesis.expect != "decreasing"),
        jonckheere=jonckheere(size, raw, codes),
        permutation=permutation(size, raw, codes),
        bend=_bend(problem, fit, size),
        mixed=_mixed(problem, raw),
        parts=_parts(hypothesis, study, trials),
    )


def _line(problem: Regression, fit: Fit, size: Array) -> Line:
    at = np.linspace(size.min(), size.max(), 13)
    middle, of = problem.design.mean(axis=0), variances(problem, fit)
    value, half = np.zeros(len(at)), np.zeros(len(at))
    for k, x in enumerate(at):
        contrast = middle.copy()
        contrast[1] += x - size.mean()
        variance = of(contrast)
        value[k] = -contrast @ fit.coefficients
        half[k] = stats.t.ppf(0.975, variance.df) * np.sqrt(variance.value)
    return Line(at, value, value - half, value + half)


def _steps(size: Array, log_n2: Array, increasing: bool) -> Steps:
    """The least-squares monotone fit to the means by size, weighted by trials (pool adjacent violators:
    Barlow et al. 1972).
    """
    sizes, code, trials = np.unique(size, return_inverse=True, return_counts=True)
    mean = np.bincount(code, log_n2) / trials
    found = optimize.isotonic_regression(mean, weights=trials, increasing=increasing)
    return Steps(sizes, mean, found.x)


def _bend(problem: Regression, fit: Fit, size: Array) -> Bend | str:
    try:
        return bend(problem, fit, size) or "needs at least three sizes"
    except Undecided as error:
        return str(error)


def _mixed(problem: Regression, log_n2: Array) -> Mixed | str:
    """A linear mixed-effects model of log N2: held effects fixed, level and slope random by seed (level alone
    where seeds are few), by restricted maximum likelihood; Student quantiles on the number of seeds less 1.
    """
    seeds = pd.factorize(problem.trials["seed"])[0]
    groups = int(seeds.max()) + 1
    if groups < 2:
        return "needs two seeds"
    if len(seeds) > MOST_MIXED:
        return f"not fitted to more than {MOST_MIXED:,} trials"
    # Here, since it takes a second to import.
    from statsmodels.regression.mixed_linear_model import MixedLM

    scaled = problem.design.copy()
    unit = float(scaled[:, 1].std())
    scaled[:, 1] /= unit
    random = scaled[:, : 2 if groups >= FEWEST_SEEDS else 1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a variance of 0 is no failure
            found = MixedLM(log_n2, scaled, seeds, exog_re=random).fit(method=["powell", "lbfgs"])
    except np.linalg.LinAlgError:
        return "its likelihood is singular"
    value, error = float(found.fe_params[1]) / unit, float(found.bse_fe[1]) / unit
    if not (found.converged and np.isfinite(error)):
        return "did not converge"
    half = float(stats.t.ppf(0.975, groups - 1)) * error
    return Mixed(value, value - half, value + half)


def _parts(hypothesis: Hypothesis, study: Study, trials: pd.DataFrame) -> dict[str, Slope | str]:
    """Where both are varied: d log N2 / d log parameters by width at equal depth, by depth at equal width."""
    (prefix,) = PREDICTOR_AXES[hypothesis.predictor]
    axes = {part: f"{prefix}{part}" for part in ("width", "depth")}
    if not all(axis in study.axes() for axis in axes.values()):
        return {}
    found: dict[str, Slope | str] = {}
    for part, axis in axes.items():
        others = [other for other in axes.values() if other != axis]
        try:
            problem = regression(hypothesis, trials, [*covariates(hypothesis, study), *others])
            found[part] = slope_of(problem, fit_counts(*problem.counted), 1)
        except Undecided as error:
            found[part] = str(error)
    return found
