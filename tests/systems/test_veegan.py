"""VEEGAN: algorithm 1's three gradients, and the reconstruction that mode collapse makes impossible."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call

from pipeline.networks.parameters import trained
from pipeline.systems import Batch, Players, System
from pipeline.systems.veegan import reconstruction
from pipeline.trial import TrialConfig
from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import train_alike


def config(parts: dict[str, Any], **more: Any) -> TrialConfig:
    encoder = {"name": parts["generator"]["name"], "width": 8}
    return trial({"name": "veegan", "encoder": encoder}, **parts, **more)


def parts_of_the_loss(
    system: System, players: Players, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """D(x, F(x) + noise), D(G(z), z) and |z - F(G(z))|^2 / 2 of each row, each network called on its own."""
    z = batch.latents
    d, g, f = (system.networks[p] for p in ("discriminator", "generator", "reconstructor"))
    x = functional_call(g, players["generator"], z)
    codes = [functional_call(f, players["reconstructor"], x) for x in (batch.real, x)]
    drawn = codes[0] + batch.draws["reconstructor_noise"]
    real = functional_call(d, players["discriminator"], (batch.real, drawn))
    return real, functional_call(d, players["discriminator"], (x, z)), (z - codes[1]).square().sum(1) / 2


@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_the_losses_of_algorithm_1(parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    system, players, batch = game(config(parts), shape)
    with torch.no_grad():
        real, generated, error = (t.double().numpy() for t in parts_of_the_loss(system, players, batch))
        losses = [float(system.moves[m].loss(players, batch)) for m in ("discriminator", "generator")]
    logistic = np.logaddexp(0, -real).mean() + np.logaddexp(0, generated).mean()
    assert losses[0] == pytest.approx(logistic, rel=1e-5)
    assert losses[1] == pytest.approx(error.mean() - generated.mean(), rel=1e-5)


def test_whose_loss_reaches_whom() -> None:
    system, players, batch = game(config(MLP), (2,))
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert reached(system, players, batch, "generator") == {"discriminator", "generator", "reconstructor"}
    # The reconstructor follows the reconstruction error alone (algorithm 1, the step of theta).
    _, _, error = parts_of_the_loss(system, players, batch)
    expected = torch.autograd.grad(error.mean(), trained(players["reconstructor"]))
    found = torch.autograd.grad(
        system.moves["generator"].loss(players, batch), trained(players["reconstructor"])
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_reconstruction_by_hand() -> None:
    z = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert float(reconstruction(z, z)) == 0
    assert float(reconstruction(z, torch.tensor([[1.0, 0.0], [0.0, 3.0]]))) == (4 + 25) / 4


def test_no_reconstructor_inverts_a_collapsed_generator() -> None:
    # If G(z) is one point, the best F is E z = 0 and the error is E |z|^2 / 2, half the number of latents.
    system, players, batch = game(config(MLP), (2,), rows=20_000)
    for player in ("generator", "reconstructor"):
        players[player] = {name: torch.zeros_like(t) for name, t in players[player].items()}
    found = float(system.watch["reconstruction"](players, batch))
    # 4 standard errors of the mean of a chi-squared with 5 degrees of freedom
    assert 2 * found == pytest.approx(5, abs=4 * math.sqrt(10 / 20_000))


@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_training_repeats_itself(parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    train_alike(config(parts), shape)
