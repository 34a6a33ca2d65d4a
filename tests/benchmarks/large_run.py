"""Runs of any number of trials that no one trained, from the law of `tests/reports/laws.py`, in full shards.

What a trial on 8x8 images leaves: curves of 20 ticks, two embeddings with histograms, a ladder of tau,
clusters, estimates, batches and quality, six close pairs and 36 samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.store.compaction import MOST_TRIALS
from pipeline.store.manifests import Content, Manifest, digest, file_name, manifest_name
from pipeline.store.run import Run
from pipeline.store.schemas import SCHEMA_VERSION, SCHEMAS
from pipeline.store.tables import encode
from pipeline.study import Study
from pipeline.trial import TrialConfig, content_hash
from tests.reports import laws, synthetic

EMBEDDINGS, SAMPLES = ["pixels", "selfsup"], 4000
CELLS = 100
STEPS = 100 * np.arange(1, 21)
METRICS = ("discriminator_loss", "generator_loss", "gap_train", "gap_held_out")
EDGES = np.sqrt(2.0 ** np.repeat(np.arange(-4, 8), 16) * np.tile(1 + np.arange(16) / 16, 12))
BATCHES = np.array([10, 20, 40, 80, 160])
ESTIMATORS = ("chao1", "unseen_mass", "hill_1", "hill_2", "soft_n2", "half_collision", "arz_bound")
IMAGES, PAIRS, CLUSTERS = 36, 6, 5
SHAPE = {"channels": 1, "height": 8, "width": 8}
Columns = Mapping[str, Any]


def study(trials: int) -> Study:
    """5 widths, 5 objectives, 4 numbers of training samples, and as many seeds as make so many trials."""
    return synthetic.study(
        study=f"large-{trials}",
        vary={
            "discriminator.width": [2, 4, 8, 16, 32],
            "objective.name": ["nonsaturating", "wgan_gp", "hinge", "lsgan", "minimax"],
            "train_samples": [150, 300, 600, 1200],
            "seed": {"count": trials // CELLS},
        },
        measure={
            "samples": SAMPLES,
            "embeddings": EMBEDDINGS,
            "tau": {"rule": "real_quantile", "quantile": 1e-3},
        },
    )


def write(root: Path, trials: int, slope: float = 0.5, sd: float = 0.4) -> Run:
    """A run of so many trials, a multiple of 100: 3 % diverged, the smallest width below the quality gate."""
    asked = study(trials)
    rng, run = np.random.default_rng(0), Run(root / asked.study)
    run.save_study(asked)
    planned = list(asked.by_id.items())
    for start in range(0, len(planned), MOST_TRIALS):
        some = dict(sorted(planned[start : start + MOST_TRIALS]))
        _commit(run, list(some), _tables(asked, some, slope, sd, rng))
    with run.writing():
        run.save_measurement("controls", synthetic.control_rows(asked, rng, images=True, ladder=True))
    return run


def _commit(run: Run, trials: list[str], tables: dict[str, pa.Table]) -> None:
    shard, files = f"trials-{content_hash(trials)}", {}
    for name, table in tables.items():
        content = encode(table)
        run.files.create(file_name(name, shard), content)
        files[name] = Content(len(content), table.num_rows, digest(content))
    run.files.create(manifest_name(shard), Manifest(shard, files, tuple(trials)).encode())


def _tables(
    asked: Study, trials: dict[str, TrialConfig], slope: float, sd: float, rng: np.random.Generator
) -> dict[str, pa.Table]:
    done = rng.random(len(trials)) >= 0.03
    configs = list(trials.values())
    size = np.log([synthetic.params(trial) / 1000 for trial in configs])
    critic = np.array([trial.objective.name == "wgan_gp" for trial in configs])  # type: ignore[union-attr]
    log_n2 = 5 + slope * size + 0.3 * critic + sd * rng.standard_normal(len(configs))
    ids = pa.array(list(trials))
    table = _Tables(ids)
    table.add("trials", 1, **_facts(configs, done))
    shown = (
        1.5 - 0.6 * np.exp(-STEPS / 700) + 0.05 * rng.standard_normal((len(ids), len(METRICS), len(STEPS)))
    )
    each = {"step": np.tile(STEPS, len(METRICS)), "metric": np.repeat(METRICS, len(STEPS))}
    table.add("curves", len(METRICS) * len(STEPS), value=shown.ravel(), **_tiled(each, len(ids)))
    table.keep(done)
    log_n2, configs = log_n2[done], [trial for trial, kept in zip(configs, done, strict=True) if kept]
    for name in EMBEDDINGS:
        table.source = synthetic.ruler(name) | {"source": "generated"}
        n2 = np.exp(log_n2 + 0.1 * rng.standard_normal(len(log_n2)))
        _measured(table, asked, n2, configs, rng)
    table.source = synthetic.ruler(EMBEDDINGS[0]) | {"source": "generated"}
    images = {name: _images(PAIRS * len(n2), rng) for name in ("first_image", "second_image")}
    images |= {name: _images(PAIRS * len(n2), rng) for name in ("first_train_image", "second_train_image")}
    ranks = {"rank": np.arange(1, PAIRS + 1), "distance": 0.4 * np.arange(1, PAIRS + 1)}
    more = _tiled(ranks | {"first": ranks["rank"], "second": 10 * ranks["rank"]}, len(n2))
    near = {"first_train_distance": 2.2, "second_train_distance": 2.4, "samples": SAMPLES}
    table.add("pairs", PAIRS, **more, **images, **SHAPE, **near)
    index = _tiled({"index": np.arange(IMAGES)}, len(n2))
    table.add("samples", IMAGES, image=_images(IMAGES * len(n2), rng), **index, **SHAPE)
    return table.whole()


def _facts(configs: list[TrialConfig], done: np.ndarray) -> dict[str, Any]:
    return {
        "system": "gan",
        "dataset": "digits",
        "objective": [trial.objective.name for trial in configs],  # type: ignore[union-attr]
        "train_samples": [trial.train_samples for trial in configs],
        "seed": [trial.seed for trial in configs],
        "config": [json.dumps(trial.model_dump(mode="json")) for trial in configs],
        "discriminator_params": [synthetic.params(trial) for trial in configs],
        "generator_params": 50_000,
        "status": np.where(done, "completed", "diverged"),
        "error": np.where(done, None, "the discriminator's loss is not a number"),
        "steps_done": np.where(done, 2000, 40),
        "device_seconds": 10.0,
        "predicted_seconds": 9.0,
        "device": "cpu",
        "back_end": "reference",
        "versions": json.dumps({"torch": "2.9.0", "numpy": "2.1.0"}),
        "commit": "0123456789abcdef",
        "data_fingerprint": synthetic.FINGERPRINT,
    }


def _measured(
    table: _Tables, asked: Study, n2: np.ndarray, configs: list[TrialConfig], rng: np.random.Generator
) -> None:
    """One embedding's tables. n2: (trials,) at the law's own tau."""
    pairs, count = SAMPLES * (SAMPLES - 1) // 2, len(n2)
    rules = dict(sorted(laws.taus(asked).items(), key=lambda item: item[1]))
    taus = np.array(list(rules.values()))
    p2 = _p2(taus, n2)
    found = np.minimum(np.cumsum(rng.poisson(pairs * np.diff(p2, prepend=0)), axis=1), pairs).ravel()
    known = np.where(found > 0, found, np.nan)
    ladder = _tiled({"tau_rule": list(rules), "tau": taus}, count)
    table.add(
        "collisions", len(rules), samples=SAMPLES, pairs=pairs, collisions=found, p2=found / pairs,
        n2=pairs / known, n2_low=pairs / (found + 2 * np.sqrt(found) + 3.7),
        n2_high=pairs / np.where(found > 5, found - 2 * np.sqrt(found), np.nan),
        method=np.where(found > 0, "poisson", "lower_bound"), clusters=np.minimum(found, 9),
        largest_cluster_mass=0.01, n2_without_largest=1.1 * pairs / known, **ladder,
    )  # fmt: skip
    below = np.rint(pairs * _p2(EDGES, n2))
    counts = np.diff(below, prepend=0, append=pairs, axis=1).astype(np.int64)
    bins = {"low": np.append(0.0, EDGES), "high": np.append(EDGES, 2 * EDGES[-1])}
    held = counts.ravel() > 0
    some = {name: values[held] for name, values in _tiled(bins, count).items()}
    table.add(
        "distances", (counts > 0).sum(axis=1), count=counts.ravel()[held], samples=SAMPLES, exact_below=1.6,
        resolution=0.02, **some,
    )  # fmt: skip
    own = {"tau_rule": asked.measure.tau_rule(), "tau": rules[asked.measure.tau_rule()], "samples": SAMPLES}
    chance = 1 - np.exp(-BATCHES * (BATCHES - 1) / 2 * _p2(np.array([own["tau"]]), n2))
    collided = rng.binomial(SAMPLES // BATCHES, chance)
    share, half = collided / (SAMPLES // BATCHES), 1 / np.sqrt(SAMPLES // BATCHES)
    batches = _tiled({"batch_size": BATCHES, "batches": SAMPLES // BATCHES}, count)
    table.add(
        "batches", len(BATCHES), collided=collided.ravel(), low=(share - half).clip(0, 1).ravel(),
        high=(share + half).clip(0, 1).ravel(), predicted=chance.ravel(), **own, **batches,
    )  # fmt: skip
    values = (n2[:, None] * np.linspace(0.5, 3, len(ESTIMATORS))).ravel()
    table.add("estimates", len(ESTIMATORS), value=values, low=0.8 * values, high=1.3 * values,
              **own, **_tiled({"estimator": ESTIMATORS}, count))  # fmt: skip
    ranks = np.arange(1, CLUSTERS + 1)
    without = (n2[:, None] * (1 + 0.1 * ranks)).ravel()
    clusters = _tiled({"rank": ranks, "size": 60 // ranks, "mass": (60 // ranks) / SAMPLES}, count)
    table.add(
        "clusters", CLUSTERS, n2_without=without, image=_images(CLUSTERS * count, rng), **clusters, **own,
        **SHAPE,
    )  # fmt: skip
    precision = [0.1 if trial.discriminator.width == 2 else 0.8 for trial in configs]  # type: ignore[union-attr]
    drawn = {"precision": precision, "fid": 14 + rng.standard_normal(count)}
    table.add("quality", 1, **synthetic.quality_row(0.8) | drawn)


def _p2(tau: np.ndarray, n2: np.ndarray) -> np.ndarray:
    """(trials, taus): `Law.p2` without atoms."""
    return np.minimum(1.0, (tau / laws.TAU) ** laws.DIMENSION / n2[:, None])


def _tiled(columns: Columns, count: int) -> dict[str, np.ndarray]:
    return {name: np.tile(np.asarray(values), count) for name, values in columns.items()}


def _images(count: int, rng: np.random.Generator) -> pa.Array:
    """Noise, which does not compress."""
    size = SHAPE["channels"] * SHAPE["height"] * SHAPE["width"]
    fixed = pa.Array.from_buffers(pa.binary(size), count, [None, pa.py_buffer(rng.bytes(size * count))])
    return fixed.cast(pa.binary())


class _Tables:
    """Columns gathered under the store's schemas, in the order of trials. source: columns of what is added."""

    def __init__(self, ids: pa.Array) -> None:
        self.ids, self.source, self._parts = ids, dict[str, Any](), dict[str, list[pa.Table]]()

    def keep(self, chosen: np.ndarray) -> None:
        self.ids = self.ids.filter(pa.array(chosen))

    def add(self, name: str, each: int | np.ndarray, **columns: Any) -> None:
        """Rows of all trials, `each` of a trial; a number or a text stands for all rows."""
        trial = self.ids.take(pa.array(np.repeat(np.arange(len(self.ids)), each)))
        given = {
            "study": "large",
            "schema_version": SCHEMA_VERSION,
            "trial_id": trial,
            **self.source,
            **columns,
        }
        assert given.keys() <= set(SCHEMAS[name].names), given.keys() - set(SCHEMAS[name].names)
        arrays = [_array(given.get(field.name), field.type, len(trial)) for field in SCHEMAS[name]]
        self._parts.setdefault(name, []).append(pa.Table.from_arrays(arrays, schema=SCHEMAS[name]))

    def whole(self) -> dict[str, pa.Table]:
        return {name: pa.concat_tables(parts).sort_by("trial_id") for name, parts in self._parts.items()}


def _array(values: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, kind)
    if isinstance(values, str | int | float):
        return pa.repeat(pa.scalar(values, kind), rows)
    return values if isinstance(values, pa.Array) else pa.array(values, kind, from_pandas=True)
