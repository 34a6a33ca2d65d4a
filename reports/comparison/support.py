"""Support size in runs side by side: of configurations that both have, and of what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from pipeline.trial import TrialConfig
from reports.comparison.sides import Side, why_not_alike
from reports.sections.listing import Listing
from reports.sections.sources import name
from reports.statistics.cells import difference, mean
from reports.statistics.counts import Undecided
from reports.words import interval, number


def cells(sides: Sequence[Side]) -> tuple[Listing, list[str]]:
    """For each two runs their common configurations (all but the seed) with the ratio of mean N2, the second
    to the first; and for which runs there is none, and why.
    """
    rows, notes = [], []
    for one, other in combinations(sides, 2):
        mine, theirs = _cells(one), _cells(other)
        common = [cell for cell in mine if cell in theirs]
        none = None if common else "no configuration was measured in both"
        if why_not := none or why_not_alike([one, other]):
            notes.append(f"{one.label} and {other.label}: {why_not}.")
            continue
        for cell in common:
            label = _label(sides, mine[cell].iloc[0]["config"])
            rows.append([one.label, other.label, label, *_ratio(mine[cell], theirs[cell])])
    heads = [
        "from",
        "to",
        "configuration",
        "trials",
        "mean N₂, from",
        "mean N₂, to",
        "ratio",
        "95 % interval",
    ]
    return Listing(heads, rows), notes


def known(sides: Sequence[Side]) -> Listing:
    """Real images and controls under each run's own primary ruler: measured N2, and true N2 where known."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for side in sides:
        for _, row in pd.concat([side.results.real, side.results.controls]).iterrows():
            true = f" (true {number(row['n2_true'])})" if pd.notna(row["n2_true"]) else ""
            cell = f"{number(row['n2'])} {interval(row['n2_low'], row['n2_high'])}{true}"
            found.setdefault((name(row), str(row["data_fingerprint"])), {})[side.label] = cell
    several = len({data for _, data in found}) > 1
    rows_ = [
        [f"{subject} of {data}" if several else subject, *(own.get(side.label, "–") for side in sides)]
        for (subject, data), own in found.items()
    ]
    return Listing(["samples of", *(side.label for side in sides)], rows_)


def _cells(side: Side) -> dict[str, pd.DataFrame]:
    """Measured trials by the id that their configuration would have with seed 0."""
    stored = side.rows("trials", ["config"]).drop_duplicates("trial_id").set_index("trial_id")["config"]
    done = side.results.completed
    done = done.assign(config=[stored[trial] for trial in done["trial_id"]])
    cell = [next(iter(TrialConfig.model_validate_json(text).with_seeds([0]))) for text in done["config"]]
    return {
        str(key): own
        for key, own in done.groupby(pd.Series(cell, index=done.index, dtype=object), sort=False)
    }


def _label(sides: Sequence[Side], config: str) -> str:
    """The values on the axes that any of the studies varies."""
    trial = TrialConfig.model_validate_json(config)
    axes = dict.fromkeys(a for side in sides for a, n in side.results.axes.items() if n > 1 and a != "seed")
    return ", ".join(f"{axis}={trial.at(axis)}" for axis in axes) or "all"


def _ratio(one: pd.DataFrame, other: pd.DataFrame) -> list[Any]:
    counts = f"{len(one)}, {len(other)}"
    try:
        means = mean(one), mean(other)
    except Undecided as error:
        return [counts, "–", "–", f"none: {error}", "–"]
    value, *ends = difference(*means)
    low, high = (math.exp(min(end, 700.0)) for end in ends)
    shown = "–" if math.isnan(low) else interval(low, high)
    return [counts, *(number(math.exp(m.value)) for m in means), number(math.exp(value)), shown]
