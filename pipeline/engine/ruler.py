"""The ruler of a study on one data set: tau, what real images measure under it, and the controls."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeline import support
from pipeline.datasets import DataSet
from pipeline.engine.measure import Subject, measure, quality
from pipeline.errors import InputError
from pipeline.seeds import stream
from pipeline.study import RealQuantile, Study
from pipeline.trial import content_hash

Rows = dict[str, list[dict[str, Any]]]


class Ruler(NamedTuple):
    """Everything a worker needs to measure one trial's samples under one embedding."""

    embedding: str
    tau_rule: str
    tau: float
    samples: int
    n2_real: float | None


def rulers(study: Study, data: DataSet) -> tuple[list[Ruler], Rows]:
    """The study's rulers on a data set, and the rows of its real images and controls.

    Raises InputError where the data cannot carry the study's tau rule or controls.
    """
    found: list[Ruler] = []
    tables: Rows = {}
    for embedding in study.measure.embeddings:
        real = support.embed(embedding, data.held_out)
        rule = study.measure.tau
        try:
            tau = support.real_quantile(real, rule.quantile) if isinstance(rule, RealQuantile) else rule.value
        except ValueError as error:
            raise InputError(f"measure.tau: {error}") from None
        ruler = Ruler(embedding, study.measure.tau_rule(), tau, study.measure.samples, None)
        held_out = Subject("real", _subject_id(data, "real", None), data.held_out)
        rows = measure(held_out, ruler, data, None)
        ruler = ruler._replace(n2_real=rows["collisions"][0]["n2"])
        some = data.train[data.subset(min(len(data.train), len(data.held_out)), seed=0)]
        rows["quality"] = [quality(Subject("real", held_out.trial_id, some), ruler, data, None)]
        for n in study.controls.finite_support:
            control = _finite_support(n, ruler, data)
            for table, more in control.items():
                rows.setdefault(table, []).extend(more)
        for row in rows["collisions"]:
            row["n2_real"] = ruler.n2_real
            row["ratio_to_real"] = row["n2"] / ruler.n2_real if row["n2"] and ruler.n2_real else None
        for table, more in rows.items():
            tables.setdefault(table, []).extend(more)
        found.append(ruler)
    return found, tables


def _finite_support(n: int, ruler: Ruler, data: DataSet) -> Rows:
    if n > len(data.train):
        raise InputError(
            f"controls.finite_support: {n}: {data.name} has only {len(data.train)} training samples"
        )
    items = data.train[data.subset(n, seed=0)]
    rng = stream(f"{data.fingerprint}/{n}", "finite_support")
    control = support.finite_support(support.embed(ruler.embedding, items), ruler.samples, ruler.tau, rng)
    subject = Subject("finite_support", _subject_id(data, "finite_support", n), items[control.indices], n)
    rows = measure(subject, ruler, data, None)
    rows["collisions"][0]["n2_true"] = control.n2_true
    return {table: rows[table] for table in ("collisions", "distances")}


def _subject_id(data: DataSet, source: str, size: int | None) -> str:
    return content_hash({"data": data.fingerprint, "source": source, "support_size": size})
