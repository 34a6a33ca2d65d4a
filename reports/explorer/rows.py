"""What the interactive figure reads of the tables that are too long to be kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.tables.protocols import Protocol
from reports.tables.results import Results

SUBJECT = ["source", "trial_id"]


def measured(results: Results, protocol: Protocol) -> pd.DataFrame:
    """The rows of `collisions` under one ruler by (source, trial_id), without samples given one input."""
    rows = results.under(protocol)
    return rows[rows["source"] != "conditional"].set_index(SUBJECT)


def histograms(results: Results, embedding: str) -> pd.DataFrame:
    """The rows of `distances` under one embedding: source, trial_id, low, high, count, exact_below,
    resolution.
    """
    rows = results.measured("distances", list(results.completed["trial_id"]), embedding)
    return rows[rows["source"] != "conditional"]


def nearer(rows: pd.DataFrame, tau: np.ndarray[Any, np.dtype[np.float64]]) -> pd.DataFrame:
    """How many pairs of each subject are nearer than each tau.

    rows: from `histograms`. tau: (k,) edges of their bins, ascending. Returns int64, one row a
    (source, trial_id) and a column for each tau.
    """
    keys = pd.MultiIndex.from_frame(rows[SUBJECT])
    subjects = keys.unique()
    codes = subjects.get_indexer(keys)
    # Bins are half open: the pairs nearer than an edge are those of the bins that end there or before.
    first = np.searchsorted(tau, rows["high"].to_numpy(np.float64), side="left")
    counts = np.zeros((len(subjects), len(tau) + 1), np.int64)
    np.add.at(counts, (codes, first), rows["count"].to_numpy(np.int64))
    return pd.DataFrame(counts.cumsum(axis=1)[:, :-1], subjects)


def samples(results: Results, trials: Sequence[str], most: int) -> pd.DataFrame:
    """The first `most` samples with an image of each of these trials."""
    rows = results.rows("samples", "generated", trials)
    rows = rows[rows["image"].notna()]
    rows = rows.sort_values(["trial_id", "index"], kind="stable").drop_duplicates(["trial_id", "index"])
    return rows.groupby("trial_id").head(most)


def closest(results: Results, trials: Sequence[str], most: int) -> pd.DataFrame:
    """The `most` closest pairs with images of each of these trials, under the study's first embedding."""
    rows = results.rows("pairs", "generated", trials).dropna(subset=["first_image", "second_image"])
    rows = rows.sort_values(["trial_id", "rank", "samples"], kind="stable")
    rows = rows.drop_duplicates(["trial_id", "rank"], keep="last")  # of several measurements the largest
    return rows.groupby("trial_id").head(most)
