"""What people said of pairs: how likely a distance is a duplicate to them, and their false alarms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.judgments import (
    DuplicateCurve,
    FalseAlarm,
    duplicate_probability,
    false_alarm,
    tau_of,
    verdicts,
)
from reports.tables.protocols import TRIALS, Protocol, primary
from reports.tables.results import Results
from reports.words import interval, number

INSPECTED = 20  # pairs that Arora & Zhang (2017) look at


class Judged(NamedTuple):
    """One embedding's labels, the curve fitted to all of them (None where they fix none) and tau: the study's
    own, and the distance at which half are called duplicates (None where no distance is).
    """

    embedding: str
    labels: pd.DataFrame
    curve: DuplicateCurve | None
    taus: list[float]
    half: float | None


def judged(results: Results) -> list[Judged]:
    """For each embedding of the study under which people judged pairs of its samples."""
    rows = results.rows("labels")
    rows = rows[~rows["source"].isin(TRIALS) | rows["trial_id"].isin(results.trials["trial_id"])]
    found = []
    for embedding in results.study.measure.embedding_names():
        labels = rows[rows["embedding"] == embedding]
        if len(labels):
            measured = results.under(ruler(results, embedding))
            curve = _curve(labels)
            found.append(Judged(embedding, labels, curve, sorted(set(measured["tau"])), _half(curve)))
    return found


def ruler(results: Results, embedding: str) -> Protocol:
    """The study's own tau rule under this embedding."""
    return Protocol(embedding, primary(results.study).tau_rule)


def alarms(one: Judged) -> FalseAlarm | None:
    """How often real held-out pairs were called duplicates; None where none was judged."""
    real = verdicts(one.labels.loc[one.labels["source"] == "real", "label"].to_numpy())
    decided = real[~np.isnan(real)]
    return false_alarm(int(decided.sum()), len(decided), INSPECTED) if len(decided) else None


def in_words(one: Judged) -> str:
    """Where half of the pairs are called duplicates, and what false alarms do to a search by eye."""
    labels, found = one.labels, alarms(one)
    sentence = f"{len(labels):,} judgments by {labels['rater'].nunique()} raters under {one.embedding}."
    if one.half is not None and one.curve is not None:
        inside = one.curve.low <= one.half <= one.curve.high
        sentence += f" Half of the pairs at distance {number(one.half)} are called duplicates"
        sentence += "" if inside else " (beyond the distances judged)"
        sentence += f"; the study's τ is {' or '.join(number(tau) for tau in one.taus)}."
    if found is not None:
        sentence += (
            f" Of the pairs of held-out real images {number(100 * found.rate)} % "
            f"{interval(100 * found.low, 100 * found.high)} were called duplicates: among {INSPECTED} "
            f"pairs drawn like these at least one would be with probability {number(found.any_rate)} "
            f"{interval(found.any_low, found.any_high)}."
        )
    return sentence


def _curve(labels: pd.DataFrame) -> DuplicateCurve | None:
    try:
        return duplicate_probability(
            labels["distance"].to_numpy(np.float64), verdicts(labels["label"].to_numpy())
        )
    except ValueError:
        return None


def _half(curve: DuplicateCurve | None) -> float | None:
    try:
        return tau_of(curve) if curve else None
    except ValueError:
        return None
