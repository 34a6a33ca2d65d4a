"""log N2 at every level of a factor, everything else held: from the collision counts, by the model of
`counts.py`.

Pure functions of data frames, one row a completed trial with the columns `collisions`, `pairs` and `seed`.
The interval between levels is the robust one (HC3): it rests on how much trials of one level differ, that is
on seeds, never on the number of samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.statistics.counts import Array, Undecided, fit_counts
from reports.statistics.slopes import FEWEST_DF

# A column whose part outside the others' span is smaller than this, relative to itself, follows from them.
SMALLEST_REST = 1e-8


class Levels(NamedTuple):
    """log_support (k,): mean log N2 of each level at equal weight of every held value; covariance (k, k).

    left_out: levels beside the fit, with the reason. along: axes that take one value only within each level:
    they belong to it, and cannot be held.
    """

    names: list[str]
    log_support: Array
    covariance: Array
    df: int
    trials: int
    seeds: int
    left_out: dict[str, str]
    along: list[str]


def fit_levels(
    levels: pd.Series[str], held: pd.DataFrame, trials: pd.DataFrame, numeric: pd.DataFrame | None = None
) -> Levels:
    """levels: (n,) each trial's, by the index of `trials`. held: (n, h) other varied axes. numeric: (n, q)
    known numbers to hold as covariates, quality for instance.

    Raises Undecided with the reason where the trials cannot fix the levels.
    """
    along = [str(key) for key in held if held[key].nunique() > 1 and (_texts(held[key], levels) == 1).all()]
    held = held.drop(columns=along)
    kept, left_out = usable(levels, held, trials)
    trials, levels, held = trials[kept], levels[kept], held[kept]
    names = list(dict.fromkeys(levels))
    if not names:
        raise Undecided("; ".join(sorted(set(left_out.values()))) or "there is no trial to decide by")
    focus = np.column_stack([levels == name for name in names]).astype(np.float64)
    columns = design(focus, held, None if numeric is None else numeric[kept])
    n, p = columns.shape
    if n - p < FEWEST_DF:
        raise Undecided(f"{n} trials for {p} coefficients are too few (at least {p + FEWEST_DF})")
    fit = fit_counts(
        trials["collisions"].to_numpy(np.float64), columns, np.log(trials["pairs"].to_numpy(np.float64))
    )
    k = len(names)
    # The model's coefficients belong to log p2 = -log N2.
    return Levels(
        names=names,
        log_support=-fit.coefficients[:k],
        covariance=fit.covariance[:k, :k],
        df=fit.df,
        trials=n,
        seeds=int(trials["seed"].nunique()),
        left_out=left_out,
        along=along,
    )


def design(focus: Array, held: pd.DataFrame, numeric: pd.DataFrame | None = None) -> Array:
    """(n, p): the columns of `focus`, whose span holds the constant, then standardised numbers and centred
    indicators of each further value of each held axis; those that follow from earlier ones are left out.

    Raises Undecided if what is held cannot be told apart from `focus`.
    """
    rest = _standardised(numeric) if numeric is not None else []
    for key in held:
        codes, values = pd.factorize(held[key].map(repr), sort=True)
        # Centred on equal weights of the values, so that levels are compared at the middle of what is held.
        rest += [(codes == value) - 1 / len(values) for value in range(1, len(values))]
    alone = _independent([np.ones(len(focus))], rest)
    beside = _independent(list(focus.T), rest)
    if len(beside) < len(alone):
        names = [*(numeric if numeric is not None else []), *held]
        raise Undecided(f"what is compared cannot be told apart from {', '.join(map(str, names))}")
    return np.column_stack([focus, *beside])


def _standardised(numeric: pd.DataFrame) -> list[Array]:
    columns = [numeric[key].to_numpy(np.float64) for key in numeric]
    return [(column - column.mean()) / column.std() for column in columns if column.std() > 0]


def _independent(given: list[Array], more: list[Array]) -> list[Array]:
    """Those of `more` that do not follow from `given` and the ones before them."""
    basis, kept = np.linalg.qr(np.column_stack(given))[0], []
    for column in more:
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > SMALLEST_REST * np.linalg.norm(column):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            kept.append(column)
    return kept


def usable(
    levels: pd.Series[str], held: pd.DataFrame, trials: pd.DataFrame
) -> tuple[pd.Series[bool], dict[str, str]]:
    """Which trials can be fitted, and why levels are left out.

    Not those under a value of an axis where nothing collided, since its own effect explains that whole, nor
    levels of one trial; looked for again and again, since leaving out can silence others.
    """
    kept, left_out = pd.Series(True, index=trials.index), {}
    while True:
        own = trials["collisions"].where(kept, 0).groupby(levels).transform("sum") > 0
        enough = kept.groupby(levels).transform("sum") > 1
        others = pd.Series(True, index=trials.index)
        for key in held:
            others &= trials["collisions"].where(kept, 0).groupby(held[key].map(repr)).transform("sum") > 0
        for reason, gone in (("no pair collided", ~own), ("fewer than two trials", own & ~enough)):
            left_out |= {name: f"{reason} under {name}" for name in dict.fromkeys(levels[kept & gone])}
        again = kept & own & enough & others
        if (again == kept).all():
            return kept, left_out
        kept = again


def _texts(values: pd.Series, levels: pd.Series[str]) -> pd.Series[int]:
    return values.map(repr).groupby(levels).nunique()
