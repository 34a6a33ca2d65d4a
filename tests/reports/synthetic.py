"""Runs that no one trained: rows drawn from a known law, written through the store as the engine writes
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.trial import TrialConfig
from tests.reports import laws
from tests.reports.laws import REAL_N2, Law, Row

FINGERPRINT = "f1e2d3c4b5a69788"
CAPACITY: Row = {
    "name": "capacity",
    "outcome": "log_support",
    "predictor": "log_discriminator_params",
    "expect": "increasing",
}
SAMPLE_COUNT: Row = {
    "name": "sample_count",
    "outcome": "log_support",
    "predictor": "log_train_samples",
    "expect": "flat",
    "margin": 0.25,
}


def study(**changes: Any) -> Study:
    """A study shaped like the quickstart; keyword arguments replace top-level keys, None removes one."""
    document: dict[str, Any] = {
        "study": "synthetic",
        "question": "Does support size grow with discriminator capacity?",
        "base": {
            "system": "gan",
            "dataset": {"name": "digits"},
            "generator": {"name": "dcgan", "width": 16, "latent_dim": 32},
            "discriminator": {"name": "dcgan", "width": 8},
            "objective": {"name": "nonsaturating"},
            "train_samples": 1200,
            "training": {"steps": 2000},
        },
        "vary": {
            "discriminator.width": [2, 4, 8, 16, 32],
            "objective.name": ["nonsaturating", "wgan_gp"],
            "train_samples": [300, 1200],
            "seed": {"count": 2},
        },
        "measure": {"samples": 4000, "tau": {"rule": "real_quantile", "quantile": 1e-3}},
        "controls": {"finite_support": [100, 1000]},
        "hypotheses": [CAPACITY, SAMPLE_COUNT],
    }
    document |= changes
    return Study.parse({key: value for key, value in document.items() if value is not None})


def point_study() -> Study:
    """A study on points in the plane: no images anywhere."""
    return study(
        base={
            "dataset": {"name": "gaussian_ring"},
            "generator": {"name": "mlp"},
            "discriminator": {"name": "mlp", "width": 64},
            "objective": {"name": "hinge"},
            "train_samples": 500,
        },
        vary={"discriminator.width": [16, 64, 256], "seed": {"count": 4}},
        controls={"finite_support": []},
        hypotheses=[CAPACITY],
    )


def params(trial: TrialConfig) -> int:
    """Some growing function of the width: parameters of a convolutional discriminator."""
    width = trial.discriminator.width
    return 34 * width + 32 * width**2


def write(
    root: Path,
    study: Study,
    *,
    slope: float = 0.5,
    slopes: dict[str, float] | None = None,
    sd: float = 0.4,
    seed: int = 0,
    status: Callable[[int, TrialConfig], str] = lambda k, t: "completed",
    precision: Callable[[TrialConfig], float | None] = lambda t: 0.8,
    level: float = 5.0,
    controls: bool = True,
    images: bool = True,
    ladder: bool = True,
) -> Run:
    """A run whose log N2 is level + slope * log(params / 1000) + 0.3 for a critic + sd * normal.

    slopes: by embedding, where they differ. status: the status of the k-th trial; `missing` leaves it out.
    precision: a trial's, None for no quality row. ladder: False writes what runs wrote before there was one:
    one row of collisions a subject, and none of the tables that came with it.
    """
    run = Run(root / study.study)
    rng = np.random.default_rng(seed)
    slopes = dict.fromkeys(study.measure.embedding_names(), slope) | (slopes or {})
    with run.writing():
        run.save_study(study)
        for k, trial in enumerate(study.trials()):
            own = 0.3 * trial.objective.name.startswith("wgan") + sd * rng.standard_normal()
            size = np.log(params(trial) / 1000)
            of = {name: Law(float(np.exp(level + slopes[name] * size + own))) for name in slopes}
            tables = rows_of_trial(study, trial, of, rng, status(k, trial), precision(trial), images, ladder)
            if status(k, trial) != "missing":
                run.save([trial.id], tables)
        if controls:
            run.save_measurement("controls", control_rows(study, rng, images, ladder))
    return run


def rows_of_trial(
    study: Study,
    trial: TrialConfig,
    of: dict[str, Law],
    rng: np.random.Generator,
    status: str,
    precision: float | None,
    images: bool,
    ladder: bool,
) -> dict[str, list[Row]]:
    """What the engine writes for one trial. of: the law of its samples under each embedding."""
    done = status == "completed"
    row: Row = {
        "trial_id": trial.id,
        "system": trial.system.name,
        "dataset": trial.dataset.name,
        "objective": trial.objective.name,
        "train_samples": trial.train_samples,
        "seed": trial.seed,
        "config": json.dumps(trial.model_dump(mode="json")),
        "discriminator_params": params(trial),
        "generator_params": 50_000,
        "status": status,
        "error": None if done else "the discriminator's loss is not a number <step 40>",
        "steps_done": trial.training.steps if done else 40,
        "wall_seconds": 12.5,
        "device_seconds": 10.0,
        "device": "cpu",
        "back_end": "reference",
        "cohort_size": 1,
        "versions": json.dumps({"torch": "2.9.0", "numpy": "2.1.0"}),
        "commit": "0123456789abcdef",
        "data_fingerprint": FINGERPRINT,
    }
    tables: dict[str, list[Row]] = {"trials": [row], "curves": curves(trial, done)}
    if not done:
        return tables
    subject: Row = {"trial_id": trial.id, "source": "generated"}
    for name, law in of.items():
        source = subject | ruler(name)
        add(tables, source, measurements(study, law, study.measure.samples, rng, images, ladder))
        if precision is not None:
            add(tables, source, {"quality": [quality_row(precision, ladder)]})
    first = subject | ruler(next(iter(of)))
    add(tables, first, {"pairs": [pair_row(rng, rank, images) for rank in range(1, 7)]})
    if images:
        add(tables, first, {"samples": [image_row(rng, k) for k in range(64)]})
    return tables


def ruler(embedding: str) -> Row:
    """The columns that name the data and what measured it."""
    return {"data_fingerprint": FINGERPRINT, "embedding": embedding, "embedding_id": f"id-of-{embedding}"}


def add(tables: dict[str, list[Row]], source: Row, more: dict[str, list[Row]]) -> None:
    """Append rows of one source."""
    for name, rows in more.items():
        tables.setdefault(name, []).extend(source | row for row in rows)


def measurements(
    study: Study, law: Law, samples: int, rng: np.random.Generator, images: bool, ladder: bool
) -> dict[str, list[Row]]:
    """Every table that one subject has under one embedding."""
    rules = laws.taus(study, ladder)
    tables: dict[str, list[Row]] = {"collisions": laws.collision_rows(rules, law, samples, rng)}
    if ladder:
        rule, tau = next(iter(rules.items()))
        tables["distances"] = laws.histogram_rows(law, samples)
        tables["batches"] = laws.batch_rows(rule, tau, law, samples, rng)
        tables["estimates"] = laws.estimate_rows(rule, tau, law, samples)
        tables["clusters"] = [
            {"tau_rule": rule, "tau": tau, "samples": samples} | cluster_row(rank, samples, law, rng, images)
            for rank in range(1, 6)
        ]
    return tables


def cluster_row(rank: int, samples: int, law: Law, rng: np.random.Generator, images: bool) -> Row:
    size = 60 // rank
    row: Row = {"rank": rank, "size": size, "mass": size / samples, "n2_without": law.n2 * (1 + 0.1 * rank)}
    return row | ({k: v for k, v in image_row(rng, 0).items() if k != "index"} if images else {})


def collision_row(study: Study, support: float, samples: int, rng: np.random.Generator) -> Row:
    """A Poisson count of collisions at a known support size, under the study's own rule."""
    return laws.collision_rows(laws.taus(study, ladder=False), Law(support), samples, rng)[0]


def quality_row(precision: float, everything: bool = True) -> Row:
    row: Row = {
        "samples": 500,
        "reference_samples": 500,
        "neighbours": 3,
        "precision": precision,
        "recall": 0.4,
        "density": 0.7,
        "coverage": 0.5,
        "nearest_train_median": 1.9,
        "nearest_held_out_median": 2.0,
    }
    more = {"kid": 0.021, "kid_standard_error": 0.002, "fid": 14.2, "vendi": 31.0, "bins_different": 0.37}
    return row | (more | {"data_copying": -1.4, "authenticity": 0.71} if everything else {})


def control_rows(study: Study, rng: np.random.Generator, images: bool, ladder: bool) -> dict[str, list[Row]]:
    """Held-out real images at N2 = 1000, training images, and uniform samplers over N images of the same
    continuum, whose true N2 is known at every tau.
    """
    tables: dict[str, list[Row]] = {}
    for name in study.measure.embedding_names():
        real = {"trial_id": "real", "source": "real"} | ruler(name)
        add(tables, real, measurements(study, Law(REAL_N2), 597, rng, images, ladder))
        add(tables, real, {"quality": [quality_row(0.9, ladder)]})
        if study.controls.train:
            train = {"trial_id": "train", "source": "train"} | ruler(name)
            add(tables, train, measurements(study, Law(REAL_N2), 1200, rng, images, ladder))
        for size in study.controls.finite_support:
            label = {"trial_id": f"uniform-{size}", "source": "finite_support", "support_size": size}
            law = Law(REAL_N2, size)
            more = measurements(study, law, study.measure.samples, rng, images, ladder)
            for row in more["collisions"]:
                row["n2_true"] = 1 / float(law.p2(row["tau"]))
            add(tables, label | ruler(name), more)
        if images and name == study.measure.embedding_names()[0]:
            add(tables, real, {"samples": [image_row(rng, k) for k in range(64)]})
    return tables


def curves(trial: TrialConfig, done: bool) -> list[Row]:
    rows = []
    for step in range(0, 2001 if done else 41, 100 if done else 20):
        decay = float(np.exp(-step / 700))
        values = {
            "discriminator_loss": 0.6 + 0.8 * decay,
            "generator_loss": 1.5 - 0.6 * decay if done else float("nan"),
            "gap_train": 0.5 - 0.3 * decay,
            "gap_held_out": 0.35 - 0.2 * decay,
        }
        rows += [{"trial_id": trial.id, "step": step, "metric": m, "value": v} for m, v in values.items()]
    return rows


def pair_row(rng: np.random.Generator, rank: int, images: bool) -> Row:
    row: Row = {
        "samples": 4000,
        "rank": rank,
        "first": rank,
        "second": 10 * rank,
        "distance": 0.4 * rank,
        "first_train_index": 3,
        "first_train_distance": 2.2,
        "second_train_index": 4,
        "second_train_distance": 2.4,
    }
    if images:
        one = blob(rng)
        two = np.clip(one.astype(int) + rng.integers(-6 * rank, 6 * rank + 1, one.shape), 0, 255).astype(
            np.uint8
        )
        row |= {
            "channels": 1,
            "height": 8,
            "width": 8,
            "first_image": one.tobytes(),
            "second_image": two.tobytes(),
        }
        row |= {"first_train_image": blob(rng).tobytes(), "second_train_image": blob(rng).tobytes()}
    return row


def image_row(rng: np.random.Generator, index: int) -> Row:
    return {"index": index, "channels": 1, "height": 8, "width": 8, "image": blob(rng).tobytes()}


def blob(rng: np.random.Generator) -> np.ndarray:
    """(1, 8, 8) uint8: a bright spot somewhere."""
    y, x = np.mgrid[:8, :8]
    cy, cx = rng.uniform(1, 6, 2)
    return (255 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / rng.uniform(2, 6))).astype(np.uint8)[None]
