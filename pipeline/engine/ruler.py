"""The rulers of a study on one data set, an embedding and its taus each, and what real images and controls
measure.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline import support
from pipeline.datasets import DataSet
from pipeline.divergences import k_means, radii
from pipeline.engine.control_subjects import control_subjects, subject_id
from pipeline.engine.judged import judged_tau
from pipeline.engine.measure import NEIGHBOURS, Rows, Ruler, Subject, measure, quality
from pipeline.errors import InputError
from pipeline.seeds import stream
from pipeline.study import Study
from pipeline.study_options import FixedTau, HumanTau, MeasureOptions, RealQuantile, TauRule
from pipeline.support import Embedding
from pipeline.support.tau import LEAST

# Richardson & Weiss 2018: 100 cells; here of at least ten held-out images each, from 50 training images each.
CELLS, CELL_IMAGES = 100, 50


def rulers(
    study: Study, data: DataSet, embeddings: list[Embedding], labels: pd.DataFrame
) -> tuple[list[Ruler], Rows]:
    """The study's rulers on a data set, and the rows of its real images and controls.

    embeddings: those of the study, fitted. labels: the run's judgments, for the rule `human`. Raises
    InputError where the data cannot carry the study's tau rule or controls.
    """
    found: list[Ruler] = []
    tables: Rows = {}
    for embedding in embeddings:
        ruler = _ruler(study.measure, data, embedding, labels)
        held_out = Subject("real", subject_id(data, "real"), data.held_out, vectors=ruler.held_out)
        rows = measure(held_out, ruler, data)
        n2_real = {row["tau_rule"]: row["n2"] for row in rows["collisions"]}
        ruler = ruler._replace(n2_real=n2_real)
        some = data.subset(min(len(data.train), len(ruler.judges)), seed=0)
        train = Subject("real", held_out.trial_id, data.train[some], vectors=ruler.train[some])
        rows["quality"] = [quality(train, ruler, data)]
        for subject, truths, repeat in control_subjects(study.controls, ruler, data):
            measured = measure(subject, ruler, data)
            for row, n2 in zip(measured["collisions"], truths, strict=False):
                row["n2_true"] = n2
            for table, more in measured.items():
                if repeat == 0 or table == "collisions":  # repeats are there to see how often intervals hold
                    rows.setdefault(table, []).extend(more)
        for row in rows["collisions"]:
            row["n2_real"] = real = n2_real[row["tau_rule"]]
            row["ratio_to_real"] = row["n2"] / real if row["n2"] and real else None
        for table, more in rows.items():
            tables.setdefault(table, []).extend(more)
        found.append(ruler)
    return found, tables


def _ruler(options: MeasureOptions, data: DataSet, embedding: Embedding, labels: pd.DataFrame) -> Ruler:
    try:
        held_out, train = embedding(data.held_out), embedding(data.train)
        if isinstance(options.tau, HumanTau):
            tau = judged_tau(labels, embedding.name, options.tau.probability)
        else:
            tau = unjudged_tau(options.tau, embedding, data.held_out)
        pairs = len(held_out) * (len(held_out) - 1) // 2
        ladder = [q for q in options.tau_ladder if np.ceil(q * pairs) >= LEAST]
        rules = [RealQuantile(rule="real_quantile", quantile=q).name() for q in ladder]
        taus = support.real_quantiles(held_out, ladder) if ladder else []
    except ValueError as error:
        raise InputError(f"measure.tau: {error}") from None
    judges = held_out[: options.quality_reference]
    cells = max(1, min(CELLS, len(judges) // 10))
    try:
        centres = k_means(train[: CELL_IMAGES * cells], cells, stream(data.fingerprint, "cells"))
        balls = radii(judges, NEIGHBOURS)
    except ValueError as error:
        raise InputError(f"measure: {data.name} is too small a set to judge quality by: {error}") from None
    return Ruler(
        embedding,
        {options.tau_rule(): tau, **dict(zip(rules, taus, strict=True))},
        options.samples,
        options.review_pairs,
        held_out,
        judges,
        train,
        centres,
        balls,
        {},
    )


def unjudged_tau(rule: TauRule, embedding: Embedding, real: np.ndarray | None) -> float:
    """tau by any rule that needs no judgments. real: held-out samples, None where there are none.

    Raises ValueError where the rule needs other samples than these.
    """
    if isinstance(rule, FixedTau):
        return rule.value[embedding.name] if isinstance(rule.value, dict) else rule.value
    if isinstance(rule, HumanTau):
        raise ValueError("rule human needs a run whose pairs people have judged (birthday review)")
    if real is None:
        raise ValueError(f"rule {rule.rule} needs real samples")
    if isinstance(rule, RealQuantile):
        return support.real_quantile(embedding(real), rule.quantile)
    if real.ndim != 4 or real.dtype != np.uint8:
        raise ValueError("rule augmentation needs 8-bit images")
    return support.augmentation_quantile(
        real, embedding, rule.quantile, shift=rule.shift, noise=rule.noise, rng=stream("tau", "augmentation")
    )
