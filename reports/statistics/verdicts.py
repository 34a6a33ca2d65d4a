"""How a hypothesis is decided: a slope of log N2, its interval, and a rule stated beforehand. Hypotheses
that compare variants are decided by `variants.py`.

Pure functions of data frames, of rows as `slopes.py` wants them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pipeline.study import Hypothesis, Study
from reports.statistics import variants
from reports.statistics.counts import Undecided
from reports.statistics.slopes import Slope, estimate
from reports.statistics.variants import Comparison
from reports.statistics.variants import Decision as Decision


@dataclass(frozen=True)
class Verdict:
    """A hypothesis, what was decided, and why in words. A slope is None where none could be estimated, or
    where variants are compared.
    """

    hypothesis: Hypothesis
    decision: Decision
    reason: str
    slope: Slope | None
    gated: Slope | None
    gated_trials: int
    comparison: Comparison | None = None


def decide(hypothesis: Hypothesis, study: Study, trials: pd.DataFrame) -> Verdict:
    """Apply the hypothesis's rule to all completed trials and, if it is supported, to those that pass the
    quality gate.

    A support that comes from trials below the gate would be noise read as diversity, so it must hold without
    them.
    """
    if hypothesis.compares:
        found = variants.compare(hypothesis, study, trials)
        return Verdict(hypothesis, found.decision, found.reason, None, None, found.passing, found)
    passing = trials[trials["passes_gate"].fillna(False).astype(bool)]
    try:
        slope = estimate(hypothesis, study, trials)
    except Undecided as error:
        return Verdict(hypothesis, "inconclusive", str(error), None, None, len(passing))
    decision, reason = rule(hypothesis, slope)
    try:
        gated = slope if len(passing) == len(trials) else estimate(hypothesis, study, passing)
    except Undecided as error:
        if decision == "supported":
            reason = f"{reason}, but not shown among trials that pass the quality gate: {error}"
            decision = "inconclusive"
        return Verdict(hypothesis, decision, reason, slope, None, len(passing))
    if decision == "supported" and rule(hypothesis, gated)[0] != "supported":
        decision, reason = "inconclusive", f"{reason}, but not among trials that pass the quality gate"
    return Verdict(hypothesis, decision, reason, slope, gated, len(passing))


def rule(hypothesis: Hypothesis, slope: Slope) -> tuple[Decision, str]:
    """The decision from one slope's intervals, and the sentence that says why.

    increasing: supported if the 95 % interval lies above 0, refuted if it lies at or below 0; decreasing
    mirrored. flat with margin m: supported if the 90 % interval lies inside (-m, m) (two one-sided tests at 5
    %: Schuirmann 1987), refuted if the 95 % interval lies outside [-m, m]. Anything else is inconclusive.
    """
    if hypothesis.expect == "flat":
        assert hypothesis.margin is not None  # the study's own check
        m = hypothesis.margin
        if -m < slope.low90 and slope.high90 < m:
            return (
                "supported",
                f"its 90 % interval [{slope.low90:z.2f}, {slope.high90:z.2f}] lies inside ±{m:g}",
            )
        if slope.low > m or slope.high < -m:
            return "refuted", f"its 95 % interval lies outside ±{m:g}"
        return "inconclusive", (
            f"its 90 % interval [{slope.low90:z.2f}, {slope.high90:z.2f}] does not lie inside ±{m:g}, "
            "nor does the 95 % interval lie outside"
        )
    low, high = (slope.low, slope.high) if hypothesis.expect == "increasing" else (-slope.high, -slope.low)
    above, below = ("above", "at or below") if hypothesis.expect == "increasing" else ("below", "at or above")
    if low > 0:
        return "supported", f"its 95 % interval lies {above} 0"
    if high <= 0:
        return "refuted", f"its 95 % interval lies {below} 0"
    return "inconclusive", "its 95 % interval contains 0"


def rule_in_words(hypothesis: Hypothesis) -> str:
    """The rule as the report states it."""
    if hypothesis.compares:
        return variants.rule_in_words(hypothesis)
    if hypothesis.expect == "flat":
        return (
            f"supported if the 90 % interval of the slope lies inside ±{hypothesis.margin:g} (equivalence at "
            f"5 %), "
            f"refuted if the 95 % interval lies outside ±{hypothesis.margin:g}, else inconclusive"
        )
    side = ("above 0", "at or below 0") if hypothesis.expect == "increasing" else ("below 0", "at or above 0")
    return (
        f"supported if the 95 % interval of the slope lies wholly {side[0]}, "
        f"refuted if wholly {side[1]}, else inconclusive"
    )
