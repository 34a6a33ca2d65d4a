"""Feature matching: means of hidden layers by hand, whose gradients move, and modes of a ring."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import leaky_relu

from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import SHAPES, train_alike

TINY = {
    "generator": {"name": "mlp", "width": 1, "depth": 1, "latent_dim": 1},
    "discriminator": {"name": "mlp", "width": 2, "depth": 1},
}


def test_the_generator_matches_means_of_the_last_hidden_layer() -> None:
    # f(x) = leaky_relu(x) (slope .2 below 0); G(z) = (1, -1): f = (1, -.2). Real f: (2, 1), (-.2, 3), mean (.9, 2).
    system, players, batch = game(
        trial("feature_matching", **TINY, objective={"name": "minimax"}), (2,), rows=2
    )
    players["generator"] = {
        "layers.0.weight": torch.zeros(1, 1),
        "layers.0.bias": torch.zeros(1),
        "layers.3.weight": torch.zeros(2, 1),
        "layers.3.bias": torch.tensor([1.0, -1.0], requires_grad=True),
    }
    players["discriminator"] |= {"layers.0.weight": torch.eye(2), "layers.0.bias": torch.zeros(2)}
    batch = batch._replace(real=torch.tensor([[2.0, 1.0], [-1.0, 3.0]]))
    loss = system.moves["generator"].loss(players, batch)
    assert float(loss.detach()) == pytest.approx(0.1**2 + 2.2**2)
    # d / dG: 2 (f - .9, f - 2) times the slopes 1 and .2.
    (slope,) = torch.autograd.grad(loss, players["generator"]["layers.3.bias"])
    assert slope.tolist() == pytest.approx([2 * 0.1, 2 * -2.2 * 0.2])


def test_of_a_deep_discriminator_it_is_all_but_the_last_layer() -> None:
    system, players, batch = game(trial("feature_matching", **MLP, objective={"name": "hinge"}), (2,))
    d = players["discriminator"]

    def f(x: torch.Tensor) -> torch.Tensor:
        for k in (0, 2):
            x = leaky_relu(x @ d[f"layers.{k}.weight"].T + d[f"layers.{k}.bias"], 0.2)
        return x.mean(0)

    expected = (f(batch.real) - f(system.generate(players, batch.latents))).square().sum()
    torch.testing.assert_close(system.moves["generator"].loss(players, batch), expected)


@pytest.mark.parametrize("parts", [DCGAN, MLP])
def test_who_moves(parts: dict) -> None:
    system, players, batch = game(
        trial("feature_matching", **parts, objective={"name": "nonsaturating"}), (1, 8, 8)
    )
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert "generator" in reached(system, players, batch, "generator")
    assert [move.players for move in system.moves.values()] == [("discriminator",), ("generator",)]


def test_instance_noise_blurs_what_is_matched() -> None:
    # The features of a discriminator without its leaks are linear: noise on real samples alone moves their mean.
    noisy = trial(
        "feature_matching",
        **MLP,
        objective={"name": "nonsaturating"},
        regularizers={"instance_noise": 0.5},
    )
    plain = trial("feature_matching", **MLP, objective={"name": "nonsaturating"})
    system, players, batch = game(noisy, (2,))
    without, _, _ = game(plain, (2,))
    blurred = batch._replace(real=batch.real + 0.5 * (1 - 0.5) * batch.draws["noise_real"])
    quiet = {"noise_real": batch.draws["noise_real"], "noise_generated": torch.zeros(6, 2)}
    torch.testing.assert_close(
        system.moves["generator"].loss(players, batch._replace(draws=quiet)),
        without.moves["generator"].loss(players, blurred),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trial_comes_out_the_same_twice(shape: tuple[int, ...]) -> None:
    train_alike(trial("feature_matching", **MLP, objective={"name": "nonsaturating"}), shape)
