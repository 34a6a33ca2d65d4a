"""Denoising autoencoder as a generative model (Bengio et al. 2013), over decreasing noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pipeline.networks.denoisers import Denoiser
from pipeline.networks.parameters import apply
from pipeline.objectives import Draw
from pipeline.options import Dae
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def dae(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """r(y, s) minimises E |r(x + s e, s) - x|^2 at every noise level s of a geometric range.

    A sample is the end of a Markov chain that corrupts and reconstructs by turns, as in Bengio et al. 2013,
    section 3, with two changes. Its corruption decreases from twice the norm of a typical sample, where
    nothing is left of it, to `lowest_noise`; so a few steps reach every mode, and chains are independent. And
    each step draws the next level given the last and its reconstruction, y' ~ N(r + (s'/s)^2 (y - r),
    s'^2 (1 - (s'/s)^2) I) (Song et al. 2021, appendix F), since a corruption of r alone would forget what r,
    a mean (Alain & Bengio 2014, theorem 1), has averaged away. The last reconstruction, clipped to [-1, 1]
    if it is an image, is the sample.
    """
    options = trial.system
    assert isinstance(options, Dae)
    dimensions, chain, lowest = math.prod(sample_shape), options.chain, options.lowest_noise
    with torch.device("meta"):
        r = Denoiser(sample_shape, options.width)

    def level(players: Players, height: Tensor) -> Tensor:
        """The noise level at a height in [0, 1], from the lowest to the highest."""
        highest = 2 * math.sqrt(dimensions) * players["generator"]["scale"]
        return lowest * (highest / lowest) ** height

    def loss(players: Players, batch: Batch) -> Tensor:
        """Squared error per value, in units of its expectation for a denoiser that knows the scale alone,
        s^2 scale^2 / (s^2 + scale^2) (Karras et al. 2022, table 1).
        """
        x, tree = batch.real, players["generator"]
        s = level(players, batch.draws["noise_level"])
        e = batch.latents[:, :dimensions].reshape(x.shape)
        restored = apply(r, tree, x + s.view(-1, *[1] * len(sample_shape)) * e, s)
        errors = (restored - x).square().flatten(1).mean(1)
        return (errors * (1 / s.square() + 1 / tree["scale"].square())).mean()

    def start(players: Players, samples: Tensor, _: np.random.Generator) -> Players:
        return {"generator": players["generator"] | {"scale": samples.square().mean().sqrt()}}

    def generate(players: Players, latents: Tensor) -> Tensor:
        e = latents.view(-1, chain, *sample_shape)
        heights = torch.linspace(1, 0, chain, dtype=latents.dtype, device=latents.device)
        levels = level(players, heights)
        y = levels[0] * e[:, 0]
        for k in range(chain - 1):
            restored = apply(r, players["generator"], y, levels[k].expand(len(y)))
            kept = (levels[k + 1] / levels[k]).square()
            y = restored + kept * (y - restored) + levels[k + 1] * (1 - kept).sqrt() * e[:, k + 1]
        restored = apply(r, players["generator"], y, levels[-1].expand(len(y)))
        return restored.clamp(-1, 1) if restored.ndim == 4 else restored

    return System(
        networks={"generator": r},
        moves={"generator": Move(("generator",), loss)},
        turns=lambda step: ["generator"],
        generate=generate,
        latent_dim=chain * dimensions,
        discriminators=(),
        watch={"denoising": loss},
        draws={"noise_level": Draw("uniform")},
        start=start,
    )
