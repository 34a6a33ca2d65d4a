"""Support size as people judge it.

Arora & Zhang (2017, Do GANs actually learn the distribution?) had near-duplicates decided by eye, among the
closest pairs. Here the pairs are drawn within strata of distance and the judges do not know whose they are,
so what they say estimates, with an interval, how many of *all* pairs they would call duplicates.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from pipeline.judgments.curve import DuplicateCurve, fit_curves

Unsure = Literal["left_out", "duplicate", "different"]
# What "unsure" (cannot tell) counts as.
UNSURE: dict[Unsure, float] = {"left_out": math.nan, "duplicate": 1.0, "different": 0.0}
REPLICATES = 1000


class Judgments(NamedTuple):
    """What was said of one source's pairs: one entry a rater and pair, each field (n,).

    pair, rater, stratum: any names. stratum_pairs: how many pairs the pair's stratum holds. distance:
    float64. label: "duplicate", "different" or "unsure".
    """

    pair: np.ndarray
    rater: np.ndarray
    stratum: np.ndarray
    stratum_pairs: np.ndarray
    distance: np.ndarray
    label: np.ndarray


class HumanSupport(NamedTuple):
    """Support size under human judgment.

    n2 and its bounds: from the shares of duplicates in the strata. n2: None if nobody saw a duplicate;
    n2_high: None if unbounded. modelled and its bounds: N2 from the curve over the histogram.
    n2_unsure_duplicate, n2_unsure_different: n2 had every "unsure" been that.
    p2_unseen: what strata without a single duplicate may still add to p2 (the sum of their one-sided upper
    bounds). n2_low takes them to hold none: trust it where this is small beside p2.
    """

    pairs_judged: int
    raters: int
    p2: float
    n2: float | None
    n2_low: float
    n2_high: float | None
    modelled: float
    modelled_low: float
    modelled_high: float
    n2_unsure_duplicate: float | None
    n2_unsure_different: float | None
    p2_unseen: float


def verdicts(label: np.ndarray, unsure: Unsure = "left_out") -> np.ndarray:
    """(n,) float64: 1 duplicate, 0 different, "unsure" by the stated rule (left out: NaN).

    Raises ValueError for another label.
    """
    unknown = set(label.tolist()) - {"duplicate", "different", "unsure"}
    if unknown:
        raise ValueError(f"a label is duplicate, different or unsure, not {sorted(map(str, unknown))}")
    return np.where(label == "duplicate", 1.0, np.where(label == "different", 0.0, UNSURE[unsure]))


def modelled_p2(curve: DuplicateCurve, low: np.ndarray, high: np.ndarray, counts: np.ndarray) -> float:
    """P(two samples are judged duplicates): the curve averaged over all pairs' histogram, (bins,) each."""
    return float(curve.probability((low + high) / 2) @ counts / counts.sum())


def human_support(
    judgments: Judgments,
    low: np.ndarray,
    high: np.ndarray,
    counts: np.ndarray,
    log_sd: float,
    rng: np.random.Generator,
    unsure: Unsure = "left_out",
    confidence: float = 0.95,
) -> HumanSupport:
    """Support size of one source under human judgment.

    low, high, counts: (bins,) histogram of all its pair distances. log_sd: the standard deviation of log N2
    that comes from its finite number of samples: log(n2_high / n2_low) / (2 * 1.96) of a collision interval.

    With N_h pairs in stratum h, p2 = sum_h N_h / pairs * (share of the judged ones called duplicate): the
    stratified Horvitz-Thompson estimate. Pairs beyond the strata count as different. The interval is that of
    percentiles over replicates that resample at once pairs within strata (Rao & Wu 1988: n_h - 1 draws, less
    variable where a stratum was judged in large part), raters where there are several (Owen 2007, The
    pigeonhole bootstrap), and the samples' own error. Two or three raters say little of how raters differ;
    the interval is then about these.

    Simulated coverage of the 95 % intervals (six strata, 400 repeats), n2 and modelled: with 200, 80 and 20
    judged pairs a stratum 93, 91, 80 % and 98, 96, 92 %. n2 needs no model, but misses rare duplicates in
    large strata until enough are judged; modelled needs a logistic curve. Where they disagree, judge more.

    Raises ValueError for strata or labels that leave N2 undetermined.
    """
    sheet = _sheet(judgments, unsure)
    pairs = int(counts.sum())
    if sheet.sizes.sum() > pairs:
        raise ValueError("the strata hold more pairs than the histogram")
    parts = sheet.sizes / pairs
    shares = _shares(sheet, *_tally(sheet))[0]
    p2 = float(shares @ parts)
    [curve] = fit_curves(sheet.distance, *_tally(sheet))

    duplicates, judged = _replicates(sheet, rng)
    again = _shares(sheet, duplicates, judged)
    again = np.where(np.isnan(again), shares, again)  # none of the raters drawn has judged this stratum
    sampling = np.exp(log_sd * rng.standard_normal(REPLICATES))
    tail = (1 - confidence) / 2
    p2_low, p2_high = np.quantile(again @ parts * sampling, [tail, 1 - tail])
    curves = fit_curves(sheet.distance, duplicates, judged)
    modelled = [modelled_p2(c, low, high, counts) for c in curves] * sampling
    modelled_low, modelled_high = np.quantile(modelled, [tail, 1 - tail])

    unseen = _unseen(sheet, shares, parts, confidence)
    if p2 == 0:  # as with no collisions at all: only a lower bound of N2
        p2_high = max(unseen, -math.log(tail) / pairs)
    return HumanSupport(
        pairs_judged=len(sheet.distance),
        raters=sheet.judged.shape[1],
        p2=p2,
        n2=_inverse(p2),
        n2_low=float(1 / p2_high),
        n2_high=_inverse(float(p2_low)),
        modelled=1 / modelled_p2(curve, low, high, counts),
        modelled_low=float(1 / modelled_high),
        modelled_high=float(1 / modelled_low),
        n2_unsure_duplicate=_point(judgments, "duplicate", pairs),
        n2_unsure_different=_point(judgments, "different", pairs),
        p2_unseen=unseen,
    )


class _Sheet(NamedTuple):
    """Pairs x raters. judged: 1 where a verdict counts; duplicate: 1 where it is one. stratum, distance: of
    each pair. drawn, sizes: judged pairs and all pairs of each stratum.
    """

    duplicate: np.ndarray
    judged: np.ndarray
    stratum: np.ndarray
    distance: np.ndarray
    drawn: np.ndarray
    sizes: np.ndarray


def _sheet(judgments: Judgments, unsure: Unsure) -> _Sheet:
    verdict = verdicts(judgments.label, unsure)
    strata, first, of_all = np.unique(judgments.stratum, return_index=True, return_inverse=True)
    sizes = judgments.stratum_pairs[first].astype(np.float64)
    if (judgments.stratum_pairs != sizes[of_all]).any():
        raise ValueError("pairs of one stratum state different numbers of pairs in it")
    kept = ~np.isnan(verdict)
    _, where, pair = np.unique(judgments.pair[kept], return_index=True, return_inverse=True)
    raters, rater = np.unique(judgments.rater[kept], return_inverse=True)
    judged, duplicate = np.zeros((2, len(where), len(raters)))
    np.add.at(judged, (pair, rater), 1.0)
    if (judged > 1).any():
        raise ValueError("a rater judged a pair twice")
    duplicate[pair, rater] = verdict[kept]
    stratum = of_all[kept][where]
    drawn = np.bincount(stratum, minlength=len(strata))
    if (drawn > sizes).any():
        raise ValueError("more pairs of a stratum are judged than it holds")
    if (drawn < np.minimum(sizes, 2)).any():
        raise ValueError("every stratum needs at least two decided pairs")
    return _Sheet(duplicate, judged, stratum, judgments.distance[kept][where], drawn, sizes)


def _tally(sheet: _Sheet) -> tuple[np.ndarray, np.ndarray]:
    """(1, pairs) verdicts of duplicate, and all verdicts."""
    return sheet.duplicate.sum(axis=1)[None], sheet.judged.sum(axis=1)[None]


def _replicates(sheet: _Sheet, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(REPLICATES, pairs) each: `_tally` of pairs and raters drawn anew."""
    weights = np.ones((REPLICATES, len(sheet.stratum)))
    for h, (n, size) in enumerate(zip(sheet.drawn, sheet.sizes, strict=True)):
        if n > 1:
            drawn = rng.multinomial(n - 1, np.full(n, 1 / n), REPLICATES) * (n / (n - 1))
            weights[:, sheet.stratum == h] += math.sqrt(1 - n / size) * (drawn - 1)
    raters = sheet.judged.shape[1]
    chosen = rng.multinomial(raters, np.full(raters, 1 / raters), REPLICATES)
    return weights * (chosen @ sheet.duplicate.T), weights * (chosen @ sheet.judged.T)


def _shares(sheet: _Sheet, duplicates: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """(tallies, strata) share of duplicates; NaN where nothing was judged."""
    member = (sheet.stratum[:, None] == np.arange(len(sheet.sizes))).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return duplicates @ member / (judged @ member)


def _unseen(sheet: _Sheet, shares: np.ndarray, parts: np.ndarray, confidence: float) -> float:
    """Sum of what strata without a duplicate may hold: none of n leaves up to 1 - (1 - confidence)^(1/n)."""
    blank = (shares == 0) & (sheet.drawn < sheet.sizes)
    return float(parts[blank] @ (1 - (1 - confidence) ** (1 / sheet.drawn[blank])))


def _point(judgments: Judgments, unsure: Unsure, pairs: int) -> float | None:
    sheet = _sheet(judgments, unsure)
    return _inverse(float(_shares(sheet, *_tally(sheet))[0] @ sheet.sizes / pairs))


def _inverse(p2: float) -> float | None:
    return 1 / p2 if p2 > 0 else None
