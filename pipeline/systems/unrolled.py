"""Unrolled GAN (Metz, Poole, Pfau, Sohl-Dickstein 2017)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pipeline import options
from pipeline.networks.parameters import Tree
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
    learned = [name for name, _ in game.networks["discriminator"].named_parameters()]

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        samples = (batch.real,), (game.generate(players, batch.latents),)
        tree = players["discriminator"]
        state = {name: tensor for name, tensor in tree.items() if name not in learned}
        theta = {name: tree[name] for name in learned}

        def loss(theta: Tree) -> Tensor:
            return adversary.discriminator_loss({"discriminator": state | theta}, *samples, batch)

        for _ in range(o.unrolling):
            slopes = torch.func.grad(loss)(theta)
            theta = {name: w - o.inner_lr * slopes[name] for name, w in theta.items()}
        return adversary.generator_loss({"discriminator": state | theta}, *samples, batch)

    return replace(game, moves={**game.moves, "generator": Move(("generator",), generator_loss)})
