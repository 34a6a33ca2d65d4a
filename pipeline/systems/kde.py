"""Kernel density estimate (Parzen 1962): training samples with Gaussian noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pipeline.systems.bandwidth import bandwidth
from pipeline.systems.kept import chosen, keep, seen
from pipeline.systems.system import Players, System
from pipeline.trial import TrialConfig


def kde(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """x = x_i + h e, i = floor(Phi(z_0) n), e = (z_1, …): draws from 1/n sum_i N(x_i, h^2 I).

    h is chosen by cross-validated likelihood. Images are clipped to [-1, 1]. Nothing is trained.
    """

    def start(_: Players, samples: Tensor, rng: np.random.Generator) -> Players:
        h = torch.tensor(bandwidth(samples.flatten(1), rng), dtype=torch.float32, device=samples.device)
        return {"generator": {"points": keep(samples), "bandwidth": h}}

    def generate(players: Players, latents: Tensor) -> Tensor:
        points, h = players["generator"]["points"], players["generator"]["bandwidth"]
        centres = seen(points[chosen(latents[:, 0], len(points))])
        samples = centres + h * latents[:, 1:].reshape(-1, *sample_shape)
        return samples.clamp(-1, 1) if samples.ndim == 4 else samples

    return System(
        networks={},
        moves={},
        turns=lambda step: [],
        generate=generate,
        latent_dim=1 + math.prod(sample_shape),
        discriminators=(),
        start=start,
    )
