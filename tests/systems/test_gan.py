"""The GAN as a game: whose gradients a loss moves, and what the discriminator compares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.networks.parameters import apply, initialise
from pipeline.objectives import objective
from pipeline.systems import Batch, Players, System, make_system
from pipeline.trial import TrialConfig


def game(objective_name: str, **discriminator: Any) -> tuple[TrialConfig, System, Players, Batch]:
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "digits"},
            "generator": {"name": "dcgan", "width": 4, "latent_dim": 5},
            "discriminator": {"name": "dcgan", "width": 4, **discriminator},
            "objective": {"name": objective_name},
            "train_samples": 10,
        }
    )
    system = make_system(config, (1, 8, 8))
    rng = np.random.default_rng(0)
    players = {name: initialise(net, rng, torch.device("cpu")) for name, net in system.networks.items()}
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(6, 1, 8, 8, generator=generator) * 2 - 1
    latents = torch.randn(6, 5, generator=generator)
    draws = {"objective_uniform": torch.rand(6, generator=generator)}
    labels = torch.full((6,), -1)
    return config, system, players, Batch(real, latents, labels, draws, torch.tensor(0.0))


@pytest.mark.parametrize("name", ["minimax", "nonsaturating", "wgan_clip", "wgan_gp", "hinge"])
def test_the_discriminators_loss_never_moves_the_generator(name: str) -> None:
    _, system, players, batch = game(name)
    system.moves["discriminator"].loss(players, batch).backward()
    assert all(p.grad is None for p in players["generator"].values())
    assert all(p.grad is not None for p in players["discriminator"].values())


@pytest.mark.parametrize("name", ["minimax", "nonsaturating", "wgan_clip", "wgan_gp", "hinge"])
def test_the_generators_loss_moves_it_through_the_discriminator(name: str) -> None:
    _, system, players, batch = game(name)
    gradients = torch.autograd.grad(
        system.moves["generator"].loss(players, batch), list(players["generator"].values())
    )
    assert all(float(g.abs().sum()) > 0 for g in gradients)


@pytest.mark.parametrize("normalization", ["batch", "layer", "none"])
def test_losses_are_the_objectives_of_separate_passes(normalization: str) -> None:
    # Batch norm sees real and generated samples apart; the others may share a pass and must not notice.
    config, system, players, batch = game("nonsaturating", normalization=normalization)
    d = system.networks["discriminator"]
    generated = apply(system.networks["generator"], players["generator"], batch.latents).detach()
    values = [apply(d, players["discriminator"], x) for x in (batch.real, generated)]
    expected = objective(config.objective).discriminator(*values)
    torch.testing.assert_close(system.moves["discriminator"].loss(players, batch), expected)


def test_the_gradient_penalty_is_part_of_the_critics_loss_only() -> None:
    _, with_penalty, players, batch = game("wgan_gp", normalization="none")
    _, without, _, _ = game("wgan_clip", normalization="none")
    difference = with_penalty.moves["discriminator"].loss(players, batch) - without.moves[
        "discriminator"
    ].loss(players, batch)
    assert float(difference.detach()) > 0
    assert torch.equal(
        with_penalty.moves["generator"].loss(players, batch), without.moves["generator"].loss(players, batch)
    )
    tree = {"weight": torch.tensor([-1.0, 0.005, 1.0])}
    without.after["discriminator"](tree)
    assert tree["weight"].tolist() == pytest.approx([-0.01, 0.005, 0.01])
    assert with_penalty.after == {}
