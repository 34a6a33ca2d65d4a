"""Regularisers through the discriminator of a game: what it sees, what is added, what follows its steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pipeline.networks.normalization import BatchNorm
from pipeline.networks.parameters import apply
from pipeline.networks.spectral import Spectral, iterate
from pipeline.objectives import OBJECTIVES, objective
from pipeline.objectives.penalties import dragan_penalty, r1_penalty
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.trial import TrialConfig
from tests.systems.games import DCGAN, MLP, game, reached, trial

ALL = {"r1": 0.5, "dragan": 0.5, "instance_noise": 0.2, "spectral_norm": True}


def gan(goal: str | dict[str, Any], parts: dict[str, Any] = MLP, **regularizers: Any) -> TrialConfig:
    named = {"name": goal} if isinstance(goal, str) else goal
    return trial("gan", **parts, objective=named, regularizers=regularizers)


@pytest.mark.parametrize("goal", sorted(OBJECTIVES))
@pytest.mark.parametrize(("parts", "shape"), [(MLP, (2,)), (DCGAN, (1, 8, 8))])
def test_every_regulariser_goes_with_every_objective(
    parts: dict[str, Any], shape: tuple[int, ...], goal: str
) -> None:
    for regularizers in [{name: value} for name, value in ALL.items()] + [ALL]:
        system, players, batch = game(gan(goal, parts, **regularizers), shape)
        assert reached(system, players, batch, "discriminator") == {"discriminator"}
        assert "generator" in reached(system, players, batch, "generator")


def test_penalties_are_added_to_the_discriminators_loss_alone() -> None:
    system, players, batch = game(gan("nonsaturating", r1=3.0, dragan=2.0), (2,))
    without, _, _ = game(gan("nonsaturating"), (2,))

    def critic(x: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return apply(system.networks["discriminator"], players["discriminator"], *x)

    expected = 3 * r1_penalty(critic, (batch.real,)) + 2 * dragan_penalty(
        critic, (batch.real,), batch.draws["dragan_noise"], batch.draws["dragan_uniform"]
    )
    losses = [s.moves["discriminator"].loss(players, batch) for s in (system, without)]
    torch.testing.assert_close(losses[0] - losses[1], expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(*(s.moves["generator"].loss(players, batch) for s in (system, without)))


@pytest.mark.parametrize(("progress", "std"), [(0.0, 0.4), (0.5, 0.2), (1.0, 0.0)])
@pytest.mark.parametrize("goal", ["minimax", "relativistic_average"])
def test_noise_blurs_both_kinds_in_both_losses_and_fades(goal: str, progress: float, std: float) -> None:
    config = gan(goal, instance_noise=0.4)
    system, players, batch = game(config, (2,))
    batch = batch._replace(progress=torch.tensor(progress))
    generated = system.generate(players, batch.latents)
    real, made = (
        apply(system.networks["discriminator"], players["discriminator"], x + std * batch.draws[noise])
        for x, noise in ((batch.real, "noise_real"), (generated, "noise_generated"))
    )
    play = objective(config.objective)
    torch.testing.assert_close(
        system.moves["discriminator"].loss(players, batch), play.discriminator(real, made)
    )
    torch.testing.assert_close(system.moves["generator"].loss(players, batch), play.generator(made, real))


def test_the_gap_is_watched_without_noise() -> None:
    noisy, players, batch = game(gan("minimax", instance_noise=0.4), (2,))
    plain, _, _ = game(gan("minimax"), (2,))
    assert torch.equal(noisy.watch["gap"](players, batch), plain.watch["gap"](players, batch))


def test_penalties_look_at_what_the_discriminator_sees() -> None:
    system, players, batch = game(gan("wgan_clip", r1=1.0, instance_noise=0.4), (2,))
    plain, _, _ = game(gan("wgan_clip", r1=1.0), (2,))
    draws = batch.draws | {"noise_generated": torch.zeros(6, 2)}
    blurred = batch._replace(real=batch.real + 0.2 * draws["noise_real"])
    torch.testing.assert_close(
        system.moves["discriminator"].loss(players, batch._replace(draws=draws)),
        plain.moves["discriminator"].loss(players, blurred),
    )


def test_noise_is_for_the_first_input_alone() -> None:
    config = gan("minimax", instance_noise=0.4)
    adversary = Adversary(config, discriminator(config, (2,)), (2,))
    _, _, batch = game(config, (2,))
    codes = torch.ones(6, 3)
    for (x, z), noise in zip(
        adversary.seen((batch.real, codes), (batch.real, codes), batch), batch.draws.values(), strict=True
    ):
        torch.testing.assert_close(x, batch.real + 0.2 * noise)
        assert z is codes


@pytest.mark.parametrize("regularizers", [{"r1": 1.0}, {"dragan": 1.0}])
def test_penalties_need_samples_apart(regularizers: dict[str, float]) -> None:
    system, _, _ = game(gan("minimax", DCGAN, **regularizers), (1, 8, 8))
    assert not any(isinstance(m, BatchNorm) for m in system.networks["discriminator"].modules())
    coupled = {**DCGAN, "discriminator": {"name": "dcgan", "width": 4, "normalization": "batch"}}
    with pytest.raises(ValueError, match="batch couples"):
        game(gan("minimax", coupled, **regularizers), (1, 8, 8))


def test_clipping_and_power_iteration_follow_each_step() -> None:
    system, players, batch = game(gan({"name": "wgan_clip", "clip": 0.05}, spectral_norm=True), (2,))
    d, tree = system.networks["discriminator"], players["discriminator"]
    state = {name: t.clone() for name, t in tree.items() if not t.requires_grad}
    loss = system.moves["discriminator"].loss(players, batch)
    assert all(torch.equal(tree[name], t) for name, t in state.items())  # losses are pure
    assert torch.equal(system.moves["discriminator"].loss(players, batch), loss)
    with torch.no_grad():
        system.after["discriminator"](tree)
    assert max(float(t.detach().abs().max()) for t in tree.values() if t.requires_grad) == pytest.approx(0.05)
    expected = {name: t.detach() for name, t in tree.items()} | {k: t.clone() for k, t in state.items()}
    iterate(d, expected)
    moved = [name for name in state if tree[name].shape != (1,)]  # of one output u is 1 or -1 for ever
    assert moved
    assert all(torch.equal(tree[name], expected[name]) for name in state)
    assert not any(torch.equal(tree[name], state[name]) for name in moved)


def test_all_layers_of_a_composed_discriminator_are_normalised() -> None:
    class Pair(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner, self.codes = inner, nn.Linear(3, 1)

        def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            return self.inner(x) + self.codes(z).flatten()

    config = gan("hinge", spectral_norm=True)
    with torch.device("meta"):
        pair = Pair(discriminator(config, (2,)))
    for _ in range(2):  # two adversaries may share one structure
        Adversary(config, pair, (2,))
    assert (
        sum(isinstance(m, Spectral) for m in pair.modules())
        == sum(isinstance(m, nn.Linear) for m in pair.modules())
        == 4
    )


def test_critic_steps_of_the_warm_up() -> None:
    system, _, _ = game(gan({"name": "wgan_clip", "warm_up": True}), (2,))
    assert [len(system.turns(step)) for step in (1, 25, 26, 500, 501)] == [101, 101, 2, 2, 101]
    assert system.turns(26) == ["discriminator", "generator"]
