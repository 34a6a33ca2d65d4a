"""Gaussian mixture (Richardson & Weiss 2018 ask what GANs do that it does not)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pipeline.options import GaussianMixture
from pipeline.systems.kept import uniform
from pipeline.systems.mixtures import FullCovariances, PrincipalComponents, fit
from pipeline.systems.system import Players, System
from pipeline.trial import TrialConfig

# Up to so many dimensions covariances are full; beyond, principal components and isotropic noise.
FULL = 16
# The least variance of a coordinate within a component, as a share of its variance over all samples.
FLOOR = 1e-6


def gaussian_mixture(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """x = m_j + W_j e + s_j e', component j by its weight from Phi(z_0), e and e' from the other latents.

    Fitted by expectation maximisation before the first step; no gradient trains it. Images are clipped to
    [-1, 1]. Raises ValueError for more components than samples, or more factors than dimensions.
    """
    options = trial.system
    assert isinstance(options, GaussianMixture)
    dimensions = math.prod(sample_shape)
    full = dimensions <= FULL
    rank = dimensions if full else options.factors
    if options.components > trial.train_samples:
        raise ValueError(
            f"system.components: {options.components}: cannot be fitted to train_samples: "
            f"{trial.train_samples}; allowed: 1 to {trial.train_samples}"
        )
    if rank > dimensions:
        raise ValueError(
            f"system.factors: {rank}: samples have {dimensions} values; allowed: 1 to {dimensions}"
        )

    def start(_: Players, samples: Tensor, rng: np.random.Generator) -> Players:
        points = samples.flatten(1)
        floor = FLOOR * float(points.var(0, correction=0).mean())
        family = FullCovariances(floor) if full else PrincipalComponents(rank, floor)
        mixture = fit(family, points, options.components, rng)
        return {"generator": {name: tensor.float() for name, tensor in mixture._asdict().items()}}

    def generate(players: Players, latents: Tensor) -> Tensor:
        tree = players["generator"]
        bounds = tree["weights"].double().cumsum(0)
        component = torch.searchsorted(bounds[:-1], uniform(latents[:, 0]), right=True)
        factors = tree["factors"][component] @ latents[:, 1 : 1 + rank, None]
        samples = tree["means"][component] + factors[..., 0]
        if not full:
            samples = samples + tree["noise"][component, None] * latents[:, 1 + rank :]
        samples = samples.reshape(-1, *sample_shape)
        return samples.clamp(-1, 1) if samples.ndim == 4 else samples

    return System(
        networks={},
        moves={},
        turns=lambda step: [],
        generate=generate,
        latent_dim=1 + dimensions + (0 if full else rank),
        discriminators=(),
        start=start,
    )
