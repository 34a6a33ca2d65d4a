"""BiGAN and ALI: pairs of samples and codes, both sides' losses under every objective."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.networks.parameters import count
from pipeline.systems import Batch, Players, System
from pipeline.systems.bigan import gaussian_code, joint_discriminator
from pipeline.trial import TrialConfig
from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import train_alike

MLP_ENCODER = {"name": "mlp", "width": 16, "depth": 2}
DCGAN_ENCODER = {"name": "dcgan", "width": 4}
REAL, GENERATED = 0.7, -1.9  # the discriminator's values of (x, E(x)) and (G(z), z) in hand-worked cases


def config(system: str, objective: str | dict[str, Any] = "nonsaturating", **parts: Any) -> TrialConfig:
    parts = parts or MLP
    encoder = MLP_ENCODER if parts["generator"]["name"] == "mlp" else DCGAN_ENCODER
    named = {"name": objective} if isinstance(objective, str) else objective
    return trial({"name": system, "encoder": encoder}, objective=named, **parts)


def judged(objective: str | dict[str, Any]) -> tuple[System, Players, Batch]:
    """A BiGAN whose discriminator says REAL of encoded samples and GENERATED of generated ones: its value is
    the first number of the code, which the encoder always sets to REAL and the latents are set to GENERATED.
    """
    system, players, batch = game(config("bigan", objective), (2,))
    for player in ("discriminator", "encoder"):
        players[player] = {name: torch.zeros_like(t) for name, t in players[player].items()}
    d = players["discriminator"]
    # Lifted by 10 the code passes through leaky ReLUs as it is.
    d["joint.0.weight"][0, -system.latent_dim] = 1
    d["joint.0.bias"][0] = 10
    d["joint.2.weight"][0, 0] = d["joint.4.weight"][0, 0] = 1
    d["joint.4.bias"][0] = -10
    players["encoder"]["layers.4.bias"][0] = REAL
    latents = batch.latents.clone()
    latents[:, 0] = GENERATED
    return system, players, batch._replace(latents=latents)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


CASES: list[tuple[str | dict[str, Any], Callable[[float, float], float], Callable[[float, float], float]]] = [
    # objective, discriminator's loss and generator's and encoder's loss of values (real, generated)
    ("minimax", lambda r, g: softplus(-r) + softplus(g), lambda r, g: -softplus(-r) - softplus(g)),
    # Labels swapped (Dumoulin et al. 2017).
    ("nonsaturating", lambda r, g: softplus(-r) + softplus(g), lambda r, g: softplus(r) + softplus(-g)),
    ("wgan_clip", lambda r, g: g - r, lambda r, g: r - g),
    ("hinge", lambda r, g: max(0, 1 - r) + max(0, 1 + g), lambda r, g: r - g),
    # Codings a = 0, b = c = 1: the encoder draws its pairs to 0.
    ("lsgan", lambda r, g: ((r - 1) ** 2 + g**2) / 2, lambda r, g: (r**2 + (g - 1) ** 2) / 2),
    # Codings a = -1, b = 1, c = 0: both draw to 0, halfway.
    (
        {"name": "lsgan", "a": -1.0, "b": 1.0, "c": 0.0},
        lambda r, g: ((r - 1) ** 2 + (g + 1) ** 2) / 2,
        lambda r, g: (r**2 + g**2) / 2,
    ),
    (
        {"name": "measuring_function", "function": "identity"},
        lambda r, g: -sigmoid(r) - sigmoid(-g),
        lambda r, g: sigmoid(r) + sigmoid(-g),
    ),
    # Each side is as constant as its mean, so both terms see the same difference.
    ("relativistic_average", lambda r, g: 2 * softplus(g - r), lambda r, g: 2 * softplus(r - g)),
]


@pytest.mark.parametrize(("objective", "of_discriminator", "of_both"), CASES)
def test_losses_by_hand(
    objective: str | dict[str, Any],
    of_discriminator: Callable[[float, float], float],
    of_both: Callable[[float, float], float],
) -> None:
    system, players, batch = judged(objective)
    expected = {"discriminator": of_discriminator, "generator": of_both}
    for move, loss in expected.items():
        found = float(system.moves[move].loss(players, batch).detach())
        assert found == pytest.approx(loss(REAL, GENERATED), rel=1e-5), move


def test_an_undecided_discriminator_pays_log_2_on_either_side() -> None:
    # What the BiGAN code reports at the start of training: 0.6931 per side.
    system, players, batch = judged("nonsaturating")
    players["discriminator"] = {n: torch.zeros_like(t) for n, t in players["discriminator"].items()}
    for move in ("discriminator", "generator"):
        assert float(system.moves[move].loss(players, batch).detach()) / 2 == pytest.approx(
            0.693147, abs=1e-6
        )


@pytest.mark.parametrize("name", ["bigan", "ali"])
@pytest.mark.parametrize("objective", ["nonsaturating", "relativistic_average", "wgan_gp"])
@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_who_is_reached_by_whose_loss(
    name: str, objective: str, parts: dict[str, Any], shape: tuple[int, ...]
) -> None:
    system, players, batch = game(config(name, objective, **parts), shape)
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert reached(system, players, batch, "generator") == {"discriminator", "generator", "encoder"}
    assert system.moves["generator"].players == ("generator", "encoder")


def test_a_stochastic_code_is_the_mean_plus_scaled_noise() -> None:
    encoded = torch.tensor([[1.0, -2.0, math.log(0.5), math.log(3)]])
    noise = {"encoder_noise": torch.tensor([[2.0, -1.0]])}
    torch.testing.assert_close(gaussian_code(encoded, noise), torch.tensor([[2.0, -5.0]]))
    torch.testing.assert_close(gaussian_code(encoded, None), torch.tensor([[1.0, -2.0]]))


def test_only_alis_codes_are_drawn() -> None:
    for name, drawn in (("bigan", False), ("ali", True)):
        system, players, batch = game(config(name), (2,))
        assert ("encoder_noise" in system.draws) is drawn
        other = batch._replace(draws={key: value + 1 for key, value in batch.draws.items()})
        losses = [float(system.moves["discriminator"].loss(players, b).detach()) for b in (batch, other)]
        assert (losses[0] != losses[1]) is drawn


def test_reconstruction_errors_are_mean_distances() -> None:
    system, players, batch = judged("nonsaturating")
    code = torch.zeros(5)
    code[0] = REAL
    expected = np.linalg.norm(batch.latents.numpy() - code.numpy(), axis=1).mean()
    with torch.no_grad():
        assert float(system.watch["code_error"](players, batch)) == pytest.approx(expected, rel=1e-5)
        image = system.generate(players, code[None]).numpy()
        expected = np.linalg.norm(batch.real.numpy() - image, axis=1).mean()
        assert float(system.watch["sample_error"](players, batch)) == pytest.approx(expected, rel=1e-5)


def test_the_joint_discriminator_grows_with_the_trials() -> None:
    parts = {
        "generator": {"name": "dcgan", "width": 4, "latent_dim": 50},
        "discriminator": {"name": "dcgan", "width": 64},
    }
    network = joint_discriminator(config("bigan", **parts), (1, 28, 28))
    # 64 and 128 channels of 4x4 kernels, one batch norm, 128 * 7 * 7 features; 1,024 units twice, then 1.
    trunk = 16 * 64 + 16 * 64 * 128 + 2 * 128
    dense = (128 * 49 + 50) * 1024 + 1024 + 1024**2 + 1024 + 1024 + 1
    assert count(network) == trunk + dense
    half = joint_discriminator(
        config("bigan", **{**parts, "discriminator": {"name": "dcgan", "width": 32}}), (1, 28, 28)
    )
    assert 0.2 < count(half) / count(network) < 0.3


@pytest.mark.parametrize("name", ["bigan", "ali"])
@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_training_repeats_itself(name: str, parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    train_alike(config(name, **parts), shape)
