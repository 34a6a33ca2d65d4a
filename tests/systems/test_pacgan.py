"""PacGAN: how rows are packed, packing of one, and modes of a ring."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.networks.parameters import apply
from pipeline.objectives import objective
from pipeline.systems.pacgan import pack
from tests.systems.games import DCGAN, MLP, game, reached, trial
from tests.systems.smoke import SHAPES, train_alike

ALL = {"r1": 0.5, "dragan": 0.5, "instance_noise": 0.2, "spectral_norm": True}


def pacgan(packing: int, goal: str, parts: dict[str, Any] = MLP, **regularizers: Any) -> Any:
    return trial(
        {"name": "pacgan", "packing": packing}, **parts, objective={"name": goal}, regularizers=regularizers
    )


def test_rows_that_follow_each_other_stand_side_by_side() -> None:
    points = torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]])
    assert pack(points, 2).tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert torch.equal(pack(points, 1), points)
    images = torch.arange(6 * 3 * 2 * 2).reshape(6, 3, 2, 2)
    packed = pack(images, 3)
    assert packed.shape == (2, 9, 2, 2)
    assert torch.equal(packed[1, 3:6], images[4])


@pytest.mark.parametrize("regularizers", [{}, ALL])
@pytest.mark.parametrize("goal", ["nonsaturating", "wgan_gp", "relativistic_average", "measuring_function"])
@pytest.mark.parametrize(("parts", "shape"), [(MLP, (2,)), (DCGAN, (1, 8, 8))])
def test_packing_one_is_the_gan(
    parts: dict[str, Any], shape: tuple[int, ...], goal: str, regularizers: dict[str, Any]
) -> None:
    one, players, batch = game(pacgan(1, goal, parts, **regularizers), shape)
    plain, same, _ = game(trial("gan", **parts, objective={"name": goal}, regularizers=regularizers), shape)
    for name, tree in same.items():
        assert all(torch.equal(tree[key], tensor) for key, tensor in players[name].items())
    assert one.draws == plain.draws
    for move in ("discriminator", "generator"):
        assert torch.equal(one.moves[move].loss(players, batch), plain.moves[move].loss(players, batch))
    assert torch.equal(one.watch["gap"](players, batch), plain.watch["gap"](players, batch))


@pytest.mark.parametrize("packing", [2, 3, 4])
@pytest.mark.parametrize(("parts", "shape"), [(MLP, (2,)), (DCGAN, (3, 8, 8))])
def test_the_losses_are_the_objectives_of_packed_samples(
    packing: int, parts: dict[str, Any], shape: tuple[int, ...]
) -> None:
    config = pacgan(packing, "nonsaturating", parts)
    system, players, batch = game(config, shape)
    assert len(batch.real) == 6 * packing == 6 * system.pack
    d, goal = system.networks["discriminator"], objective(config.objective)

    def value(x: torch.Tensor) -> torch.Tensor:
        groups = [torch.cat(list(x[k : k + packing])) for k in range(0, len(x), packing)]
        return apply(d, players["discriminator"], torch.stack(groups))

    generated = system.generate(players, batch.latents)
    assert generated.shape == (6 * packing, *shape)
    real, made = value(batch.real), value(generated)
    assert real.shape == (6,)
    losses = {
        "discriminator": goal.discriminator(real, made),
        "generator": goal.generator(made, None),
    }
    for move, expected in losses.items():
        torch.testing.assert_close(system.moves[move].loss(players, batch), expected)
    expected_gap = real.sigmoid().mean() - made.sigmoid().mean()
    torch.testing.assert_close(system.watch["gap"](players, batch), expected_gap)


def test_noise_and_penalties_act_on_packed_samples() -> None:
    # A linear critic w of packed points: R1 is half |w|^2, all 2 m coordinates of it; every row has its noise.
    config = pacgan(3, "wgan_clip", {**MLP, "discriminator": {"name": "mlp", "width": 6, "depth": 1}}, r1=2.0)
    system, players, batch = game(config, (2,))
    without, _, _ = game(
        config.model_copy(update={"regularizers": config.regularizers.model_copy(update={"r1": 0.0})}), (2,)
    )
    d = players["discriminator"]
    d |= {"layers.0.weight": torch.eye(6), "layers.0.bias": torch.full((6,), 100.0)}  # no leak
    d |= {"layers.2.weight": torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])}
    moves = [s.moves["discriminator"].loss(players, batch) for s in (system, without)]
    assert float((moves[0] - moves[1]).detach()) == pytest.approx(2.0 / 2 * 91, rel=1e-4)

    noisy, players, batch = game(pacgan(3, "wgan_clip", instance_noise=0.5), (2,))
    quiet, _, _ = game(pacgan(3, "wgan_clip"), (2,))
    assert {name: draw.shape for name, draw in noisy.draws.items()} == {
        "noise_real": (2,),
        "noise_generated": (2,),
    }
    blurred = batch._replace(real=batch.real + 0.25 * batch.draws["noise_real"])
    still = batch._replace(draws=batch.draws | {"noise_generated": torch.zeros(18, 2)})
    torch.testing.assert_close(
        noisy.moves["discriminator"].loss(players, still), quiet.moves["discriminator"].loss(players, blurred)
    )


def test_who_moves() -> None:
    system, players, batch = game(pacgan(2, "wgan_gp", **ALL), (2,))
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert "generator" in reached(system, players, batch, "generator")
    assert [move.players for move in system.moves.values()] == [("discriminator",), ("generator",)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trial_comes_out_the_same_twice(shape: tuple[int, ...]) -> None:
    train_alike(pacgan(2, "nonsaturating", **ALL), shape)
