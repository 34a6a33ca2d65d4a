"""The training samples themselves as a generator: its support size is known."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from pipeline.systems.kept import chosen, keep, seen
from pipeline.systems.system import Players, System
from pipeline.trial import TrialConfig


def training_set(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """x = x_i, i = floor(Phi(z) n): draws with replacement, uniform over the n training samples.

    Where these differ from each other, N2 = n. Nothing is trained.
    """

    def start(_: Players, samples: Tensor, rng: np.random.Generator) -> Players:
        return {"generator": {"points": keep(samples)}}

    def generate(players: Players, latents: Tensor) -> Tensor:
        points = players["generator"]["points"]
        return seen(points[chosen(latents[:, 0], len(points))])

    return System(
        networks={},
        moves={},
        turns=lambda step: [],
        generate=generate,
        latent_dim=2,  # of 4,000 single float32 latents two are often equal; the second is not used
        discriminators=(),
        start=start,
    )
