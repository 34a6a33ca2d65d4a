"""Trials that are in several runs. Their id is a hash of their configuration and seed: the same id must give
the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from pipeline.store.schemas import KEYS
from reports.comparison.sides import Side
from reports.sections.listing import Listing

# What is compared: not what time and place decide.
NUMBERS = {
    "trials": ["status", "steps_done", "discriminator_params", "generator_params"],
    "collisions": ["tau", "pairs", "collisions", "n2", "clusters", "largest_cluster_mass"],
    "quality": ["precision", "recall", "density", "coverage", "kid", "fid", "vendi"],
}
# What becomes of a trial by its own numbers. Memory and workers are its circumstances.
OWN_DOING = ["completed", "diverged"]


class Shared(NamedTuple):
    """trials: how many were looked at, each for two runs. irreproducible: those that differ, and in what."""

    trials: int
    irreproducible: Listing


def shared(sides: Sequence[Side]) -> Shared:
    """Compare every trial that two runs have, exactly, wherever both measured it with the same ruler."""
    rows, count = [], 0
    how = ["back_end", "cohort_size", "device"]
    made = {side.label: side.rows("trials", how).set_index("trial_id") for side in sides}
    for one, other in combinations(sides, 2):
        both = one.results.facts["trial_id"]
        both = both[both.isin(other.results.facts["trial_id"])]
        count += len(both)
        found: dict[str, list[str]] = {}
        for table in NUMBERS:
            for trial, text in _different(table, one, other, both):
                found.setdefault(trial, []).append(text)
        for trial in (trial for trial in both if trial in found):
            where = [_where(made[side.label], trial) for side in (one, other)]
            first, *rest = found[trial]
            more = f" (and {len(rest)} more)" if rest else ""
            rows.append([trial, one.label, other.label, first + more, *where])
    heads = ["trial", "run", "other run", "what differs", "trained by", "other trained by"]
    return Shared(count, Listing(heads, rows))


def _different(table: str, one: Side, other: Side, trials: pd.Series[str]) -> list[tuple[str, str]]:
    keys, columns = KEYS[table], NUMBERS[table]
    frames = []
    for side in (one, other):
        rows = side.rows(table, [name for name in (*keys, *columns) if name != "trial_id"])
        rows = rows[rows["trial_id"].isin(trials)]
        if table == "trials":
            rows = rows[rows["status"].isin(OWN_DOING)]
        if "source" in rows:
            rows = rows[rows["source"] == "generated"]
        frames.append(rows[[*keys, *columns]].drop_duplicates(keys))
    both = frames[0].merge(frames[1], on=keys, suffixes=("", "|"))
    found = []
    for column in columns:
        mine, theirs = both[column], both[f"{column}|"]
        same = (mine == theirs).fillna(False).astype(bool) | (mine.isna() & theirs.isna())
        for k in both.index[~same]:
            under = f" under {both['tau_rule'][k]}" if "tau_rule" in both else ""
            found.append((str(both["trial_id"][k]), f"{column}{under}: {mine[k]}, {theirs[k]}"))
    return found


def _where(made: pd.DataFrame, trial: str) -> str:
    row = made.loc[trial]
    return f"{row['back_end']}, {row['cohort_size']} at once, {row['device']}"
