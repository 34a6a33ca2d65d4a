"""Every hypothesis of one name in the runs that state it: verdicts, slopes, their differences, their mean."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from reports.comparison.sides import Side, shared_trials, why_not_alike
from reports.sections.listing import Listing
from reports.statistics.pooling import Heterogeneity, Pooled, difference, heterogeneity, pooled
from reports.statistics.slopes import Slope
from reports.words import EXPECTATIONS, PREDICTORS, many, number


class Compared(NamedTuple):
    """One hypothesis. slopes: by run, of those that have one. why_not: why there is no pooled slope."""

    name: str
    verdicts: Listing
    slopes: dict[str, Slope]
    differences: Listing
    heterogeneity: Heterogeneity | None
    pooled: Pooled | None
    why_not: str | None


def compared(sides: Sequence[Side]) -> list[Compared]:
    """Hypotheses that two runs or more state, in the order of the first that does."""
    names = dict.fromkeys(name for side in sides for name in side.verdicts)
    stating = {name: [side for side in sides if name in side.verdicts] for name in names}
    return [_compared(name, some) for name, some in stating.items() if len(some) > 1]


def only_in_one(sides: Sequence[Side]) -> list[str]:
    """Names of hypotheses that a single run states, with the run."""
    names = [name for side in sides for name in side.verdicts]
    return [f"{name} ({side.label})" for side in sides for name in side.verdicts if names.count(name) == 1]


def _compared(name: str, sides: Sequence[Side]) -> Compared:
    found = {side.label: side.verdicts[name] for side in sides}
    slopes = {label: verdict.slope for label, verdict in found.items() if verdict.slope}
    having = [side for side in sides if side.label in slopes]
    rows = []
    for label, verdict in found.items():
        h, slope = verdict.hypothesis, verdict.slope
        margin = f", margin {h.margin:g}" if h.margin is not None else ""
        asked = f"{EXPECTATIONS[h.expect]} {PREDICTORS[h.predictor]}{margin}"
        gated = f"{verdict.gated.value:z.2f} {_interval(verdict.gated)}" if verdict.gated else "–"
        own = [f"{slope.value:z.2f}", _interval(slope), f"{slope.trials:,}"] if slope else ["–", "–", "–"]
        rows.append([label, asked, verdict.decision, *own, gated])
    heads = ["run", "support size", "verdict", "slope", "95 % interval", "n", "above the quality gate"]
    why_not = _why_not(having, len({verdict.hypothesis.predictor for verdict in found.values()}) > 1)
    several, independent = len(having) > 1, not shared_trials(having)
    return Compared(
        name,
        Listing(heads, rows),
        slopes,
        _differences(having, slopes),
        heterogeneity(list(slopes.values())) if several and independent else None,
        None if why_not else pooled(list(slopes.values())),
        why_not,
    )


def _differences(sides: Sequence[Side], slopes: dict[str, Slope]) -> Listing:
    rows = []
    for one, other in combinations(sides, 2):
        if shared_trials([one, other]):
            continue
        d = difference(slopes[one.label], slopes[other.label])
        rows.append(
            [one.label, other.label, f"{d.value:z.2f}", f"[{d.low:z.2f}, {d.high:z.2f}]", number(d.p)]
        )
    return Listing(["from", "to", "difference of slopes", "95 % interval", "p"], rows)


def _why_not(having: Sequence[Side], different: bool) -> str | None:
    if different:
        return "the runs ask about different predictors"
    if len(having) < 2:
        return "fewer than two runs have a slope"
    if count := shared_trials(having):
        return (
            f"{count:,} of the trials are in more than one run: slopes that share trials are not "
            "independent, and neither their difference nor their mean has the interval it would seem to have"
        )
    return why_not_alike(having)


def in_words(one: Compared) -> str:
    """Heterogeneity and the pooled slope, or why there is none."""
    parts = []
    if one.heterogeneity:
        h = one.heterogeneity
        parts.append(
            f"Cochran's Q = {h.q:z.2f} on {many(h.df, 'degree')} of freedom, p = {number(h.p)}; "
            f"I² = {100 * h.i2:.0f} %."
        )
    if one.pooled:
        p = one.pooled
        wide = ", of two runs a wide one" if p.studies == 2 else ""
        parts.append(
            f"Pooled by random effects over {p.studies} runs: slope {p.value:z.2f} "
            f"[{p.low:z.2f}, {p.high:z.2f}] (Hartung–Knapp interval{wide}), standard deviation "
            f"between runs {p.sd:z.2f}."
        )
    if one.why_not:
        parts.append(f"Not pooled: {one.why_not}.")
    return " ".join(parts)


def _interval(slope: Slope) -> str:
    return f"[{slope.low:z.2f}, {slope.high:z.2f}]"
