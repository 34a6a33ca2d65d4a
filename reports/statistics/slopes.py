"""The slope of log N2 on a log predictor, and its interval.

Pure functions of data frames. One row a completed trial, with the columns `collisions`, `pairs`, the
predictor's, one for every covariate, `seed` and `passes_gate`.

Model. log N2 = a + slope * log(predictor) + an effect for each value of every other varied axis except the
seed, fitted to the collision counts themselves with offset log(pairs) (`counts.py`), so that a trial without
any collision is data and not a gap.

Interval. Trials of a seed share their training subset and every other trial's randomness is its own, but what
a subset does may depend on size. With `FEWEST_SEEDS` seeds or more the seeds are therefore clusters: CR2 with
Satterthwaite's degrees of freedom (`sandwich.py`). With fewer, trials are taken as independent (HC3, Student
quantiles on the residual degrees of freedom), and the report says so.

Why this model: it was chosen by the coverage of its 95 % interval in simulated studies (slopes 0, 0.5, 1;
log-sd between trials 0.3 and 1.0). Of the others tried (200 studies a cell, 15 to 40 trials), a negative
binomial with the same robust interval covers 88-94 % at log-sd 1.0 and as little as 70 % when the variation
grows with size, since it describes the mean count, which a few collapsed trials rule; least squares on
log((C + 1/2) / (pairs + 1)) covers 91-99 % while every trial has collisions, but as little as 1 % when a
quarter has none, since these pull the slope to 0. This one with independent trials, 400 studies a cell, 8 %
of the trials lost:

    planned trials                                           16              40
    next to every trial has collisions                  95.0-97.3 %     94.0-97.0 %
    6-26 % without any, equal variation                 95.5-97.8 %     94.0-97.5 %
    6-26 % without any, log-sd growing 2.6-fold         93.5-96.8 %     87.5-96.7 %

At slope 0, "increasing" was supported in at most 4.0 % of the studies of any cell. The weak corner (87.5 %)
is slope 1, log-sd 1.0 and growing, a quarter of the trials without a collision: there the slope comes out 0.1
to 0.2 too low. `tests/reports/test_coverage.py` repeats the check on every test run.

With seeds as clusters, 300 to 600 studies a cell (5 sizes, 2 objectives, 5 seeds, log-sd 0.6, slopes 0, 0.5
and 1, 8 % of the trials lost), coverage, and in brackets "increasing" supported at slope 0; the second column
as above has 9 to 26 % of the trials without a collision:

    what seeds share                                    with collisions       fewer
    nothing                                             94.2-95.7 % (3.0)     93.3-95.7 % (3.8)
    a level, log-sd 1                                   94.7-97.3 % (2.0)     92.0-95.0 % (4.0)
    level and slope, sd 0.5 and 0.4                     95.3-97.7 % (2.3)     94.3-96.0 % (1.7)
    nothing; log-sd growing 2.6-fold                    94.3-96.0 % (3.3)     92.7-94.7 % (0.7)
    nothing; 30 % of the trials lost                    94.3-95.0 % (3.3)     94.3-96.3 % (3.3)

Where seeds differ in slope, trials taken as independent would support "increasing" at slope 0 in 9-17 % of
the studies and cover 63-82 %: that is what the report warns of below `FEWEST_SEEDS`. With 3 or 4 seeds CR2
covers 93-96 % too, but with 3 its interval is 1.7 times as wide where seeds do not differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from pipeline.study import PREDICTOR_AXES, Hypothesis, Study
from reports.statistics.counts import Array, Fit, Undecided, fit_counts
from reports.statistics.factors import Factors, factors, heard, some
from reports.statistics.sandwich import Variance, clustered
from reports.statistics.spans import independent

PREDICTOR_COLUMNS = {
    "log_discriminator_params": "discriminator_params",
    "log_generator_params": "generator_params",
    "log_train_samples": "train_samples",
}
# Fewer residual degrees of freedom than this make a Student interval that no one should read.
FEWEST_DF = 4
# From so many seeds on they are clusters: fewer say too little about how much seeds differ.
FEWEST_SEEDS = 4
# The share of studies in which an effect of a stated size would be found.
POWER = 0.8


@dataclass(frozen=True)
class Slope:
    """d log N2 / d log predictor with its 95 % and 90 % intervals, and what it rests on.

    sigma: between-trial standard deviation of log N2. df: degrees of freedom of the interval. trials: those
    in the fit, `censored` of them without any collision. silent: trials beside the fit, because nothing
    collided under their value of a held axis: its own effect explains that whole, so they say nothing about
    the slope. by_seed: whether the interval takes the seeds as clusters, or trials as independent.
    """

    value: float
    low: float
    high: float
    low90: float
    high90: float
    sigma: float
    df: float
    trials: int
    seeds: int
    censored: int
    silent: int
    by_seed: bool = False

    @property
    def error(self) -> float:
        """The standard error."""
        return (self.high - self.value) / float(stats.t.ppf(0.975, self.df))

    @property
    def near_linear(self) -> bool:
        """Whether N2 grows in proportion to the predictor as far as is known, and surely grows: the 95 %
        interval contains 1 and excludes 0.
        """
        return 0 < self.low <= 1 <= self.high

    @property
    def detectable(self) -> float:
        """The smallest |slope| whose 95 % interval, of this standard error, would exclude 0 on its own side
        in 80 % of such studies.
        """
        quantile = float(stats.t.ppf(0.975, self.df))
        shift = optimize.brentq(lambda d: float(stats.nct.sf(quantile, self.df, d)) - POWER, 0.0, 100.0)
        return self.error * float(shift)

    @property
    def showable(self) -> float:
        """The smallest margin within which a slope of 0 would be called flat in 80 % of such studies: both
        one-sided tests at 5 % (Schuirmann 1987) succeed if the estimate falls into the middle.
        """
        quantile, inside = stats.t.ppf(0.95, self.df), stats.t.ppf((1 + POWER) / 2, self.df)
        return self.error * float(quantile + inside)


def covariates(hypothesis: Hypothesis, study: Study) -> list[str]:
    """The varied axes that are held fixed in the model: all but the seed, those that move the predictor, and
    those that a search chose for every group: there a capacity comes with its own best setting.
    """
    prefix = PREDICTOR_AXES[hypothesis.predictor]
    tuned = {key for one in study.tuned.chosen for key in one.settings} if study.tuned else set()
    return [key for key in study.axes() if key not in {"seed", *tuned} and not key.startswith(prefix)]


def estimate(hypothesis: Hypothesis, study: Study, trials: pd.DataFrame) -> Slope:
    """The slope over these trials. Raises Undecided with the reason where they cannot fix it."""
    problem = regression(hypothesis, trials, covariates(hypothesis, study))
    return slope_of(problem, fit_counts(*problem.counted), 1)


class Regression(NamedTuple):
    """What a slope is fitted to. trials: those that say something about it, n rows. sizes: (n,) the predictor
    before its logarithm. design: (n, p), ones, the centred log predictor, the held effects. stored: how many
    trials there were.
    """

    trials: pd.DataFrame
    sizes: Array
    design: Array
    stored: int

    @property
    def counted(self) -> tuple[Array, Array, Array]:
        """Collisions (n,), design, log pairs (n,)."""
        pairs = self.trials["pairs"].to_numpy(np.float64)
        return self.trials["collisions"].to_numpy(np.float64), self.design, np.log(pairs)


def regression(hypothesis: Hypothesis, trials: pd.DataFrame, held: list[str]) -> Regression:
    """The trials and the design behind a slope, with these axes held. Raises Undecided as `estimate`."""
    if trials.empty:
        raise Undecided("there is no trial to decide by")
    if not (trials["collisions"] > 0).any():
        raise Undecided("no pair collided in any trial")
    # Systems without a discriminator say nothing about its size.
    trials = trials[trials[PREDICTOR_COLUMNS[hypothesis.predictor]].notna()]
    others = factors({key: trials[key] for key in held})
    kept = heard(trials["collisions"].to_numpy(np.float64), others)
    stored, trials = len(trials), trials[kept]
    sizes = trials[PREDICTOR_COLUMNS[hypothesis.predictor]].to_numpy(np.float64, na_value=np.nan)
    if not np.isfinite(sizes).all():
        raise Undecided(f"{hypothesis.predictor} is missing for some trial")
    design = design_matrix(np.log(sizes), some(others, kept), hypothesis.predictor)
    n, p = design.shape
    if n - p < FEWEST_DF:
        raise Undecided(f"{n} trials for {p} coefficients are too few (at least {p + FEWEST_DF})")
    return Regression(trials, sizes, design, stored)


def slope_of(problem: Regression, fit: Fit, column: int) -> Slope:
    """The slope of log N2 = -log p2 along one column of the fitted design, with its intervals."""
    variance = variances(problem, fit)(np.eye(problem.design.shape[1])[column])
    # The model's coefficient belongs to log p2 = -log N2.
    value, error = -float(fit.coefficients[column]), float(np.sqrt(variance.value))
    wide, narrow = (float(stats.t.ppf(q, variance.df)) * error for q in (0.975, 0.95))
    seeds = int(problem.trials["seed"].nunique())
    return Slope(
        value=value,
        low=value - wide,
        high=value + wide,
        low90=value - narrow,
        high90=value + narrow,
        sigma=fit.sigma,
        df=variance.df,
        trials=len(problem.trials),
        seeds=seeds,
        censored=int((problem.trials["collisions"] == 0).sum()),
        silent=problem.stored - len(problem.trials),
        by_seed=seeds >= FEWEST_SEEDS,
    )


def variances(problem: Regression, fit: Fit) -> Callable[[Array], Variance]:
    """Of any contrast (p,) of the coefficients: by seeds where there are enough, else by trials."""
    if problem.trials["seed"].nunique() < FEWEST_SEEDS:
        return lambda contrast: Variance(float(contrast @ fit.covariance @ contrast), fit.df)
    return clustered(fit, problem.design, pd.factorize(problem.trials["seed"])[0]).variance


def influences(problem: Regression, fit: Fit, contrast: Array) -> pd.Series[float]:
    """By seed, about how much a contrast (p,) of the coefficients is higher for its trials' sake."""
    codes, seeds = pd.factorize(problem.trials["seed"])
    return pd.Series(clustered(fit, problem.design, codes).parts(contrast), index=seeds)


def design_matrix(predictor: Array, held: Factors, name: str) -> Array:
    """(n, p): ones, the centred predictor, and an indicator for each further value of each held axis.

    Indicators that follow from earlier ones (axes that move together) are left out.
    Raises Undecided if the predictor is constant or follows from the held axes.
    """
    if np.ptp(predictor) == 0:
        raise Undecided(f"{name} takes one value only")
    levels = [codes == level for codes in held.values() for level in np.unique(codes)[1:]]
    columns = [np.ones(len(predictor)), *(level.astype(np.float64) for level in levels)]
    centred = predictor - predictor.mean()
    # The predictor last: before the others it would take the place of a level that determines it. What it
    # does not follow from follows from it neither.
    kept = independent([*columns, centred])
    if kept[-1] != len(columns):
        raise Undecided(f"{name} cannot be told apart from {', '.join(held)}, which moves with it")
    return np.column_stack([columns[0], centred, *(columns[k] for k in kept[1:-1])])
