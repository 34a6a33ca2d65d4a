"""The 8-Gaussian ring under a mixture or an inference game, over three seeds: what their long tests share."""

from __future__ import annotations

from typing import Any

from pipeline.divergences.modes import ModeCoverage
from tests.systems.games import on_ring, trial

ENCODER = {"name": "mlp", "width": 128, "depth": 3}


def rings(system: dict[str, Any], steps: int = 2500, **parts: Any) -> list[ModeCoverage]:
    """Coverage by 2,500 samples of each seed's generator, the average of its steps."""
    base: dict[str, Any] = {
        "dataset": {"name": "gaussian_ring"},
        "train_samples": 50_000,
        "objective": {"name": "nonsaturating"},
        "generator": {"name": "mlp", "width": 128, "depth": 3, "latent_dim": 8},
        "discriminator": {"name": "mlp", "width": 128, "depth": 3},
        "training": {
            "steps": steps,
            "batch_size": 128,
            "generator_lr": 1e-3,
            "discriminator_lr": 1e-3,
            "betas": [0.5, 0.9],
            "ema": 0.995,
        },
    }
    return [on_ring(trial(system, seed=seed, **(base | parts))) for seed in range(3)]
