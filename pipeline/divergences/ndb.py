"""NDB: the number of cells of space that two samples fill differently."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special, stats

from pipeline.divergences.cells import cell_of


class NDB(NamedTuple):
    """ndb: bins of different occupancy, of `bins`; ndb_share: ndb / bins; ndb_holm: those left after Holm's
    correction. js: Jensen-Shannon divergence of the two histograms in nats, in [0, log 2].
    """

    bins: int
    ndb: int
    ndb_share: float
    ndb_holm: int
    js: float


def ndb(reference: np.ndarray, generated: np.ndarray, centres: np.ndarray, alpha: float = 0.05) -> NDB:
    """Compare how (n, d) reference and (m, d) generated points fill the cells of (K, d) centres.

    A bin is different if the two-proportion z-test with pooled variance rejects at level alpha (Richardson &
    Weiss 2018, with K = 100 from k-means). Equal laws reject about alpha K bins; after Holm's
    (1979) correction, which rejects whatever Bonferroni's does, any at all with probability alpha at most.
    The normal approximation wants some ten points a bin. A bin empty in both samples is not different. js > 0
    also for equal laws: about (K - 1)(1/n + 1/m) / 8.

    centres: from `k_means`, of points other than the reference, such as training images with held-out images
    as reference. The cells of k-means fit their own points better than new ones: with the original's
    protocol, which takes centres and reference from one set, two samples of 5,000 points of N(0, I_d) differ
    in 2 to 4 of 100 bins for d = 50 and in 11 to 18 for d = 200. Raises ValueError for NaN or infinity,
    unequal d, and alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a probability between 0 and 1, not {alpha:g}")
    n, m, bins = len(reference), len(generated), len(centres)
    in_reference = np.bincount(cell_of(reference, centres), minlength=bins)
    in_generated = np.bincount(cell_of(generated, centres), minlength=bins)
    p_values = _two_proportions(in_reference, n, in_generated, m)
    different = int((p_values < alpha).sum())
    return NDB(
        bins, different, different / bins, _holm(p_values, alpha), _js(in_reference / n, in_generated / m)
    )


def _two_proportions(x: np.ndarray, n: int, y: np.ndarray, m: int) -> np.ndarray:
    """(K,) two-sided p-values of equal proportions behind x of n and y of m; 1 where all or none are in."""
    pooled = (x + y) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    z = np.divide(x / n - y / m, error, out=np.zeros(len(x)), where=error > 0)
    p_values: np.ndarray = 2 * stats.norm.sf(np.abs(z))
    return p_values


def _holm(p_values: np.ndarray, alpha: float) -> int:
    """Rejections in order of p while p <= alpha / (hypotheses not yet rejected)."""
    accepted = np.sort(p_values) > alpha / np.arange(len(p_values), 0, -1)
    return int(accepted.argmax()) if accepted.any() else len(p_values)


def _js(p: np.ndarray, q: np.ndarray) -> float:
    middle = (p + q) / 2
    return float(special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) / 2
