"""Does support exceed the training set? A row for each number of training images."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.sections.listing import Listing
from reports.statistics.ceiling import Ceiling, ceiling
from reports.tables.results import Results
from reports.words import interval, number

SENTENCE = (
    "Only trials past the quality gate count, since noise exceeds any training set. N₂ is the mean over "
    "the other axes, its intervals hold for all rows at once; below and above n are one-sided tests at 5 "
    "% in all. A generator that repeats its n training images has the memoriser's N₂ under this ruler, "
    "which calls some different images near-duplicates; at the ceiling means within a factor of two of it."
)


def measured(results: Results) -> Ceiling:
    """The trials past the quality gate; a search decides nothing."""
    trials = results.completed
    trials = trials[trials["passes_gate"].fillna(False).astype(bool)]
    if trials.empty:
        return Ceiling([], "no measured trial passes the quality gate")
    return ceiling(trials, [key for key in results.axes if key not in ("seed", "train_samples")])


def in_words(found: Ceiling) -> str:
    """The answer in one or two sentences."""
    if not found.levels:
        return f"Whether support exceeds the training set cannot be said: {found.reason}."
    above, below, neither = (
        _sizes([level.n for level in found.levels if level.side == side])
        for side in ("above", "below", "not told apart")
    )
    parts = [f"exceeds it at {above}" if above else ""]
    parts += [f"is smaller than it at {below}" if below else ""]
    parts += [f"cannot be told apart from it at {neither}" if neither else ""]
    said = ", ".join(part for part in parts if part)
    sentence = f"Held against the number of training images, support {said} images."
    full = [level.n for level in found.levels if level.saturated]
    if not full:
        return f"{sentence} At no number of training images does it lie at what memorising them would give."
    small = full == [level.n for level in found.levels][: len(full)] and len(full) < len(found.levels)
    where = "up to " + f"{full[-1]:,}" if small else "at " + _sizes(full)
    return f"{sentence} It lies at the ceiling that memorised images would set {where} training images."


def listing(found: Ceiling) -> Listing:
    """A row for each number of training images."""
    heads = ["training images n", "trials", "seeds", "N₂", "95 % interval", "N₂ / n", "N₂ against n"]
    rows = [
        [f"{one.n:,}", str(one.trials), str(one.seeds), number(one.n2), interval(one.low, one.high)]
        + [number(one.n2 / one.n), one.side, number(one.memoriser), "yes" if one.saturated else "no"]
        for one in found.levels
    ]
    return Listing([*heads, "a memoriser's N₂", "at that ceiling"], rows)


def table(found: Ceiling) -> pd.DataFrame:
    """The same for `ceiling.csv`."""
    columns = ["train_samples", "trials", "seeds", "n2", "low", "high", "memoriser_n2", "side", "at_ceiling"]
    rows: list[tuple[Any, ...]] = [tuple(one) for one in found.levels]
    return pd.DataFrame(rows, columns=columns)


def _sizes(values: list[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)
