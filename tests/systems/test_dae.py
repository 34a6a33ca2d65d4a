"""The denoising autoencoder: its loss, and a chain that must sample a law whose denoiser is known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.systems import Players, System
from pipeline.systems.system import Batch
from pipeline.training import sample
from tests.systems.games import game, reached, trial

SMALL = {"name": "dae", "width": 8}


def linear(shape: tuple[int, ...], chain: int = 30) -> tuple[System, Players, Batch]:
    """Its network silenced, the denoiser of a Gaussian of this scale: r(y, s) = y scale^2 / (scale^2 + s^2)."""
    system, players, batch = game(trial({**SMALL, "chain": chain}), shape)
    last = "network.leave" if len(shape) == 3 else "network.layers.9"
    for part in ("weight", "bias"):
        players["generator"][f"{last}.{part}"] = torch.zeros_like(players["generator"][f"{last}.{part}"])
    return system, players, batch


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_the_loss_is_the_weighted_squared_error(shape: tuple[int, ...]) -> None:
    system, players, batch = linear(shape)
    x = batch.real.numpy().astype(np.float64)
    scale, d = math.sqrt(np.square(x).mean()), math.prod(shape)
    highest = 2 * math.sqrt(d) * scale
    s = 0.01 * (highest / 0.01) ** batch.draws["noise_level"].numpy().astype(np.float64)
    s = s.reshape(-1, *[1] * len(shape))
    y = x + s * batch.latents[:, :d].numpy().reshape(x.shape)
    restored = y * scale**2 / (scale**2 + s**2)
    expected = (np.square(restored - x) * (1 / s**2 + 1 / scale**2)).mean()
    assert float(system.moves["generator"].loss(players, batch).detach()) == pytest.approx(expected, rel=1e-4)


def test_the_chain_samples_the_law_of_its_denoiser() -> None:
    """For N(0, scale^2) the denoiser is linear, so the chain's variance follows a recursion; with many levels
    it comes to the data's. With 30 it is a sixth too small.
    """
    for chain, tolerance in ((30, 0.2), (300, 0.06)):
        system, players, _ = linear((2,), chain)
        v0 = float(players["generator"]["scale"]) ** 2
        levels = np.geomspace(2 * math.sqrt(2 * v0), 0.01, chain)
        v = levels[0] ** 2
        for s, t in pairwise(levels):
            kept = (t / s) ** 2
            v = (v0 / (v0 + s * s) * (1 - kept) + kept) ** 2 * v + t * t * (1 - kept)
        v *= (v0 / (v0 + 1e-4)) ** 2
        assert v == pytest.approx(v0, rel=tolerance)
        drawn = sample(system, players, 4000, "dae")
        # Four standard errors of a variance of 8,000 values are 6 %.
        assert drawn.var() == pytest.approx(v, rel=0.065)


def test_rows_are_independent_chains() -> None:
    system, players, batch = game(trial(SMALL), (1, 8, 8))
    together = system.generate(players, batch.latents)
    alone = system.generate(players, batch.latents[2:3])
    torch.testing.assert_close(together[2:3], alone, atol=1e-5, rtol=1e-4)


def test_latents_of_4000_images_of_28_pixels_take_less_than_half_a_gigabyte() -> None:
    system, _, _ = game(trial(SMALL), (1, 28, 28), rows=2)
    assert system.latent_dim == 30 * 784
    assert 4000 * system.latent_dim * 4 < 0.5e9


def test_the_scale_is_that_of_the_data_and_is_not_trained() -> None:
    _, players, batch = game(trial(SMALL), (3,))
    scale = players["generator"]["scale"]
    assert float(scale) == pytest.approx(float(batch.real.square().mean().sqrt()))
    assert not scale.requires_grad


@pytest.mark.parametrize("shape", [(2,), (3, 8, 8)])
def test_the_denoiser_learns(shape: tuple[int, ...]) -> None:
    assert reached(*game(trial(SMALL), shape), "generator") == {"generator"}
