"""What MLflow is told of a trial, as plain values from its rows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.store.tables import Row
from pipeline.study import Study
from pipeline.trial import TrialConfig

# The tables that an entry is made of, beside `trials`.
TABLES = ("curves", "collisions", "quality", "samples")
TAGS = ("trial_id", "status", "error", "commit", "data_fingerprint", "back_end", "device")
TRIAL_METRICS = ("wall_seconds", "train_seconds", "device_seconds", "images_per_second")
COLLISION_METRICS = ("n2", "n2_low", "n2_high", "collisions", "ratio_to_real")
QUALITY_METRICS = ("precision", "recall", "density", "coverage", "kid", "fid")
LONGEST_TEXT = 5000  # MLflow allows 6,000 characters in a parameter and 8,000 in a tag
LONGEST_NAME = 250


class Entry(NamedTuple):
    """A trial in MLflow's words. points: (metric, step, finite value). started, finished: ms since 1970.
    images: rows of table `samples`, its first generated ones.
    """

    name: str
    tags: dict[str, str]
    params: dict[str, str]
    points: list[tuple[str, int, float]]
    dataset: str
    fingerprint: str | None
    started: int
    finished: int
    completed: bool
    images: list[Row]


def entry(study: Study, trial: Row, tables: Mapping[str, Sequence[Row]]) -> Entry:
    """trial: a row of table `trials`; tables: the trial's rows of the others, by name."""
    config = TrialConfig.model_validate_json(trial["config"])
    axes = {axis: text(config.at(axis)) for axis in varied(study)}
    points = [(row["metric"], row["step"], row["value"]) for row in tables.get("curves", [])]
    points += [(name, 0, value) for name, value in final_metrics(study, trial, tables).items()]
    finished = milliseconds(trial.get("finished_at")) or int(time.time() * 1000)
    return Entry(
        name=", ".join(f"{axis}={value}" for axis, value in axes.items())[:LONGEST_NAME] or trial["trial_id"],
        tags=axes
        | {name: text(trial[name]) for name in TAGS if trial.get(name) is not None}
        | {"tau_rule": study.measure.tau_rule()},
        params={**{key: text(value) for key, value in config.flat().items()}, **axes},
        # Infinity would come back from MLflow as 1.8e308.
        points=[(k, step, value) for k, step, value in points if value is not None and math.isfinite(value)],
        dataset=config.dataset.name,
        fingerprint=trial.get("data_fingerprint"),
        started=milliseconds(trial.get("started_at")) or finished,  # a lost trial's start may be unknown
        finished=finished,
        completed=trial["status"] == "completed",
        images=[row for row in tables.get("samples", []) if row["source"] == "generated"],
    )


def varied(study: Study) -> list[str]:
    """The dotted keys in which trials differ: axes, and what a search chooses."""
    return list(dict.fromkeys([*(study.search.space if study.search else ()), *study.axes()]))


def final_metrics(study: Study, trial: Row, tables: Mapping[str, Sequence[Row]]) -> dict[str, float | None]:
    """A trial's speed, its generator's support and quality by the study's first embedding and tau rule."""
    embedding, rule = study.measure.embedding_names()[0], study.measure.tau_rule()
    metrics = {name: trial.get(name) for name in TRIAL_METRICS}
    for table, names in (("collisions", COLLISION_METRICS), ("quality", QUALITY_METRICS)):
        for row in tables.get(table, []):
            if (row["source"], row["embedding"], row.get("tau_rule", rule)) == ("generated", embedding, rule):
                metrics |= {name: row.get(name) for name in names}
    return metrics


def text(value: object) -> str:
    """A value as MLflow keeps it."""
    return str(value)[:LONGEST_TEXT]


def milliseconds(moment: Any) -> int | None:
    """A moment since 1970."""
    value = pa.scalar(moment, pa.timestamp("ms", tz="UTC")).value
    return None if value is None else int(value)
