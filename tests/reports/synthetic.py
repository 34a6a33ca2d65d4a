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

TAU = 1.5
FINGERPRINT = "f1e2d3c4b5a69788"
Row = dict[str, Any]
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
    sd: float = 0.4,
    seed: int = 0,
    status: Callable[[int, TrialConfig], str] = lambda k, t: "completed",
    precision: Callable[[TrialConfig], float | None] = lambda t: 0.8,
    level: float = 5.0,
    controls: bool = True,
    images: bool = True,
) -> Run:
    """A run whose log N2 is level + slope * log(params / 1000) + 0.3 for a critic + sd * normal.

    status: the status of the k-th trial; `missing` leaves it out. precision: a trial's, None for no quality
    row.
    """
    run = Run(root / study.study)
    rng = np.random.default_rng(seed)
    with run.writing():
        run.save_study(study)
        for k, trial in enumerate(study.trials()):
            support = (
                level + slope * np.log(params(trial) / 1000) + 0.3 * trial.objective.name.startswith("wgan")
            )
            tables = rows_of_trial(
                study,
                trial,
                np.exp(support + sd * rng.standard_normal()),
                rng,
                status(k, trial),
                precision(trial),
                images,
            )
            if status(k, trial) != "missing":
                run.save([trial.id], tables)
        if controls:
            run.save_measurement("controls", control_rows(study, rng, images))
    return run


def rows_of_trial(
    study: Study,
    trial: TrialConfig,
    support: float,
    rng: np.random.Generator,
    status: str,
    precision: float | None,
    images: bool,
) -> dict[str, list[Row]]:
    """What the engine writes for one trial."""
    done = status == "completed"
    row: Row = {
        "trial_id": trial.id,
        "system": trial.system,
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
        "versions": json.dumps({"torch": "2.9.0", "numpy": "2.1.0"}),
        "commit": "0123456789abcdef",
        "data_fingerprint": FINGERPRINT,
    }
    tables: dict[str, list[Row]] = {"trials": [row], "curves": curves(trial, done)}
    if not done:
        return tables
    source: Row = {
        "trial_id": trial.id,
        "source": "generated",
        "data_fingerprint": FINGERPRINT,
        "embedding": "pixels",
    }
    tables["collisions"] = [source | collision_row(study, support, study.measure.samples, rng)]
    if precision is not None:
        tables["quality"] = [source | quality_row(precision)]
    tables["pairs"] = [source | pair_row(rng, rank, images) for rank in range(1, 7)]
    if images:
        tables["samples"] = [source | image_row(rng, k) for k in range(64)]
    return tables


def collision_row(study: Study, support: float, samples: int, rng: np.random.Generator) -> Row:
    """A Poisson count of collisions at a known support size, with a Poisson-like interval."""
    pairs = samples * (samples - 1) // 2
    count = int(min(rng.poisson(pairs / support), pairs))
    return {
        "tau_rule": study.measure.tau_rule(),
        "tau": TAU,
        "samples": samples,
        "pairs": pairs,
        "collisions": count,
        "p2": count / pairs,
        "n2": pairs / count if count else None,
        "n2_low": pairs / (count + 2 * np.sqrt(count) + 3.7),
        "n2_high": pairs / (count - 2 * np.sqrt(count)) if count > 5 else None,
        "method": "poisson" if count else "lower_bound",
        "clusters": min(count, 9),
        "largest_cluster_mass": 0.01,
        "n2_without_largest": pairs / count * 1.1 if count else None,
    }


def quality_row(precision: float) -> Row:
    return {
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


def control_rows(study: Study, rng: np.random.Generator, images: bool) -> dict[str, list[Row]]:
    """Held-out real images at N2 = 1000 and one control of known support for each size the study names."""
    source: Row = {
        "trial_id": "real",
        "source": "real",
        "data_fingerprint": FINGERPRINT,
        "embedding": "pixels",
    }
    tables: dict[str, list[Row]] = {
        "collisions": [source | collision_row(study, 1000.0, 597, rng)],
        "quality": [source | quality_row(0.9)],
    }
    for size in study.controls.finite_support:
        row = collision_row(study, float(size), study.measure.samples, rng)
        label = {"source": "finite_support", "support_size": size, "trial_id": f"uniform-{size}"}
        tables["collisions"].append(source | row | label | {"n2_true": float(size)})
    if images:
        tables["samples"] = [source | image_row(rng, k) for k in range(64)]
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
