"""Samplers over a data set's training images whose law, and so whose N2, is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline.datasets import DataSet
from pipeline.engine.measure import Ruler, Subject
from pipeline.errors import InputError
from pipeline.seeds import stream
from pipeline.study_options import ControlOptions
from pipeline.support import controls
from pipeline.trial import content_hash

# Training images that a law of unequal probabilities is laid over, and versions of each jittered one.
UNEQUAL, VERSIONS = 5000, 20


class ControlSubject(NamedTuple):
    """One draw of a control. n2_true: at each of the ruler's taus; empty where the law is not known."""

    subject: Subject
    n2_true: list[float]
    repeat: int


class _Known(NamedTuple):
    source: str
    chosen: np.ndarray
    law: np.ndarray
    parameter: float | None = None


def control_subjects(options: ControlOptions, ruler: Ruler, data: DataSet) -> Iterator[ControlSubject]:
    """Every control the study asks for. Raises InputError where the data cannot carry one."""
    for known in _known(options, data):
        count = len(known.chosen)
        key = f"{data.fingerprint}/{count}/{known.parameter!r}"
        items, vectors, law = data.train[known.chosen], ruler.train[known.chosen], known.law
        if known.source == "jittered":
            items = controls.jittered(items, VERSIONS, options.jitter, stream(key, "jitter"))
            vectors, law = ruler.embedding(items), controls.uniform(len(items))
        n2_true = controls.true_n2(vectors, law, list(ruler.taus.values()))
        for repeat in range(options.repeats):
            drawn = controls.draw(law, ruler.samples, stream(f"{key}/{repeat}", known.source))
            subject = Subject(
                known.source,
                subject_id(data, known.source, count, known.parameter, repeat),
                items[drawn],
                count,
                known.parameter,
                vectors[drawn],
            )
            yield ControlSubject(subject, n2_true, repeat)
    if options.train:
        chosen = data.subset(min(ruler.samples, len(data.train)), seed=0)
        images = data.train[chosen]
        train = Subject("train", subject_id(data, "train"), images, vectors=ruler.train[chosen])
        yield ControlSubject(train, [], 0)


def _known(options: ControlOptions, data: DataSet) -> Iterator[_Known]:
    for n in options.finite_support:
        yield _Known("finite_support", _first(data, n, "finite_support"), controls.uniform(n))
    for n in options.jittered:
        if not data.is_images:
            raise InputError(f"controls.jittered: {data.name} holds points, not images")
        yield _Known("jittered", _first(data, n, "jittered"), controls.uniform(n), options.jitter)
    unequal = data.subset(min(UNEQUAL, len(data.train)), seed=0)
    for mass in options.atom:
        yield _Known("atom", unequal, controls.atom(len(unequal), mass), mass)
    for exponent in options.zipf:
        yield _Known("zipf", unequal, controls.zipf(len(unequal), exponent), exponent)


def _first(data: DataSet, count: int, key: str) -> np.ndarray:
    if count > len(data.train):
        raise InputError(f"controls.{key}: {count}: {data.name} has only {len(data.train)} training samples")
    return data.subset(count, seed=0)


def subject_id(
    data: DataSet, source: str, size: int | None = None, parameter: float | None = None, repeat: int = 0
) -> str:
    """What stands in place of a trial's id for samples that no trial made."""
    key: dict[str, Any] = {"data": data.fingerprint, "source": source, "support_size": size}
    return content_hash({**key, "parameter": parameter, "repeat": repeat})
