"""MIX+GAN: the payoff of a mixture, its weights, and which component a sample comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call

from pipeline.networks.parameters import trained
from pipeline.objectives.penalties import gradient_penalty
from pipeline.systems import Batch, Players, System
from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import train_alike

W_G, W_D = [0.7, 0.3], [0.2, 0.8]


def uneven(objective: str, **system: Any) -> tuple[System, Players, Batch]:
    """A mixture of two against two with unequal weights."""
    config = trial({"name": "mix", "components": 2, **system}, objective={"name": objective}, **MLP)
    played, players, batch = game(config, (2,))
    for player, weights in (("generator_weights", W_G), ("discriminator_weights", W_D)):
        players[player]["log_weights"] = torch.tensor(weights).log().requires_grad_()
    return played, players, batch


def values(system: System, players: Players, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the real batch (discriminators, b) and of samples (discriminators, generators, b)."""
    d, g = system.networks["discriminator"], system.networks["generator"]
    trees = [
        [{n[2:]: t for n, t in players[p].items() if n[:2] == f"{k}."} for k in (0, 1)]
        for p in ("discriminator", "generator")
    ]
    samples = [functional_call(g[k], trees[1][k], batch.latents[:, :-1]) for k in (0, 1)]
    real = [functional_call(d[j], trees[0][j], batch.real) for j in (0, 1)]
    generated = [torch.stack([functional_call(d[j], trees[0][j], x) for x in samples]) for j in (0, 1)]
    return torch.stack(real).detach().numpy(), torch.stack(generated).detach().numpy()


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


@pytest.mark.parametrize(
    ("weights", "of_d", "of_g"),
    [
        # 0.1 times w log w summed: .2 log .2 + .8 log .8, .7 log .7 + .3 log .3
        ("exponentiated_gradient", -0.0500402, -0.0610864),
        # 0.1 times -(log .2 + log .8) / 2 and -(log .7 + log .3) / 2
        ("softmax", 0.0916291, 0.0780324),
    ],
)
def test_the_losses_are_sums_over_pairs(weights: str, of_d: float, of_g: float) -> None:
    system, players, batch = uneven("nonsaturating", weights=weights)
    real, generated = values(system, players, batch)
    expected_d, expected_g = of_d, of_g
    for j in (0, 1):
        for i in (0, 1):
            pair = softplus(-real[j]).mean() + softplus(generated[j, i]).mean()
            expected_d += W_D[j] * W_G[i] * pair
            expected_g += W_D[j] * W_G[i] * softplus(-generated[j, i]).mean()
    with torch.no_grad():
        loss_d, loss_g = (system.moves[name].loss(players, batch) for name in ("discriminator", "generator"))
    assert float(loss_d) == pytest.approx(expected_d, rel=1e-5)
    assert float(loss_g) == pytest.approx(expected_g, rel=1e-5)


def test_the_gap_is_the_weighted_one() -> None:
    system, players, batch = uneven("wgan_clip")
    real, generated = values(system, players, batch)
    expected = W_D @ (real.mean(1)[:, None] - generated.mean(2)) @ W_G
    with torch.no_grad():
        assert float(system.watch["gap"](players, batch)) == pytest.approx(expected, rel=1e-4)


def test_penalties_count_with_their_discriminators_weight() -> None:
    with_penalty, players, batch = uneven("wgan_gp")
    without, _, _ = uneven("wgan_clip")
    # By hand: generator 0 wherever Phi of the last latent is below its weight, which is 0.7.
    d, g = with_penalty.networks["discriminator"], with_penalty.networks["generator"]
    tree = {k: {n[2:]: t for n, t in players["generator"].items() if n[:2] == f"{k}."} for k in (0, 1)}
    x0, x1 = (functional_call(g[k], tree[k], batch.latents[:, :-1]).detach() for k in (0, 1))
    of_mixture = torch.where(batch.latents[:, -1:] < 0.5244, x0, x1)
    expected = 0.0
    for j in (0, 1):
        judge = {n[2:]: t for n, t in players["discriminator"].items() if n[:2] == f"{j}."}
        penalty = gradient_penalty(
            lambda x, j=j, judge=judge: functional_call(d[j], judge, x),  # type: ignore[misc]
            (batch.real,),
            (of_mixture,),
            batch.draws["objective_uniform"],
        )
        expected += 10 * W_D[j] * float(penalty.detach())
    losses = [s.moves["discriminator"].loss(players, batch) for s in (with_penalty, without)]
    assert float((losses[0] - losses[1]).detach()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("objective", ["nonsaturating", "wgan_gp", "relativistic_average"])
def test_one_component_is_the_gan(objective: str) -> None:
    mixture, players, batch = game(
        trial({"name": "mix", "components": 1}, objective={"name": objective}, **DCGAN), (1, 8, 8)
    )
    gan, _, _ = game(trial("gan", objective={"name": objective}, **DCGAN), (1, 8, 8))
    alone = {p: {n.removeprefix("0."): t for n, t in players[p].items()} for p in gan.networks}
    for move in ("discriminator", "generator"):
        torch.testing.assert_close(
            mixture.moves[move].loss(players, batch),
            gan.moves[move].loss(alone, batch._replace(latents=batch.latents[:, :-1])),
        )


def test_each_side_moves_its_own_networks_and_weights() -> None:
    system, players, batch = uneven("nonsaturating")
    assert reached(system, players, batch, "discriminator") == {"discriminator", "discriminator_weights"}
    assert reached(system, players, batch, "generator") >= {"generator", "generator_weights"}
    assert "discriminator_weights" not in reached(system, players, batch, "generator")
    assert system.moves["generator"].players == ("generator", "generator_weights")
    assert system.rules.keys() == {"generator_weights", "discriminator_weights"}
    assert uneven("nonsaturating", weights="softmax")[0].rules == {}


def test_the_weights_gradient_is_that_of_the_payoffs() -> None:
    # One step of the rule by hand: log w - rate dF/dw, renormalised.
    system, players, batch = uneven("nonsaturating", entropy=0.0, weight_lr=0.5)
    _, generated = values(system, players, batch)
    payoff = (np.array(W_D)[:, None] * softplus(-generated).mean(2)).sum(0)
    expected = W_G * np.exp(-0.5 * payoff)
    tree = players["generator_weights"]
    (slope,) = torch.autograd.grad(system.moves["generator"].loss(players, batch), trained(tree))
    with torch.no_grad():
        system.rules["generator_weights"](tree, {"log_weights": slope})
    np.testing.assert_allclose(tree["log_weights"].detach().exp(), expected / expected.sum(), rtol=1e-5)


def test_samples_come_from_components_by_weight() -> None:
    system, players, _ = uneven("nonsaturating")
    for name, tensor in players["generator"].items():
        # Generator 0 makes (0, 0) whatever its latents are, generator 1 makes (1, 1).
        last = name.removeprefix("0.").removeprefix("1.") == "layers.6.bias"
        players["generator"][name] = torch.full_like(tensor, float(name[0]) if last else 0.0)
    latents = torch.tensor(np.random.default_rng(0).standard_normal((10_000, 6)), dtype=torch.float32)
    samples = system.generate(players, latents)
    share = float((samples[:, 0] == 1).float().mean())
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 10_000))
    assert torch.equal(samples[:, 0], samples[:, 1])
    # Independent of the batch: each sample draws its own.
    assert torch.equal(system.generate(players, latents[17:18]), samples[17:18])


def test_effective_numbers_of_components_are_watched() -> None:
    system, players, batch = uneven("nonsaturating")
    # exp(.610864) and exp(.500402)
    with torch.no_grad():
        numbers = [
            system.watch[f"effective_{kind}"](players, batch) for kind in ("generators", "discriminators")
        ]
    assert [float(n) for n in numbers] == pytest.approx([1.84202, 1.64938], rel=1e-5)


@pytest.mark.parametrize("weights", ["exponentiated_gradient", "softmax"])
@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_training_repeats_itself(parts: dict[str, Any], shape: tuple[int, ...], weights: str) -> None:
    system = {"name": "mix", "components": 3, "weights": weights}
    train_alike(trial(system, objective={"name": "nonsaturating"}, **parts), shape)
