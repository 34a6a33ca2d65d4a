"""The ensemble: GANs that know nothing of each other, and samples of all of them in equal shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.networks.parameters import trained
from pipeline.systems import Batch
from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import train_alike

GP = {"name": "wgan_gp"}


@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_each_pair_moves_as_a_gan_on_its_own_part_of_the_batch(
    parts: dict[str, Any], shape: tuple[int, ...]
) -> None:
    system, players, batch = game(
        trial({"name": "ensemble", "components": 3}, objective=GP, **parts), shape, rows=4
    )
    gan, _, _ = game(trial("gan", objective=GP, **parts), shape)
    assert system.pack == 3
    assert len(batch.real) == 12
    total = {"discriminator": 0.0, "generator": 0.0}
    gradients = {
        move: dict(
            zip(
                players[move],
                torch.autograd.grad(system.moves[move].loss(players, batch), trained(players[move])),
                strict=True,
            )
        )
        for move in total
    }
    for k in range(3):
        rows = slice(4 * k, 4 * k + 4)
        own = {
            p: {n[2:]: t for n, t in players[p].items() if n.startswith(f"{k}.")}
            for p in ("discriminator", "generator")
        }
        uniform = {"objective_uniform": batch.draws["objective_uniform"][rows]}
        part = Batch(batch.real[rows], batch.latents[rows, :-1], batch.labels[rows], uniform, batch.progress)
        for move in total:
            loss = gan.moves[move].loss(own, part)
            total[move] += float(loss.detach())
            alone = torch.autograd.grad(loss, trained(own[move]))
            for name, gradient in zip(own[move], alone, strict=True):
                torch.testing.assert_close(gradients[move][f"{k}.{name}"], gradient)
    for move, expected in total.items():
        assert float(system.moves[move].loss(players, batch).detach()) == pytest.approx(expected, rel=1e-5)


def test_the_discriminators_loss_does_not_reach_the_generators() -> None:
    config = trial({"name": "ensemble", "components": 2}, objective={"name": "nonsaturating"}, **MLP)
    system, players, batch = game(config, (2,))
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert "generator" in reached(system, players, batch, "generator")


def test_samples_come_from_all_in_equal_shares() -> None:
    config = trial({"name": "ensemble", "components": 4}, objective={"name": "nonsaturating"}, **MLP)
    system, players, _ = game(config, (1,))
    for name, tensor in players["generator"].items():
        # Generator k makes the number k whatever its latents are.
        value = float(name[0]) if name.endswith("layers.6.bias") else 0.0
        players["generator"][name] = torch.full_like(tensor, value)
    latents = torch.tensor(np.random.default_rng(0).standard_normal((10_000, 6)), dtype=torch.float32)
    samples = system.generate(players, latents)[:, 0]
    counts = torch.bincount(samples.long(), minlength=4).numpy()
    chi2 = ((counts - 2500) ** 2 / 2500).sum()
    assert chi2 < 16.27  # 99.9 % of chi-squared with 3 degrees of freedom
    assert float(system.generate(players, latents[5:6])[0, 0]) == float(samples[5])


@pytest.mark.parametrize(("parts", "shape"), [(DCGAN, (1, 8, 8)), (MLP, (2,))])
def test_training_repeats_itself(parts: dict[str, Any], shape: tuple[int, ...]) -> None:
    train_alike(trial({"name": "ensemble", "components": 2}, objective={"name": "hinge"}, **parts), shape)
