"""Rows and weights of made-up trials."""

from __future__ import annotations

from typing import Any

import numpy as np
from safetensors.numpy import load, save

Rows = dict[str, list[dict[str, Any]]]


def rows(*trials: str, curves: int = 3) -> Rows:
    """Of trials that completed, each with so many points of its loss."""
    return {
        "trials": [
            {"trial_id": t, "status": "completed", "seed": 2**53 + 1, "wall_seconds": 1.5} for t in trials
        ],
        "curves": [
            {"trial_id": t, "step": k, "metric": "loss", "value": k / 3}
            for t in trials
            for k in range(curves)
        ],
    }


def tensors(trial: str) -> dict[str, np.ndarray]:
    """A trial's tensors, of lengths that leave nothing aligned."""
    rng = np.random.default_rng(sum(trial.encode()))
    return {
        "generator/weight": rng.standard_normal((3, 5)).astype(np.float32),
        "generator/seen": rng.integers(0, 2, 7).astype(bool),
        "discriminator/scale": rng.standard_normal(3).astype(np.float16),
    }


def weights(*trials: str) -> dict[str, bytes]:
    """As a worker packs them."""
    return {trial: save(tensors(trial)) for trial in trials}


def assert_players(content: bytes, trial: str) -> None:
    """The file holds the trial's tensors and no others."""
    found, expected = load(content), tensors(trial)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)
