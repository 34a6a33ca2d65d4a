"""GAN (Goodfellow et al. 2014): a generator and a discriminator under any objective."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline import networks
from pipeline.networks.parameters import apply
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def gan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """x = G(z), z ~ N(0, I); D tells x from real samples (Goodfellow et al. 2014, equation 1)."""
    return against(trial, sample_shape, discriminator(trial, sample_shape))


def against(trial: TrialConfig, sample_shape: tuple[int, ...], d: nn.Module) -> System:
    """The GAN with this discriminator network."""
    g = networks.generator(trial.generator, sample_shape)
    adversary = Adversary(trial, d, sample_shape)

    def generate(players: Players, latents: Tensor) -> Tensor:
        return apply(g, players["generator"], latents)

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            generated = generate(players, batch.latents)
        return adversary.discriminator_loss(players, (batch.real,), (generated,), batch)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        generated = generate(players, batch.latents)
        return adversary.generator_loss(players, (batch.real,), (generated,), batch)

    def gap(players: Players, batch: Batch) -> Tensor:
        return adversary.gap(players, (batch.real,), (generate(players, batch.latents),))

    return System(
        networks={"discriminator": d, "generator": g},
        moves={
            "discriminator": Move(("discriminator",), discriminator_loss),
            "generator": Move(("generator",), generator_loss),
        },
        turns=adversary.turns,
        generate=generate,
        latent_dim=trial.latent_dim,
        watch={"gap": gap},
        draws=adversary.draws,
        after=adversary.after,
    )
