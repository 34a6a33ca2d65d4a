"""The ring that objectives and systems learn on: networks, training, and modes over seeds."""

from __future__ import annotations

from typing import Any

from pipeline.trial import TrialConfig
from tests.systems.games import on_ring, trial

SEEDS = (0, 1, 2)


def ring(system: str | dict[str, Any], objective: str | dict[str, Any], **given: Any) -> TrialConfig:
    """A trial on 10,000 points of the ring: networks of three layers of 128, Adam 1e-3, 4,000 steps of 128.
    `training` is completed, other parts are replaced.
    """
    training = {
        "steps": 4000,
        "batch_size": 128,
        "generator_lr": 1e-3,
        "discriminator_lr": 1e-3,
        "betas": [0.5, 0.9],
        "ticks": 4,
    }
    parts = {
        "train_samples": 10_000,
        "generator": {"name": "mlp", "width": 128, "depth": 3, "latent_dim": 8},
        "discriminator": {"name": "mlp", "width": 128, "depth": 3},
        "objective": {"name": objective} if isinstance(objective, str) else objective,
        "dataset": {"name": "gaussian_ring"},
    }
    return trial(system, **{**parts, **given, "training": training | given.get("training", {})})


def modes(config: TrialConfig) -> list[int]:
    """Modes of the ring, of 8, that generators of three seeds reach."""
    return [on_ring(config.model_copy(update={"seed": seed})).modes for seed in SEEDS]
