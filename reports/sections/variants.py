"""Variants compared: the pairs behind each verdict, and who exceeds whom across tasks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.study import PREDICTOR_AXES
from reports.sections.listing import Listing
from reports.statistics.contrasts import Contrast
from reports.statistics.factors import factors
from reports.statistics.improvement import Improvement, Profile, by_task, improvements, profiles
from reports.statistics.levels import joined, moving_along
from reports.statistics.slopes import FEWEST_SEEDS
from reports.statistics.variants import Compared
from reports.statistics.verdicts import Verdict
from reports.tables.results import Results
from reports.words import interval, many, number

SENTENCE = (
    "A description; no verdict rests on it. A task is a setting that variants share, all but their own "
    "axes and the seed. P(larger) is the probability that a trial has the larger N₂ of two, one of either "
    "variant on the same task, ties counting half (Agarwal et al. 2021), with the 95 % interval of a "
    "bootstrap over the trials within each task."
)
POINTS = 60


class Across(NamedTuple):
    """Every variant's median N2 relative to real images, pairs of variants, profiles at ratios `at` (k,)."""

    medians: dict[str, float]
    trials: dict[str, int]
    pairs: list[Improvement]
    at: np.ndarray
    profiles: list[Profile]


def across(results: Results) -> Across | None:
    """All completed trials of two variants or more; None of a single one."""
    trials = results.completed
    if trials["variant"].nunique() < 2:
        return None
    others = [k for k in results.axes if k != "seed" and not k.startswith(PREDICTOR_AXES["variant"])]
    along = moving_along(pd.factorize(trials["variant"])[0], factors(trials[others]))
    tasks = [key for key in others if key not in along]
    named = joined(trials[tasks])
    # Ordered as N2 is, and known where no pair collided.
    rarity = -trials["collisions"].astype(float) / trials["pairs"].astype(float)
    ratio = trials["ratio_to_real"].astype(float).where(trials["n2"].notna(), np.inf)
    ratio = ratio.where(trials["n2_real"].notna())
    finite = ratio[np.isfinite(ratio)]
    known = ratio.notna()
    at = np.geomspace(finite.min() / 1.1, finite.max() * 1.1, POINTS) if len(finite) else np.array([])
    return Across(
        medians={
            str(name): float(own.median()) for name, own in ratio.groupby(trials["variant"], sort=False)
        },
        trials={str(name): int(n) for name, n in trials["variant"].value_counts(sort=False).items()},
        pairs=improvements(by_task(trials["variant"], named, rarity)),
        at=at,
        profiles=profiles(by_task(trials["variant"][known], named[known], ratio[known]), at)
        if len(at)
        else [],
    )


def exceeds(found: Across, variant: str) -> float | None:
    """P(larger) against a variant drawn from the others that share a task."""
    wins = [p.probability for p in found.pairs if p.first == variant]
    wins += [1 - p.probability for p in found.pairs if p.second == variant]
    return float(np.mean(wins)) if wins else None


def ranking(found: Across) -> Listing:
    """A row for each variant, the likeliest to have the larger support first."""
    order = sorted(found.trials, key=lambda name: -(exceeds(found, name) or 0.0))
    rows = [
        [name, str(found.trials[name]), number(found.medians.get(name)), number(exceeds(found, name))]
        for name in order
    ]
    return Listing(["variant", "trials", "median N₂ / real", "P(larger) against the others"], rows)


def pairs(found: Across) -> Listing:
    """A row for each pair of variants."""
    rows = [
        [
            p.first,
            p.second,
            f"{p.probability:z.2f}",
            f"[{p.low:z.2f}, {p.high:z.2f}]",
            str(p.tasks),
            str(p.trials),
        ]
        for p in found.pairs
    ]
    return Listing(["variant", "against", "P(larger)", "95 % interval", "tasks", "trials"], rows)


def contrasts(verdict: Verdict) -> Listing:
    """A row for each pair of a hypothesis about variants: how many times the other's N2, plainly, past the
    gate, at matched quality.
    """
    found = verdict.comparison
    plain = found.plain if found else None
    rows = [
        [pair.first, pair.second, number(math.exp(pair.value)), _interval(pair)]
        + [_elsewhere(one, pair) for one in ((found.gated, found.matched) if found else ())]
        for pair in (plain.pairs if plain else [])
    ]
    heads = ["variant", "against", "N₂ ratio", "95 % interval, all pairs at once", "past the quality gate"]
    return Listing([*heads, "and quality held"], rows)


def what_is_held(verdict: Verdict) -> str:
    """What moves with the variants, what was left out, and what quality means here."""
    found = verdict.comparison
    if found is None or found.plain is None:
        return ""
    levels = found.plain.levels
    parts = [
        f"Held as covariates in the last column: {' and '.join(found.matched_by) or 'nothing was measured'}."
    ]
    if levels.along:
        parts.append(
            f"What moves with the variants cannot be told apart from them: {', '.join(levels.along)}."
        )
    if levels.left_out:
        parts.append(f"Left out: {'; '.join(levels.left_out.values())}.")
    least = min(pair.df for pair in found.plain.pairs)
    if levels.seeds < FEWEST_SEEDS:
        parts.append(f"With fewer than {FEWEST_SEEDS} seeds trials are taken as independent.")
    parts.append(
        f"{many(levels.trials, 'trial')}, {many(levels.seeds, 'seed')}; every interval rests on {least:.1f} "
        "degrees of freedom or more."
    )
    return " ".join(parts)


def tables(found: Across | None, verdicts: list[Verdict]) -> dict[str, pd.DataFrame]:
    """`contrasts.csv`: every pair of every hypothesis in each comparison; `improvement.csv`."""
    rows = [
        (v.hypothesis.name, among, *pair, one.levels.trials)
        for v in verdicts
        if v.comparison
        for among, one in zip(("all", "gated", "matched"), v.comparison[2:5], strict=True)
        if one
        for pair in one.pairs
    ]
    columns = ["hypothesis", "among", *Contrast._fields, "trials"]
    return {
        "contrasts": pd.DataFrame(rows, columns=columns),
        "improvement": pd.DataFrame(found.pairs if found else [], columns=list(Improvement._fields)),
    }


def _elsewhere(one: Compared | None, pair: Contrast) -> str:
    again = one.pair(pair.first, pair.second) if one else None
    return f"{number(math.exp(again.value))} {_interval(again)}" if again else "–"


def _interval(pair: Contrast) -> str:
    return interval(math.exp(pair.low), math.exp(pair.high))
