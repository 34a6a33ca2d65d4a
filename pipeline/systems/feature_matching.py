"""Feature matching (Salimans et al. 2016, section 3.1)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pipeline.networks.features import features
from pipeline.systems.adversary import Adversary
from pipeline.systems.gan import gan
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def feature_matching(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """A GAN whose generator minimises |E f(x) - E f(G(z))|_2^2, f the discriminator's last hidden layer; the
    discriminator plays its objective.
    """
    game = gan(trial, sample_shape)
    d = game.networks["discriminator"]
    adversary = Adversary(trial, d, sample_shape)

    def mean_features(players: Players, x: Tensor) -> Tensor:
        return features(d, players["discriminator"], x).mean(0)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        samples = (batch.real,), (game.generate(players, batch.latents),)
        (real,), (generated,) = adversary.seen(*samples, batch)
        with torch.no_grad():
            target = mean_features(players, real)
        return (target - mean_features(players, generated)).square().sum()

    return replace(game, moves={**game.moves, "generator": Move(("generator",), generator_loss)})
