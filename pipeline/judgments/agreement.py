"""How far raters agree, and how often they see duplicates where there are none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats


class Kappa(NamedTuple):
    """Agreement beyond chance, with its standard error; both NaN where chance alone agrees always."""

    kappa: float
    standard_error: float
    agreement: float
    items: int


class FalseAlarm(NamedTuple):
    """rate: share of held-out real pairs called duplicates, with its Clopper-Pearson interval. any_*: the
    probability that the stated number of inspected pairs yields at least one.
    """

    rate: float
    low: float
    high: float
    any_rate: float
    any_low: float
    any_high: float


def kappa(a: np.ndarray, b: np.ndarray) -> Kappa:
    """Cohen's kappa of two raters' labels of the same items, (n,) each, any number of categories.

    Its standard error holds for large n (Fleiss, Cohen & Everitt 1969, Large sample standard errors of
    kappa). Raises ValueError for no items or different numbers of them.
    """
    if len(a) != len(b) or len(a) == 0:
        raise ValueError("kappa needs two labels of each of at least one item")
    categories, which = np.unique(np.concatenate([a, b]), return_inverse=True)
    n, k = len(a), len(categories)
    table = np.zeros((k, k))
    np.add.at(table, (which[:n], which[n:]), 1)
    table /= n
    rows, columns, agreed = table.sum(axis=1), table.sum(axis=0), np.diag(table)
    observed, chance = float(agreed.sum()), float(rows @ columns)
    if k == 1:
        return Kappa(np.nan, np.nan, observed, n)
    found = (observed - chance) / (1 - chance)
    rest = 1 - found
    crossed = (columns[:, None] + rows[None, :]) ** 2 * table
    variance = (
        agreed @ (1 - (rows + columns) * rest) ** 2
        + rest**2 * (crossed.sum() - np.trace(crossed))
        - (found - chance * rest) ** 2
    ) / (n * (1 - chance) ** 2)
    return Kappa(found, float(np.sqrt(max(variance, 0.0))), observed, n)


def fleiss_kappa(labels: np.ndarray) -> Kappa:
    """Fleiss' kappa of (items, raters) labels, any number of categories.

    Its standard error is that of the items' linearised contributions (Gwet 2021, Large-sample variance of
    Fleiss generalized kappa). Raises ValueError for fewer than two items or raters.
    """
    items, raters = labels.shape
    if items < 2 or raters < 2:
        raise ValueError("Fleiss' kappa needs at least two items and two raters")
    categories = np.unique(labels)
    counts = (labels[:, :, None] == categories).sum(axis=1)
    agreement = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    overall = counts.mean(axis=0) / raters
    observed, chance = float(agreement.mean()), float(overall @ overall)
    if len(categories) == 1:
        return Kappa(np.nan, np.nan, observed, items)
    found = (observed - chance) / (1 - chance)
    by_chance = counts @ overall / raters
    part = (agreement - chance) / (1 - chance) - 2 * (1 - found) * (by_chance - chance) / (1 - chance)
    return Kappa(found, float(part.std(ddof=1) / np.sqrt(items)), observed, items)


def false_alarm(duplicates: int, judged: int, inspected: int = 20, confidence: float = 0.95) -> FalseAlarm:
    """How often pairs of real held-out images are called duplicates, and what that does to a search by eye.

    Of `inspected` pairs, none of them duplicates, at least one is called so with probability
    1 - (1 - rate)^inspected: with 3.4 % of false alarms the 20 pairs of Arora & Zhang (2017) yield one half
    of the time. The rate is that of the pairs as shown. Raises ValueError unless 0 <= duplicates <= judged,
    judged > 0.
    """
    if not 0 <= duplicates <= judged or judged == 0:
        raise ValueError(f"{duplicates} of {judged} judged pairs cannot be false alarms")
    bounds = stats.binomtest(duplicates, judged).proportion_ci(confidence, method="exact")
    rates = np.array([duplicates / judged, bounds.low, bounds.high])
    return FalseAlarm(*map(float, rates), *map(float, 1 - (1 - rates) ** inspected))
