"""Every baseline, on images and on points: a few steps that two runs take alike, and finite samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.training import exact_float32, sample, train
from tests.systems.games import CPU, DCGAN, trial
from tests.systems.unfitted import begun

CONVOLVED: dict[str, Any] = {"name": "vae", "encoder": {"name": "dcgan", "width": 4}}
TRAINED: list[dict[str, Any]] = [
    {"name": "vae", "encoder": {"name": "mlp", "width": 16, "depth": 1}},
    CONVOLVED,
    {"name": "flow", "couplings": 2, "width": 8},
    {"name": "flow", "couplings": 2, "width": 8, "dequantization": "variational"},
    {"name": "dae", "width": 8, "chain": 5},
]
UNTRAINED: list[dict[str, Any]] = [
    {"name": "kde"},
    {"name": "gaussian_mixture", "components": 3, "factors": 2},
    {"name": "training_set"},
]


def data(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    if kind == "points":
        return rng.normal(0, 1, (40, 2)).astype(np.float32)
    return rng.integers(0, 256, (40, 1, 8, 8)).astype(np.uint8)


@pytest.mark.parametrize(
    ("system", "kind"),
    [(s, k) for s in TRAINED for k in ("images", "points") if (s, k) != (CONVOLVED, "points")],
)
def test_two_runs_are_one(system: dict[str, Any], kind: str) -> None:
    generator = None
    if system["name"] == "vae":
        mlp = {"name": "mlp", "width": 16, "latent_dim": 3}
        generator = mlp if kind == "points" else DCGAN["generator"]
    training = {"steps": 4, "batch_size": 8, "ticks": 2, "ema": 0.9}
    config = trial(system, generator=generator, training=training)
    real = data(kind)
    with exact_float32(1):
        one, two = (train(config, real[:30], real[30:], CPU) for _ in range(2))
        assert one.status == "completed", one.error
        assert one.curves == two.curves
        assert {step for step, _, _ in one.curves} == {2, 4}
        samples = sample(one.system, one.players, 20, config.id)
        assert np.array_equal(samples, sample(two.system, two.players, 20, config.id))
    assert samples.shape == (20, *real.shape[1:])
    assert np.isfinite(samples).all()
    assert kind == "points" or system["name"] == "dae" or (samples.min() >= 0 and samples.max() <= 1)


@pytest.mark.parametrize("kind", ["images", "points"])
@pytest.mark.parametrize("system", UNTRAINED)
def test_two_starts_are_one(system: dict[str, Any], kind: str) -> None:
    config, real = trial(system), data(kind)
    (game, one), (_, two) = (begun(config, real) for _ in range(2))
    assert all(torch.equal(tensor, two["generator"][name]) for name, tensor in one["generator"].items())
    samples = sample(game, one, 20, config.id)
    assert samples.shape == (20, *real.shape[1:])
    assert np.isfinite(samples).all()
    # The loop has nothing to do, and gives what the start gave.
    result = train(config, real, real, CPU)
    assert (result.status, result.steps_done, result.curves) == ("completed", 0, [])
    assert np.array_equal(sample(result.system, result.players, 20, config.id), samples)
