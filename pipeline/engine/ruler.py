"""The rulers of a study on one data set, an embedding and its taus each, and what real images and controls
measure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline import support
from pipeline.datasets import DataSet
from pipeline.divergences import k_means, radii
from pipeline.engine.judged import judged_tau
from pipeline.engine.measure import NEIGHBOURS, Rows, Ruler, Subject, measure, quality
from pipeline.errors import InputError
from pipeline.seeds import stream
from pipeline.study import Study
from pipeline.study_options import FixedTau, HumanTau, MeasureOptions, RealQuantile, TauRule
from pipeline.support import Embedding, controls
from pipeline.support.tau import LEAST
from pipeline.trial import content_hash

# Training images that a law of unequal probabilities is laid over, and versions of each jittered one.
UNEQUAL, VERSIONS = 5000, 20
# Richardson & Weiss 2018: 100 cells, of at least ten held-out images here, from as many training images.
CELLS, CELL_IMAGES = 100, 5_000


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
        held_out = Subject("real", _subject_id(data, "real"), data.held_out, vectors=ruler.held_out)
        rows = measure(held_out, ruler, data)
        n2_real = {row["tau_rule"]: row["n2"] for row in rows["collisions"]}
        ruler = ruler._replace(n2_real=n2_real)
        some = data.subset(min(len(data.train), len(data.held_out)), seed=0)
        train = Subject("real", held_out.trial_id, data.train[some], vectors=ruler.train[some])
        rows["quality"] = [quality(train, ruler, data)]
        for subject, truths in _controls(study, ruler, data):
            for table, more in measure(subject, ruler, data).items():
                if table == "collisions" and truths:
                    for row, n2 in zip(more, truths, strict=True):
                        row["n2_true"] = n2
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
    return Ruler(
        embedding,
        {options.tau_rule(): tau, **dict(zip(rules, taus, strict=True))},
        options.samples,
        options.review_pairs,
        held_out,
        train,
        k_means(train[:CELL_IMAGES], min(CELLS, len(held_out) // 10), stream(data.fingerprint, "cells")),
        radii(held_out, NEIGHBOURS),
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


def _controls(study: Study, ruler: Ruler, data: DataSet) -> list[tuple[Subject, list[float]]]:
    """Each control's samples and, where its law is known, the true N2 at each tau."""
    options = study.controls
    found: list[tuple[Subject, list[float]]] = []
    taus = list(ruler.taus.values())

    def add(
        source: str, chosen: np.ndarray, law: np.ndarray, parameter: float | None, noise: float = 0
    ) -> None:
        count = len(chosen)
        key = f"{count}" if parameter is None else f"{count}/{parameter!r}"
        rng = stream(f"{data.fingerprint}/{key}", source)
        items, vectors = data.train[chosen], ruler.train[chosen]
        if noise:
            items = controls.jittered(items, VERSIONS, noise, rng)
            vectors, law = ruler.embedding(items), controls.uniform(len(items))
        law_known = controls.control(vectors, law, ruler.samples, taus, rng)
        found.append(
            (
                Subject(
                    source,
                    _subject_id(data, source, count, parameter),
                    items[law_known.indices],
                    count,
                    parameter,
                    vectors[law_known.indices],
                ),
                law_known.n2_true,
            )
        )

    for n in options.finite_support:
        add("finite_support", _first(data, n, "finite_support"), controls.uniform(n), None)
    for n in options.jittered:
        if not data.is_images:
            raise InputError(f"controls.jittered: {data.name} holds points, not images")
        chosen = _first(data, n, "jittered")
        add("jittered", chosen, controls.uniform(n), options.jitter, options.jitter)
    unequal = _first(data, min(UNEQUAL, len(data.train)), "atom")
    for mass in options.atom:
        add("atom", unequal, controls.atom(len(unequal), mass), mass)
    for exponent in options.zipf:
        add("zipf", unequal, controls.zipf(len(unequal), exponent), exponent)
    if options.train:
        chosen = _first(data, min(ruler.samples, len(data.train)), "train")
        subject = Subject(
            "train", _subject_id(data, "train"), data.train[chosen], vectors=ruler.train[chosen]
        )
        found.append((subject, []))
    return found


def _first(data: DataSet, count: int, key: str) -> np.ndarray:
    if count > len(data.train):
        raise InputError(f"controls.{key}: {count}: {data.name} has only {len(data.train)} training samples")
    return data.subset(count, seed=0)


def _subject_id(data: DataSet, source: str, size: int | None = None, parameter: float | None = None) -> str:
    key: dict[str, Any] = {"data": data.fingerprint, "source": source, "support_size": size}
    return content_hash(key if parameter is None else {**key, "parameter": parameter})
