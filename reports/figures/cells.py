"""What a point of a figure stands for: a trial, or where they are too many the seeds of one setting."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from reports.tables.results import Results

# More points than this cover each other.
MOST_POINTS = 2000
# What the seeds of a setting share, beside the varied axes; the gate divides them.
SHARED = ["variant", "discriminator_params", "train_samples", "data_fingerprint"]
SHARED += ["n2_real", "gate", "real_precision", "passes_gate"]


class Points(NamedTuple):
    """rows: of completed trials, or medians in the same columns. one: what a point is, in words."""

    rows: pd.DataFrame
    one: str


def points(results: Results) -> Points:
    """Every completed trial, or of more than `MOST_POINTS` the medians of settings."""
    trials = results.completed
    if len(trials) <= MOST_POINTS:
        return Points(trials, "a trial")
    return Points(medians(trials, [axis for axis in results.axes if axis != "seed"]), "a setting's median")


def medians(trials: pd.DataFrame, axes: list[str]) -> pd.DataFrame:
    """One row a setting: the median of `n2` and of `precision` over its seeds, and `n2_low` and `n2_high`.

    These are the 95 % interval of the median by order statistics (Conover 1999, section 3.2), of fewer than
    six seeds their range. A trial without any collision counts as larger than all others; `n2` is null where
    the median is one, `n2_low` then the median of their lower bounds if that is one too, `n2_high` where the
    upper end is one.
    """
    keys = list(dict.fromkeys([*axes, *SHARED]))
    # An axis may hold lists, which do not hash.
    named = trials[keys].assign(**{axis: trials[axis].map(repr) for axis in axes if axis not in SHARED})
    rows = []
    for _, own in trials.groupby([named[key] for key in keys], dropna=False, sort=False):
        n2 = np.sort(own["n2"].to_numpy(np.float64, na_value=np.inf))
        k = max(int(stats.binom.ppf(0.025, len(n2), 0.5)), 1)
        low, middle, high = n2[k - 1], float(np.median(n2)), n2[-k]
        found = {"n2": middle, "n2_low": low if np.isfinite(low) else own["n2_low"].median(), "n2_high": high}
        rows.append(own.iloc[0][keys].to_dict() | found | {"precision": own["precision"].median()})
    settings = pd.DataFrame(rows).replace(np.inf, np.nan)
    return settings.assign(ratio_to_real=settings["n2"] / settings["n2_real"])
