"""log N2 at every level of a factor, everything else held: from the collision counts, by the model of
`counts.py`.

Intervals are those of `slopes.py`: by seeds as clusters (CR2) where there are enough, else by trials (HC3);
never by the number of samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.statistics.counts import Array, Fit, Undecided, fit_counts
from reports.statistics.factors import Chosen, Codes, Factors, factors, some, sums
from reports.statistics.sandwich import Variance
from reports.statistics.slopes import FEWEST_DF, Regression, variances
from reports.statistics.spans import independent


class Levels(NamedTuple):
    """log_support (k,): mean log N2 of each level at equal weight of every held value.

    left_out: levels beside the fit, with the reason. along: axes that take one value only within each level:
    they belong to it, and cannot be held.
    """

    names: list[str]
    log_support: Array
    left_out: dict[str, str]
    along: list[str]
    problem: Regression
    fit: Fit

    @property
    def trials(self) -> int:
        """Those in the fit."""
        return len(self.problem.trials)

    @property
    def seeds(self) -> int:
        """Those of the trials in the fit."""
        return int(self.problem.trials["seed"].nunique())

    def variances(self) -> Callable[[Array], Variance]:
        """Of any weighted sum (k,) of the levels, with its degrees of freedom."""
        of, padding = variances(self.problem, self.fit), self.problem.design.shape[1] - len(self.names)
        return lambda weights: of(np.pad(weights, (0, padding)))


def fit_levels(
    levels: pd.Series[str], held: pd.DataFrame, trials: pd.DataFrame, numeric: pd.DataFrame | None = None
) -> Levels:
    """levels: (n,) each trial's. held: (n, h) other varied axes. trials: completed ones with `collisions`,
    `pairs` and `seed`. numeric: (n, q) known numbers to hold as covariates, quality for instance.

    Raises Undecided with the reason where the trials cannot fix the levels.
    """
    names = list(dict.fromkeys(levels))
    own, others = pd.factorize(levels)[0], factors(held)
    along = moving_along(own, others)
    others = {key: codes for key, codes in others.items() if key not in along}
    counts, pairs = (trials[key].to_numpy(np.float64) for key in ("collisions", "pairs"))
    kept, reasons = usable(own, others, counts)
    left_out = {names[code]: f"{reason} under {names[code]}" for code, reason in reasons.items()}
    if not kept.any():
        raise Undecided("; ".join(left_out.values()) or "there is no trial to decide by")
    used = np.unique(own[kept])
    focus = (own[kept, None] == used).astype(np.float64)
    columns = design(focus, some(others, kept), None if numeric is None else numeric[kept])
    n, p = columns.shape
    if n - p < FEWEST_DF:
        raise Undecided(f"{n} trials for {p} coefficients are too few (at least {p + FEWEST_DF})")
    fit = fit_counts(counts[kept], columns, np.log(pairs[kept]))
    return Levels(
        names=[names[code] for code in used],
        # The model's coefficients belong to log p2 = -log N2.
        log_support=-fit.coefficients[: len(used)],
        left_out=left_out,
        along=along,
        problem=Regression(trials[kept], used.astype(np.float64), columns, len(trials)),
        fit=fit,
    )


def joined(held: pd.DataFrame) -> pd.Series[str]:
    """Every row's values in one text."""
    texts = [", ".join(map(str, row)) for row in held.to_numpy(object)]
    return pd.Series(texts, index=held.index, dtype=object)


def moving_along(levels: Codes, others: Factors) -> list[str]:
    """The axes that vary, but take one value only within each level."""
    found = []
    for key, codes in others.items():
        together = len(np.unique(levels * (codes.max(initial=0) + 1) + codes))
        if together == len(np.unique(levels)) and len(np.unique(codes)) > 1:
            found.append(key)
    return found


def usable(levels: Codes, others: Factors, counts: Array) -> tuple[Chosen, dict[int, str]]:
    """Which trials can be fitted, and why levels are left out.

    Not those under a value of an axis where nothing collided, since its own effect explains that whole, nor
    levels of one trial; looked for again and again, since leaving out can silence others.
    """
    kept = np.ones(len(levels), bool)
    left_out: dict[int, str] = {}
    while True:
        heard = sums(levels, counts * kept) > 0
        enough = sums(levels, kept) > 1
        left_out |= dict.fromkeys(map(int, levels[kept & ~heard]), "no pair collided")
        left_out |= dict.fromkeys(map(int, levels[kept & heard & ~enough]), "fewer than two trials")
        again = kept & heard & enough
        for codes in others.values():
            again &= sums(codes, counts * kept) > 0
        if (again == kept).all():
            return kept, left_out
        kept = again


def design(focus: Array, others: Factors, numeric: pd.DataFrame | None = None) -> Array:
    """(n, p): the columns of `focus`, whose span holds the constant, then standardised numbers and centred
    indicators of each further value of each axis; those that follow from earlier ones are left out.

    Raises Undecided if what is held cannot be told apart from `focus`.
    """
    rest = _standardised(numeric) if numeric is not None else []
    for codes in others.values():
        values = np.unique(codes)
        # Centred on equal weights of the values, so that levels are compared at the middle of what is held.
        rest += [(codes == value) - 1 / len(values) for value in values[1:]]
    alone = independent([np.ones(len(focus)), *rest])
    together = [*focus.T, *rest]
    beside = [together[k] for k in independent(together) if k >= focus.shape[1]]
    if len(beside) < len(alone) - 1:
        names = [*(numeric if numeric is not None else []), *others]
        raise Undecided(f"what is compared cannot be told apart from {', '.join(map(str, names))}")
    return np.column_stack([focus, *beside])


def _standardised(numeric: pd.DataFrame) -> list[Array]:
    columns = [numeric[key].to_numpy(np.float64) for key in numeric]
    return [(column - column.mean()) / column.std() for column in columns if column.std() > 0]
