"""Normalizing flow: RealNVP (Dinh et al. 2017) with the layers of Glow (Kingma & Dhariwal 2018)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.networks.couplings import convolutions
from pipeline.networks.flow import FlowNetwork, fitted
from pipeline.networks.parameters import apply, bind
from pipeline.objectives import Draw
from pipeline.options import Flow
from pipeline.systems.dequantization import from_logits, log_normal_density, noise, to_logits
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig

# Training samples that the activation norms are begun on.
FIRST = 512


def flow(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """log p(x) = log N(f(x); 0, I) + log |det df/dx| (Dinh et al. 2017, equation 2), maximised.

    Images have 256 levels: the density is that of levels plus noise in [0, 1), uniform (Theis et al. 2016)
    or drawn by a network that is trained with it (Ho et al. 2019), and bounds the levels' log-probability
    from below; samples are rounded down to a level. Points are taken as they are.
    """
    options = trial.system
    assert isinstance(options, Flow)
    images = len(sample_shape) == 3
    variational = images and options.dequantization == "variational"
    dimensions = math.prod(sample_shape)
    with torch.device("meta"):
        f = FlowNetwork(sample_shape, options.couplings, options.width)
        networks: dict[str, nn.Module] = {"generator": f}
        if variational:
            networks["dequantizer"] = convolutions(sample_shape[0], options.width, 2 * sample_shape[0])
    draws = {"dequantization": Draw("normal" if variational else "uniform", sample_shape)} if images else {}

    def log_density(players: Players, batch: Batch) -> Tensor:
        """(b,) log p(x) in nats; of images the bound log p(x + u) - log q(u | x) (Ho et al. 2019, 12)."""
        x, log_q = batch.real, batch.real.new_zeros(())
        log_scale = x.new_zeros(())
        if images:
            u = batch.draws["dequantization"]
            if variational:
                u, log_q = noise(apply(networks["dequantizer"], players["dequantizer"], x), u)
            x, log_scale = to_logits(batch.real, u)
        z, log_determinant = apply(f, players["generator"], x)
        return log_normal_density(z) + log_determinant + log_scale - log_q

    def loss(players: Players, batch: Batch) -> Tensor:
        """Negative log-likelihood in nats per value of a sample."""
        return -log_density(players, batch).mean() / dimensions

    def start(players: Players, samples: Tensor, rng: np.random.Generator) -> Players:
        some = samples[torch.tensor(rng.permutation(len(samples))[:FIRST], device=samples.device)]
        if images:
            u = rng.random(tuple(some.shape), np.float32)
            some, _ = to_logits(some, torch.tensor(u, device=samples.device))
        return players | {"generator": fitted(f, players["generator"], some, rng)}

    def generate(players: Players, latents: Tensor) -> Tensor:
        bind(f, players["generator"])
        x = f.inverse(latents)
        return from_logits(x) if images else x

    def bits_per_dim(players: Players, batch: Batch) -> Tensor:
        return loss(players, batch) / math.log(2)

    def nats(players: Players, batch: Batch) -> Tensor:
        return log_density(players, batch).mean()

    return System(
        networks=networks,
        moves={"flow": Move(tuple(networks), loss)},
        turns=lambda step: ["flow"],
        generate=generate,
        latent_dim=dimensions,
        discriminators=(),
        watch={"bits_per_dim": bits_per_dim} if images else {"log_likelihood": nats},
        draws=draws,
        start=start,
    )
