"""N2 as a function of tau, read off the histogram of all pair distances.

Grassberger & Procaccia 1983 (Measuring the strangeness of strange attractors): the share of pairs nearer than
tau, as a function of tau, is the correlation integral; N2 is its inverse. A plateau is a finite support; a
straight line on log axes has the correlation dimension as its slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

# A ratio of fewer pairs than this is noise.
FEWEST = 10

Array = np.ndarray[Any, np.dtype[np.float64]]


class Curve(NamedTuple):
    """tau: (k,) edges, ascending, in the embedding's units. n2: (k,) pairs / pairs nearer than tau, infinite
    where there are none. pairs: all of them. exact_below: from there on a distance may have been counted in a
    neighbouring bin.
    """

    tau: Array
    n2: Array
    pairs: int
    exact_below: float


def edges(rows: pd.DataFrame) -> Array:
    """Every edge of these histograms, ascending: all histograms of the store share theirs."""
    return np.unique(np.concatenate([rows["low"].to_numpy(np.float64), rows["high"].to_numpy(np.float64)]))


def curve(rows: pd.DataFrame, tau: Array) -> Curve:
    """N2 of one subject at these edges. rows: its part of `distances`. tau: (k,) from `edges`."""
    rows = rows.sort_values("high", kind="stable")
    counts = rows["count"].to_numpy(np.int64)
    below = np.concatenate([[0], np.cumsum(counts)])
    # Bins are half open: the pairs nearer than an edge are those of the bins that end there or before.
    nearer = below[np.searchsorted(rows["high"].to_numpy(np.float64), tau, side="right")]
    n2 = np.divide(below[-1], nearer, out=np.full(len(tau), np.inf), where=nearer > 0)
    bound = rows["exact_below"].iloc[0]
    return Curve(tau, n2, int(below[-1]), float(bound) if pd.notna(bound) else np.inf)


def middle(curves: Sequence[Curve]) -> Curve:
    """At each tau the lower median of these curves, which is the value of one of them."""
    n2 = np.sort(np.stack([c.n2 for c in curves]), axis=0)[(len(curves) - 1) // 2]
    first = curves[0]
    return Curve(first.tau, n2, first.pairs, min(c.exact_below for c in curves))


def middle_row(rows: pd.DataFrame) -> pd.Series[Any]:
    """The row of `collisions` in the middle by p2, the lower of the two by N2, as in `middle`."""
    ordered = rows.sort_values(["p2", "trial_id"], ascending=[False, True], kind="stable")
    return ordered.iloc[(len(ordered) - 1) // 2]


def ratio(curve: Curve, to: Curve) -> Curve:
    """N2 relative to another curve at the same tau; NaN where either saw fewer than `FEWEST` pairs."""
    known = (curve.n2 * FEWEST <= curve.pairs) & (to.n2 * FEWEST <= to.pairs)
    n2 = np.divide(curve.n2, to.n2, out=np.full(len(curve.n2), np.nan), where=known)
    return Curve(curve.tau, n2, curve.pairs, min(curve.exact_below, to.exact_below))
