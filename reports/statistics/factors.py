"""Axes of a study as numbers: which value each trial has, and which trials say something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reports.statistics.counts import Array

Codes = np.ndarray[Any, np.dtype[np.int64]]
Chosen = np.ndarray[Any, np.dtype[np.bool_]]
# Name of an axis -> the number of each trial's value (n,).
Factors = dict[str, Codes]


def factors(held: pd.DataFrame | Mapping[Any, pd.Series[Any]]) -> Factors:
    """Every column's values by number, in the order of their text."""
    return {str(key): _codes(held[key]) for key in held}


def some(held: Factors, chosen: Chosen) -> Factors:
    """The same of the chosen trials."""
    return {key: codes[chosen] for key, codes in held.items()}


def sums(codes: Codes, values: Array | Chosen) -> Array:
    """(n,): the sum of `values` over the trials that share a trial's code."""
    return np.asarray(np.bincount(codes, weights=values)[codes], np.float64)


def heard(counts: Array, held: Factors) -> Chosen:
    """(n,): which trials can be fitted: not those under a value of an axis where nothing collided, since its
    own effect explains that whole; looked for again and again, since leaving out can silence others.
    """
    kept = np.ones(len(counts), bool)
    while True:
        again = kept.copy()
        for codes in held.values():
            again &= sums(codes, counts * kept) > 0
        if (again == kept).all():
            return kept
        kept = again


def _codes(values: pd.Series[Any]) -> Codes:
    try:
        codes, found = pd.factorize(values, use_na_sentinel=False)
    except TypeError:  # lists do not hash
        codes, found = pd.factorize(values.map(repr))
    texts = [repr(value) for value in found]
    rank = {text: k for k, text in enumerate(sorted(texts))}
    return np.array([rank[text] for text in texts], np.int64)[codes]
