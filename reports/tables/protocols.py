"""The rulers of a study, an embedding and a tau rule each, and the rows of the store measured by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from pipeline.study import Study
from pipeline.study_options import RealQuantile

# What tells the sources of samples apart, whatever they were measured with.
SUBJECT = ["source", "subject", "support_size", "parameter", "data_fingerprint", "embedding"]
VERSION = ["samples", "embedding_id"]
# What `select` looks at, beside the tau rule of a table that has one.
RULES = ["trial_id", *(name for name in SUBJECT if name != "subject"), *VERSION]
# Sources that belong to a trial: its samples, and those given one input.
TRIALS = ["generated", "conditional"]
# These have as many samples as there are images, not as many as the study asks for.
IMAGE_SETS = ["real", "train"]


class Protocol(NamedTuple):
    """A ruler, named as in the tables."""

    embedding: str
    tau_rule: str


def primary(study: Study) -> Protocol:
    """The ruler that verdicts rest on: the study's first embedding and its own tau rule."""
    return Protocol(study.measure.embedding_names()[0], study.measure.tau_rule())


def rungs(study: Study) -> dict[str, str]:
    """Tau rule -> how it is shown: the study's own first, then its ladder as quantiles of real pairs."""
    own = study.measure.tau_rule()
    ladder = {
        RealQuantile(rule="real_quantile", quantile=q).name(): f"{q:g}" for q in study.measure.tau_ladder
    }
    if isinstance(study.measure.tau, RealQuantile):
        return {own: f"{study.measure.tau.quantile:g}", **ladder}
    return {own: own, **ladder}


def protocols(study: Study) -> list[Protocol]:
    """Every ruler of the study, the primary one first."""
    return [Protocol(name, rule) for name in study.measure.embedding_names() for rule in rungs(study)]


def select(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a measured table that stand under one of the study's rulers, one version of each subject.

    table: any with a source, an embedding and a number of samples. Of an image set measured with several
    numbers of samples, and of an embedding fitted more than once, one version stays: the largest, then the
    last by id.
    """
    full = table["source"].isin(IMAGE_SETS) | (table["samples"] == study.measure.samples)
    chosen = table["embedding"].isin(study.measure.embedding_names()) & full.fillna(False).astype(bool)
    if "tau_rule" in table:
        chosen &= table["tau_rule"].isin(list(rungs(study)))
    return _one_version(table[chosen])


def of_trials(table: pd.DataFrame, trials: Sequence[str]) -> pd.DataFrame:
    """The rows of what is no trial, and of these trials."""
    return table[~table["source"].isin(TRIALS) | table["trial_id"].isin(trials)]


def under(table: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """The rows measured by one ruler."""
    return table[(table["embedding"] == protocol.embedding) & (table["tau_rule"] == protocol.tau_rule)]


def _one_version(rows: pd.DataFrame) -> pd.DataFrame:
    # A trial is a subject by its id; other subjects by what they are, since their ids are hashes of that.
    named = rows.assign(subject=rows["trial_id"].where(rows["source"].isin(TRIALS), ""))
    found = named[[*SUBJECT, *VERSION]].drop_duplicates()
    last = found.sort_values(VERSION, kind="stable", na_position="first").drop_duplicates(
        SUBJECT, keep="last"
    )
    if len(last) == len(found):
        return rows
    kept = named.reset_index().merge(last, on=[*SUBJECT, *VERSION])["index"]
    return rows.loc[sorted(kept)]
