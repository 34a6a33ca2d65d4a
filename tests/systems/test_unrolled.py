"""Unrolled GAN: two steps of a critic by hand, gradients through them, and modes of a ring."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import SHAPES, train_alike

LINE: dict[str, Any] = {
    "generator": {"name": "mlp", "width": 1, "depth": 1, "latent_dim": 1},
    "discriminator": {"name": "mlp", "width": 1, "depth": 1},
}


def unrolled(steps: int, goal: str, inner_lr: float = 0.1, **parts: Any) -> Any:
    system = {"name": "unrolled", "unrolling": steps, "inner_lr": inner_lr}
    return trial(system, **{**MLP, **parts}, objective={"name": goal})


@pytest.mark.parametrize(("steps", "loss", "slope"), [(1, -2.31, -0.89), (2, -2.6741, -0.7117)])
def test_the_critic_ahead_by_hand(steps: int, loss: float, slope: float) -> None:
    """D(x) = a (w x + 1), where that is positive; all real x are 2, all generated g; at first a = w = 1.

    The critic's loss D(g) - D(2) = a w (g - 2) takes both a and w from s to s (1 - .1 (g - 2)) at rate .1, so
    after K steps a = w = t = (1 - .1 (g - 2))^K: 1.1^K at g = 1. G's loss is -D(g) = -t (t g + 1), its slope
    -dt (t g + 1) - t (dt g + t) with dt = -.1 K 1.1^(K - 1). K = 1: .1 * 2.1 - 1.1 * 1.0, where the gradient that
    does not look through the step is -t^2 = -1.21. K = 2: .22 * 2.21 - 1.21 * .99.
    """
    system, players, batch = game(unrolled(steps, "wgan_clip", **LINE), (1,), rows=4)
    g = torch.ones(1, requires_grad=True)
    players["generator"] = {
        "layers.0.weight": torch.zeros(1, 1),
        "layers.0.bias": torch.zeros(1),
        "layers.3.weight": torch.zeros(1, 1),
        "layers.3.bias": g,
    }
    start = {
        "layers.0.weight": [[1.0]],
        "layers.0.bias": [1.0],
        "layers.2.weight": [[1.0]],
        "layers.2.bias": [0.0],
    }
    players["discriminator"] = {name: torch.tensor(v, requires_grad=True) for name, v in start.items()}
    found = system.moves["generator"].loss(players, batch._replace(real=torch.full((4, 1), 2.0)))
    assert float(found.detach()) == pytest.approx(loss, abs=1e-5)
    assert float(torch.autograd.grad(found, g)[0]) == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("goal", ["minimax", "nonsaturating", "relativistic_average", "lsgan"])
def test_gradients_through_the_steps_are_slopes_of_the_loss(goal: str) -> None:
    """Along a random direction of the generator's parameters, in float64."""
    system, players, batch = game(unrolled(3, goal, 0.3), (2,), rows=20)
    players = {
        name: {k: v.detach().double().requires_grad_() for k, v in tree.items()}
        for name, tree in players.items()
    }
    batch = batch._replace(real=batch.real.double(), latents=batch.latents.double())
    random = torch.Generator().manual_seed(0)
    direction = {k: torch.randn(v.shape, generator=random).double() for k, v in players["generator"].items()}

    def loss(t: float) -> torch.Tensor:
        moved = {k: v + t * direction[k] for k, v in players["generator"].items()}
        return system.moves["generator"].loss(players | {"generator": moved}, batch)

    tree = players["generator"]
    gradients = torch.autograd.grad(loss(0), list(tree.values()))
    slope = sum(float((g * direction[k]).sum()) for k, g in zip(tree, gradients, strict=True))
    measured = float((loss(1e-6) - loss(-1e-6)).detach()) / 2e-6
    assert slope == pytest.approx(measured, rel=1e-5)


def test_the_discriminator_itself_takes_one_plain_step() -> None:
    system, players, batch = game(unrolled(5, "nonsaturating"), (2,))
    plain, _, _ = game(trial("gan", **MLP, objective={"name": "nonsaturating"}), (2,))
    losses = [s.moves["discriminator"].loss(players, batch) for s in (system, plain)]
    assert torch.equal(*losses)
    assert system.turns(1) == plain.turns(1) == ["discriminator", "generator"]
    before = {name: tensor.clone() for name, tensor in players["discriminator"].items()}
    system.moves["generator"].loss(players, batch)
    assert all(torch.equal(before[name], tensor) for name, tensor in players["discriminator"].items())


@pytest.mark.parametrize("goal", ["minimax", "wgan_gp"])
@pytest.mark.parametrize(("parts", "shape"), [(MLP, (2,)), (DCGAN, (1, 8, 8))])
def test_who_moves(parts: dict[str, Any], shape: tuple[int, ...], goal: str) -> None:
    # A gradient penalty is steep in a new DCGAN: a large inner step would leave for infinity.
    system, players, batch = game(unrolled(2, goal, 1e-4, **parts), shape)
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert "generator" in reached(system, players, batch, "generator")
    assert [move.players for move in system.moves.values()] == [("discriminator",), ("generator",)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trial_comes_out_the_same_twice(shape: tuple[int, ...]) -> None:
    train_alike(unrolled(2, "nonsaturating"), shape)
