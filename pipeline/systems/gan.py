"""GAN (Goodfellow et al. 2014): a generator and a discriminator under any objective."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline import networks
from pipeline.networks.normalization import BatchNorm
from pipeline.networks.parameters import apply
from pipeline.objectives import objective
from pipeline.systems.system import Batch, Players, System
from pipeline.trial import TrialConfig


def gan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """x = G(z), z ~ N(0, I); D tells x from real samples."""
    goal = objective(trial.objective)
    g = networks.generator(trial.generator, sample_shape)
    d = networks.discriminator(trial.discriminator, sample_shape, per_sample=goal.penalty is not None)

    def generate(players: Players, latents: Tensor) -> Tensor:
        return apply(g, players["generator"], latents)

    def discriminate(players: Players, x: Tensor) -> Tensor:
        return apply(d, players["discriminator"], x)

    # Samples that do not meet in a batch norm may share a pass, which is faster; those that do must not.
    together = not any(isinstance(module, BatchNorm) for module in d.modules())

    def compare(players: Players, real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
        if together:
            values = discriminate(players, torch.cat([real, generated]))
            return values[: len(real)], values[len(real) :]
        return discriminate(players, real), discriminate(players, generated)

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            generated = generate(players, batch.latents)
        loss = goal.discriminator(*compare(players, batch.real, generated))
        if goal.penalty is not None:
            loss = loss + goal.penalty(
                lambda x: discriminate(players, x), batch.real, generated, batch.uniform
            )
        return loss

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        return goal.generator(discriminate(players, generate(players, batch.latents)))

    return System(
        networks={"discriminator": d, "generator": g},
        losses={"discriminator": discriminator_loss, "generator": generator_loss},
        generate=generate,
        score=lambda players, x: goal.measure(discriminate(players, x)),
        latent_dim=trial.generator.latent_dim,
        clips={} if goal.clip is None else {"discriminator": goal.clip},
    )
