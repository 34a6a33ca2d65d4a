"""Stacked GAN: its losses by hand, who learns from what, and that it covers a ring whose modes are its classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.networks.parameters import apply
from pipeline.systems import Batch, Players, System, make_system
from pipeline.training import sample, train
from tests.systems.games import CPU, DCGAN, MLP, game, reached, trial

NONSATURATING = {"name": "nonsaturating"}


def stacked(**o: Any) -> dict[str, Any]:
    encoder = {"name": "mlp", "width": 8, "depth": 1}
    sizes = {"features": 6, "feature_latent_dim": 3, "encoder_steps": 2}
    return {"name": "stacked", "encoder": encoder, **sizes, **o}


def small(shape: tuple[int, ...] = (2,), **o: Any) -> tuple[System, Players, Batch]:
    parts = DCGAN if len(shape) == 3 else MLP
    return game(trial(stacked(**o), **parts, objective=NONSATURATING), shape)


def settled(players: Players, **constants: float) -> None:
    """Every weight of these players 0 and every last bias the constant: their outputs are that constant."""
    for player, constant in constants.items():
        tree = players[player]
        for tensor in tree.values():
            tensor.data.zero_()
        *_, last = (name for name in tree if name.endswith("bias"))
        tree[last].data.fill_(constant)


def test_losses_by_hand_where_every_player_is_constant() -> None:
    """D0 = D1 = 0, E1 = 0 everywhere, so log 2 for every sample of the adversaries and log 10 for the classes; E0 = 0.5
    and G1 = 2 in each coordinate; Q0 = 1 and Q1 = -1, so that z are missed by E (z - 1)^2 and E (z + 1)^2.
    """
    system, players, batch = small(conditional=3.0, entropy=7.0)
    settled(players, discriminator=0, discriminator_features=0, recognition=1, recognition_features=-1)
    settled(players, encoder=0, generator_features=2, generator=0.3)
    players["encoder"]["encoder.layers.2.bias"].data.fill_(0.5)
    z1, z0 = batch.latents[:, 1:4], batch.latents[:, 4:]
    missed = float((z0 - 1).square().mean() + (z1 + 1).square().mean())
    discriminators = float(system.moves["discriminator"].loss(players, batch))
    assert discriminators == pytest.approx(2 * 2 * math.log(2) + 7 * missed, rel=1e-5)
    early, late = (batch._replace(progress=torch.tensor(p)) for p in (0.2, 0.7))
    losses = {
        p: float(system.moves["generator"].loss(players, b)) for p, b in (("early", early), ("late", late))
    }
    adversarial = 2 * math.log(2)
    # Early G0 is given E0's 0.5, which E0 finds in all it makes; later G1's 2.
    assert losses["early"] == pytest.approx(adversarial + 3 * math.log(10) + 7 * missed, rel=1e-5)
    assert losses["late"] == pytest.approx(losses["early"] + 3 * 1.5**2, rel=1e-5)


def test_the_encoder_is_a_classifier_of_the_labels() -> None:
    system, players, batch = small()
    logits = apply(system.networks["encoder"], players["encoder"], batch.real).detach().double()
    by_hand = -(logits - logits.exp().sum(1, keepdim=True).log())[torch.arange(6), batch.labels].mean()
    assert float(system.moves["encoder"].loss(players, batch)) == pytest.approx(float(by_hand), rel=1e-5)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_who_learns_from_what(shape: tuple[int, ...]) -> None:
    system, players, batch = small(shape)
    judges = {"discriminator", "discriminator_features", "recognition", "recognition_features"}
    assert reached(system, players, batch, "encoder") == {"encoder"}
    assert (
        reached(system, players, batch, "discriminator")
        == judges
        == set(system.moves["discriminator"].players)
    )
    assert reached(system, players, batch, "generator") >= {"generator", "generator_features"}
    assert all("encoder" not in system.moves[name].players for name in ("discriminator", "generator"))


@pytest.mark.parametrize("progress", [0.0, 0.9])
def test_the_upper_stack_learns_from_its_own_loss_alone(progress: float) -> None:
    """Its gradient does not know what the lower stack makes of its features."""
    system, players, batch = small()
    batch = batch._replace(progress=torch.tensor(progress))
    upper = list(players["generator_features"].values())
    before = torch.autograd.grad(system.moves["generator"].loss(players, batch), upper)
    settled(players, generator=5)
    after = torch.autograd.grad(system.moves["generator"].loss(players, batch), upper)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(before, after, strict=True))


def test_the_classes_of_the_samples_are_uniform() -> None:
    """With G1 and G0 linear in y alone the samples tell their classes: each of 8 comes with probability 1/8."""
    system, players, _ = small(classes=8)
    rng = np.random.default_rng(1)
    latents = torch.zeros(8000, system.latent_dim)
    latents[:, 0] = torch.tensor(rng.standard_normal(8000))
    with torch.no_grad():
        samples = system.generate(players, latents)
    # Batch norm over samples that differ in their class only: one point for each class.
    _, counts = np.unique(samples.numpy().round(4), axis=0, return_counts=True)
    assert len(counts) == 8
    assert np.abs(counts - 1000).max() < 4 * math.sqrt(8000 * (1 / 8) * (7 / 8))


def test_turns_begin_with_the_encoder() -> None:
    system, _, _ = small(encoder_steps=3)
    assert system.turns(1) == ["encoder"] * 3 + ["discriminator", "generator"]
    assert system.turns(2) == ["discriminator", "generator"]
    assert system.needs_labels == 10
    assert small(classes=4)[0].needs_labels == 4


@pytest.mark.parametrize("objective", ["minimax", "wgan_clip", "wgan_gp", "hinge"])
def test_every_objective_and_regulariser(objective: str) -> None:
    parts = {**MLP, "objective": {"name": objective}}
    restrained = {"spectral_norm": True, "r1": 1.0, "dragan": 1.0, "instance_noise": 0.1}
    system, players, batch = game(trial(stacked(), **parts, regularizers=restrained), (2,))
    for move in system.moves:
        assert bool(system.moves[move].loss(players, batch).isfinite())
    assert set(system.after) == {"discriminator", "discriminator_features"}
    # The two adversaries draw their own numbers, of their own shapes.
    shapes = {name: draw.shape for name, draw in system.draws.items()}
    assert shapes["discriminator/noise_real"] == (2,)
    assert shapes["discriminator_features/noise_real"] == (6,)


def test_an_encoder_that_couples_samples_is_refused() -> None:
    config = trial(stacked(encoder={"name": "dcgan", "width": 4}), **DCGAN, objective=NONSATURATING)
    with pytest.raises(ValueError, match=r"encoder\.normalization: batch .*use none"):
        make_system(config, (1, 8, 8))


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_training_is_a_function_of_the_trial(shape: tuple[int, ...]) -> None:
    parts = DCGAN if len(shape) == 3 else MLP
    training = {"steps": 3, "batch_size": 8, "ticks": 3}
    config = trial(stacked(), **parts, objective=NONSATURATING, training=training)
    rng = np.random.default_rng(0)
    real = (
        rng.random((20, *shape), np.float32)
        if len(shape) == 1
        else rng.integers(0, 256, (20, *shape), np.uint8)
    )
    runs = [train(config, real, real, CPU, np.arange(20) % 10) for _ in range(2)]
    assert runs[0].curves == runs[1].curves
    assert {"encoder_loss", "gap_train", "gap_held_out"} <= {name for _, name, _ in runs[0].curves}
    samples = [sample(run.system, run.players, 4, config.id) for run in runs]
    assert np.array_equal(*samples)
    assert samples[0].shape == (4, *shape)
