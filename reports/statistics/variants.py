"""How a hypothesis about variants is decided: all pairs of objectives, systems or both, at matched quality.

`different`, with margin m (0 where none is stated), is supported if some pair's simultaneous 95 % interval
lies outside [-m, m], so that 5 % bounds the chance of any false pair; it is refuted if every pair's own 90 %
interval lies inside (-m, m), which needs no correction since all must (intersection-union; Berger 1982).
`equal` is its mirror. Either decision stands only if three comparisons agree on it: of all completed trials,
of those that pass the quality gate, and of these with precision and log KID as covariates. Anything else is
inconclusive.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import pandas as pd

from pipeline.study import PREDICTOR_AXES, Hypothesis, Study
from reports.statistics.contrasts import Contrast, contrasts
from reports.statistics.counts import Undecided
from reports.statistics.levels import Levels, fit_levels, joined
from reports.statistics.quality import known, quality
from reports.statistics.slopes import covariates

Decision = Literal["supported", "refuted", "inconclusive"]


class Compared(NamedTuple):
    """Every level's log N2 and every pair."""

    levels: Levels
    pairs: list[Contrast]

    @property
    def furthest(self) -> Contrast:
        """The pair that is the most clearly apart."""
        return max(self.pairs, key=lambda pair: pair.distance)

    def pair(self, first: str, second: str) -> Contrast | None:
        """The same two levels elsewhere."""
        return next((pair for pair in self.pairs if (pair.first, pair.second) == (first, second)), None)


class Comparison(NamedTuple):
    """A decision and its three comparisons, None where one cannot be made: all trials; those past the quality
    gate; these at matched quality. matched_by: the measures held. passing: trials past the gate.
    """

    decision: Decision
    reason: str
    plain: Compared | None
    gated: Compared | None
    matched: Compared | None
    matched_by: list[str]
    passing: int


def compare(hypothesis: Hypothesis, study: Study, trials: pd.DataFrame) -> Comparison:
    """Apply the rule above. trials: as in `slopes.py`, with `precision`, `kid` and `kid_standard_error`."""
    passing = trials[trials["passes_gate"].fillna(False).astype(bool)]
    measures = known(quality(passing))
    matched_by = [str(key) for key in measures]
    found: list[Compared | None] = []
    decided: list[tuple[Decision, str]] = []
    for own, numeric in ((trials, None), (passing, None), (passing.loc[measures.index], measures)):
        try:
            if numeric is not None and not matched_by:
                raise Undecided("no quality was measured")
            found.append(_compared(hypothesis, study, own, numeric))
            decided.append(_rule(hypothesis, found[-1]))
        except Undecided as error:
            found.append(None)
            decided.append(("inconclusive", str(error)))
    (decision, reason), (gated, why), (matched, because) = decided
    if decision != "inconclusive" and gated != decision:
        decision, reason = "inconclusive", f"{reason}, but not among trials that pass the quality gate: {why}"
    elif decision != "inconclusive" and matched != decision:
        decision, reason = "inconclusive", f"{reason}, but not at matched quality: {because}"
    plain, past, held = found
    return Comparison(decision, reason, plain, past, held, matched_by, len(passing))


def rule_in_words(hypothesis: Hypothesis) -> str:
    """The rule as the report states it."""
    m = hypothesis.margin or 0.0
    apart = f"some pair's simultaneous 95 % interval of the difference of log N₂ {_outside(m)}"
    if not m:
        return f"supported if {apart}, never refuted since no margin is stated, else inconclusive"
    inside = f"every pair's 90 % interval lies inside ±{m:g} (equivalence at 5 %)"
    first, second = (apart, inside) if hypothesis.expect == "different" else (inside, apart)
    return f"supported if {first}, refuted if {second}, else inconclusive"


def level_of(hypothesis: Hypothesis, study: Study, trials: pd.DataFrame) -> pd.Series[str]:
    """What each trial is called in the comparison: its values on the varied axes of the predictor."""
    if hypothesis.predictor == "variant":
        return trials["variant"].astype(str)
    axes = [key for key in study.axes() if key.startswith(PREDICTOR_AXES[hypothesis.predictor])]
    return joined(trials[axes])


def _compared(
    hypothesis: Hypothesis, study: Study, trials: pd.DataFrame, numeric: pd.DataFrame | None
) -> Compared:
    if trials.empty:
        raise Undecided("there is no trial to decide by")
    levels = level_of(hypothesis, study, trials)
    fit = fit_levels(levels, trials[covariates(hypothesis, study)], trials, numeric)
    if len(fit.names) < 2:
        left = "; ".join(fit.left_out.values())
        raise Undecided(f"only {fit.names[0]} can be measured" + (f": {left}" if left else ""))
    return Compared(fit, contrasts(fit))


def _rule(hypothesis: Hypothesis, compared: Compared | None) -> tuple[Decision, str]:
    assert compared is not None
    m = hypothesis.margin or 0.0
    apart: Decision = "supported" if hypothesis.expect == "different" else "refuted"
    same: Decision = "refuted" if hypothesis.expect == "different" else "supported"
    outside = [pair for pair in compared.pairs if pair.low > m or pair.high < -m]
    if outside:
        one = max(outside, key=lambda pair: pair.distance)
        return apart, f"the interval of {one.first} against {one.second} {_outside(m)}"
    if not all(-m < pair.low90 and pair.high90 < m for pair in compared.pairs):
        return "inconclusive", f"no pair's simultaneous interval {_outside(m)}" + (
            f", nor do all 90 % intervals lie inside ±{m:g}" if m else ""
        )
    if compared.levels.left_out:
        return "inconclusive", "; ".join(compared.levels.left_out.values())
    return same, f"every pair's 90 % interval lies inside ±{m:g}"


def _outside(margin: float) -> str:
    return f"lies outside ±{margin:g}" if margin else "excludes 0"
