"""Any system as a small game: trial, system, first players and a batch, for tests of losses and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.networks.parameters import initialise
from pipeline.systems import Batch, Players, System, make_system
from pipeline.training.feed import numbers
from pipeline.trial import TrialConfig

CPU = torch.device("cpu")
DCGAN: dict[str, Any] = {
    "generator": {"name": "dcgan", "width": 4, "latent_dim": 5},
    "discriminator": {"name": "dcgan", "width": 4},
}
MLP: dict[str, Any] = {
    "generator": {"name": "mlp", "width": 16, "depth": 2, "latent_dim": 5},
    "discriminator": {"name": "mlp", "width": 16, "depth": 2},
}


def trial(system: str | dict[str, Any], **parts: Any) -> TrialConfig:
    """A trial of the system with these parts; parts it does not play with are to be left out or None."""
    base = {"dataset": {"name": "digits"}, "train_samples": 10}
    given = {key: part for key, part in parts.items() if part is not None}
    return TrialConfig.model_validate({**base, "system": system, **given})


def game(config: TrialConfig, shape: tuple[int, ...], rows: int = 6) -> tuple[System, Players, Batch]:
    """The system over samples of this shape, its first players, and a batch of so many rows times its pack."""
    system = make_system(config, shape)
    rng = np.random.default_rng(0)
    players = {name: initialise(net, rng, CPU) for name, net in system.networks.items()}
    rows *= system.pack
    real = torch.tensor(rng.uniform(-1, 1, (rows, *shape)), dtype=torch.float32)
    if system.start is not None:
        players = system.start(players, real, rng)
    latents = torch.tensor(rng.standard_normal((rows, system.latent_dim)), dtype=torch.float32)
    draws = {name: torch.tensor(numbers(rng, draw, (rows,))) for name, draw in system.draws.items()}
    labels = torch.arange(rows) % 10
    return system, players, Batch(real, latents, labels, draws, torch.tensor(0.5))


def reached(system: System, players: Players, batch: Batch, move: str) -> set[str]:
    """The players whose trees get a gradient other than zero when this move's loss is differentiated."""
    for tree in players.values():
        for tensor in tree.values():
            tensor.grad = None
    system.moves[move].loss(players, batch).backward()
    return {
        name
        for name, tree in players.items()
        if any(t.grad is not None and float(t.grad.abs().sum()) > 0 for t in tree.values())
    }
