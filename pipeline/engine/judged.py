"""tau from the judgments of people that a run holds."""

from __future__ import annotations

import pandas as pd

from pipeline.judgments import duplicate_probability, tau_of, verdicts


def judged_tau(labels: pd.DataFrame, embedding: str, probability: float) -> float:
    """The distance under `embedding` at which people call this share of pairs duplicates.

    labels: rows of the `labels` table. Raises ValueError where they do not determine one.
    """
    rows = labels[labels["embedding"] == embedding]
    if rows.empty:
        raise ValueError(
            f"rule human: the run holds no judgments of pairs under embedding {embedding!r}; "
            "birthday review RUN collects them"
        )
    distance = rows["distance"].to_numpy(float)
    return tau_of(duplicate_probability(distance, verdicts(rows["label"].to_numpy())), probability)
