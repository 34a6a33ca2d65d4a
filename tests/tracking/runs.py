"""A run whose rows are made up, and what MLflow then holds of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from pipeline.store.run import Run
from pipeline.study import Study
from pipeline.tracking import mirror, place

START = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
STUDY = Study.parse(
    {
        "study": "mirrored",
        "question": "Does the mirror follow?",
        "base": {
            "dataset": {"name": "digits"},
            "generator": {"name": "dcgan", "width": 4, "latent_dim": 8},
            "discriminator": {"name": "dcgan", "width": 4},
            "objective": {"name": "hinge"},
            "train_samples": 100,
        },
        "vary": {"seed": {"count": 4}},
    }
)


def rows(number: int, status: str = "completed", points: int = 3, metrics: int = 2) -> dict[str, list[Any]]:
    """What trial `number` leaves in the store."""
    config = STUDY.trials()[number % 4]
    trial_id = f"{number:016x}"
    key = {"trial_id": trial_id, "source": "generated", "embedding": "pixels"}
    trial = {
        "trial_id": trial_id,
        "config": json.dumps(config.model_dump(mode="json")),
        "status": status,
        "error": None if status == "completed" else "loss is NaN at step 7",
        "wall_seconds": 1.5,
        "images_per_second": float("inf"),
        "commit": "abc",
        "data_fingerprint": "f00d",
        "started_at": START + timedelta(seconds=number),
        "finished_at": START + timedelta(seconds=number + 2),
    }
    curves = [
        {"trial_id": trial_id, "metric": f"loss_{m}", "step": 10 * p, "value": number + m + p / 7}
        for m in range(metrics)
        for p in range(points)
    ]
    collisions = {**key, "tau_rule": STUDY.measure.tau_rule(), "n2": None, "n2_low": 50.0, "collisions": 0}
    other_rule = {**collisions, "tau_rule": "fixed(1.0)", "n2_low": 1.0}
    control = {**collisions, "source": "real", "n2_low": 2.0}
    quality = {**key, "precision": 0.25, "recall": float("nan"), "density": 0.75, "coverage": 0.5}
    generator = np.random.default_rng(number)
    samples = [
        {
            **key,
            "index": i,
            "channels": 1,
            "height": 8,
            "width": 8,
            "image": generator.integers(0, 256, 64, np.uint8).tobytes(),
        }
        for i in range(5)
    ]
    tables = {"curves": curves, "collisions": [control, collisions, other_rule], "quality": [quality]}
    return {"trials": [trial], **tables, "samples": samples}


def save(run: Run, *numbers: int, status: str = "completed") -> None:
    with run.writing():
        for number in numbers:
            run.save([f"{number:016x}"], rows(number, status))


def mirrored(run: Run, to: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Mirror a run; the parent run in MLflow and the children by trial id."""
    mirror(run, place(run, to), dict)
    return found(run, to)


def client(run: Run, to: str | None = None) -> Any:
    from mlflow import MlflowClient

    uri = place(run, to).uri
    return MlflowClient(uri, uri)


def found(run: Run, to: str | None = None) -> tuple[Any, dict[str, Any]]:
    mlflow = client(run, to)
    experiment = mlflow.get_experiment_by_name(run.study.study)
    everything = list(_pages(mlflow, experiment.experiment_id))
    (parent,) = [r for r in everything if r.data.tags.get("run_root") == run.address]
    own = [r for r in everything if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    children = {r.data.tags["trial_id"]: r for r in own}
    assert len(children) == len(own), "a trial stands twice"
    return parent, children


def _pages(mlflow: Any, experiment: str) -> Iterable[Any]:
    token = None
    while True:
        page = mlflow.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
