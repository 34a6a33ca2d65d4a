"""Minibatch discrimination: closeness by hand, batches kept apart, and modes of a ring."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.networks.minibatch import MinibatchLayer
from pipeline.networks.parameters import apply, initialise
from pipeline.objectives import objective
from tests.systems.games import CPU, DCGAN, MLP, game, reached, trial
from tests.systems.smoke import SHAPES, train_alike


def minibatch(goal: str, parts: dict[str, Any] = MLP, **given: Any) -> Any:
    system = {"name": "minibatch_discrimination", "kernels": 3, "kernel_dim": 2}
    return trial(system, **parts, objective={"name": goal}, **given)


def layer(features: int, kernels: int, kernel_dim: int) -> MinibatchLayer:
    with torch.device("meta"):
        return MinibatchLayer(features, kernels, kernel_dim)


def test_closeness_by_hand() -> None:
    # T = (1, 2): M = (f, 2 f), one kernel of two dimensions, distances 3 |f_i - f_j| of f = 0, 1, 3.
    found = apply(
        layer(1, 1, 2), {"tensor.weight": torch.tensor([[1.0], [2.0]])}, torch.tensor([[0.0], [1.0], [3.0]])
    )
    e3, e6, e9 = (math.exp(-k) for k in (3, 6, 9))
    expected = torch.tensor([[0, e3 + e9], [1, e3 + e6], [3, e9 + e6]])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_kernels_are_the_sums_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    t, f = rng.normal(size=(4 * 3, 5)), rng.normal(size=(6, 5))
    tree = {"tensor.weight": torch.tensor(t)}
    found = apply(layer(5, 4, 3), tree, torch.tensor(f)).numpy()
    m = (f @ t.T).reshape(6, 4, 3)
    distances = np.abs(m[:, None] - m[None]).sum(3)
    closeness = np.exp(-distances)[~np.eye(6, dtype=bool)].reshape(6, 5, 4).sum(1)
    np.testing.assert_allclose(found, np.concatenate([f, closeness], 1), atol=1e-10)


def test_a_batch_of_one_sample_is_as_close_as_can_be() -> None:
    network = layer(5, 4, 3)
    tree = initialise(network, np.random.default_rng(0), CPU)
    found = apply(network, tree, torch.ones(7, 5))
    assert found[:, 5:].flatten().tolist() == [6.0] * 28


@pytest.mark.parametrize("goal", ["nonsaturating", "relativistic_average"])
@pytest.mark.parametrize(("parts", "shape"), [(MLP, (2,)), (DCGAN, (1, 8, 8))])
def test_real_and_generated_samples_never_meet(
    parts: dict[str, Any], shape: tuple[int, ...], goal: str
) -> None:
    config = minibatch(goal, parts)
    system, players, batch = game(config, shape)
    d, play = system.networks["discriminator"], objective(config.objective)
    generated = system.generate(players, batch.latents)
    real, made = (apply(d, players["discriminator"], x) for x in (batch.real, generated))
    torch.testing.assert_close(
        system.moves["discriminator"].loss(players, batch), play.discriminator(real, made)
    )
    torch.testing.assert_close(system.moves["generator"].loss(players, batch), play.generator(made, real))
    alone = apply(d, players["discriminator"], batch.real[:1])
    assert float((alone - real[:1]).detach().abs()) > 1e-6  # samples of one kind do


def test_the_gap_is_that_of_batches_as_large_as_the_trained_ones() -> None:
    config = minibatch("wgan_clip", training={"batch_size": 4})
    system, players, batch = game(config, (2,), rows=10)
    d = system.networks["discriminator"]
    generated = system.generate(players, batch.latents)
    gaps = [
        apply(d, players["discriminator"], batch.real[k : k + 4]).mean()
        - apply(d, players["discriminator"], generated[k : k + 4]).mean()
        for k in (0, 4)  # and two rows that make no batch
    ]
    torch.testing.assert_close(system.watch["gap"](players, batch), (gaps[0] + gaps[1]) / 2)


def test_the_last_layer_sees_features_and_closeness() -> None:
    system, players, batch = game(minibatch("hinge"), (2,))
    d, tree = system.networks["discriminator"], players["discriminator"]
    assert d.feature_count == 16 + 3
    weight, bias = [t for name, t in tree.items() if name.startswith("layers.5.")]
    value = apply(d, tree, batch.real)
    torch.testing.assert_close(value, (d.features(batch.real) @ weight.T + bias).flatten())


@pytest.mark.parametrize(
    ("goal", "regularizers"), [("wgan_gp", {}), ("hinge", {"r1": 1.0}), ("hinge", {"dragan": 1.0})]
)
def test_penalties_of_single_samples_are_refused(goal: str, regularizers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="couples the samples whose gradients"):
        game(minibatch(goal, regularizers=regularizers), (2,))


@pytest.mark.parametrize("regularizers", [{}, {"spectral_norm": True, "instance_noise": 0.3}])
def test_who_moves(regularizers: dict[str, Any]) -> None:
    system, players, batch = game(minibatch("nonsaturating", regularizers=regularizers), (2,))
    assert reached(system, players, batch, "discriminator") == {"discriminator"}
    assert "generator" in reached(system, players, batch, "generator")
    assert [move.players for move in system.moves.values()] == [("discriminator",), ("generator",)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trial_comes_out_the_same_twice(shape: tuple[int, ...]) -> None:
    train_alike(minibatch("nonsaturating"), shape)
