"""Unrolled GAN (Metz, Poole, Pfau, Sohl-Dickstein 2017)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pipeline import options
from pipeline.systems.adversary import Adversary
from pipeline.systems.gan import gan
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def unrolled(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """A GAN whose generator descends f(theta_G, theta_D^K(theta_G, theta_D)): its gradient also passes
    through K gradient steps of the discriminator, all on one batch (equations 7-10). The discriminator itself
    takes one plain step.
    """
    o = trial.system
    assert isinstance(o, options.Unrolled)
    game = gan(trial, sample_shape)
    adversary = Adversary(trial, game.networks["discriminator"], sample_shape)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        samples = (batch.real,), (game.generate(players, batch.latents),)
        for _ in range(o.unrolling):
            theta = {name: w for name, w in players["discriminator"].items() if w.requires_grad}
            loss = adversary.discriminator_loss(players, *samples, batch)
            slopes = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
            ahead = {name: w - o.inner_lr * g for (name, w), g in zip(theta.items(), slopes, strict=True)}
            players = players | {"discriminator": players["discriminator"] | ahead}
        return adversary.generator_loss(players, *samples, batch)

    return replace(game, moves={**game.moves, "generator": Move(("generator",), generator_loss)})
