"""The training loop: readable, and the specification that any faster one must equal."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.networks import parameters
from pipeline.networks.parameters import Tree
from pipeline.options import TrainingOptions
from pipeline.seeds import stream
from pipeline.systems import Players, System, make_system
from pipeline.training.feed import batches, to_network
from pipeline.training.numerics import owned
from pipeline.trial import TrialConfig

# Samples on which the distinguishing gap is evaluated at every tick, the same ones throughout.
GAP_SAMPLES = 256


class Trained(NamedTuple):
    """players: trees on the device. curves: (step, metric, value). status: `completed` or `diverged`."""

    system: System
    players: Players
    curves: list[tuple[int, str, float]]
    status: str
    error: str | None
    steps_done: int
    images_per_second: float  # real images shown to the discriminator


def train(trial: TrialConfig, real: np.ndarray, held_out: np.ndarray, device: torch.device) -> Trained:
    """Train one trial on its subset `real`; `held_out` is only looked at.

    Both are uint8 (n, c, h, w) images or float32 (n, d) points. Losses, gradient norms and the distinguishing
    gap are recorded at evenly spaced ticks; a loss or parameter that is not finite at a tick ends the trial
    as `diverged`. Raises ValueError where the networks cannot take these samples.
    """
    game = make_system(trial, real.shape[1:])
    options = trial.training
    players = {
        name: parameters.initialise(network, stream(trial.id, f"initialise/{name}"), device)
        for name, network in game.networks.items()
    }
    optimizers = {name: _optimizer(name, list(tree.values()), options) for name, tree in players.items()}
    data = owned(real, device)
    feed = batches(data, options.batch_size, game.latent_dim, trial.id)
    gaps = _gap_samples(data, owned(held_out, device), game, trial)

    def update(player: str) -> Tensor:
        tree = players[player]
        loss = game.losses[player](players, next(feed))
        for parameter, gradient in zip(
            tree.values(), torch.autograd.grad(loss, list(tree.values())), strict=True
        ):
            parameter.grad = gradient
        optimizers[player].step()
        if player in game.clips:
            with torch.no_grad():
                for parameter in tree.values():
                    parameter.clamp_(-game.clips[player], game.clips[player])
        return loss.detach()

    curves: list[tuple[int, str, float]] = []
    status, error, step = "completed", None, 0
    ticks = {round((k + 1) * options.steps / options.ticks) for k in range(options.ticks)}
    start = time.perf_counter()
    for step in range(1, options.steps + 1):
        for _ in range(options.discriminator_steps):
            discriminator_loss = update("discriminator")
        generator_loss = update("generator")
        if step not in ticks:
            continue
        metrics = {"discriminator_loss": discriminator_loss, "generator_loss": generator_loss}
        metrics |= {f"{name}_gradient_norm": _gradient_norm(tree) for name, tree in players.items()}
        metrics |= _distinguishing_gaps(game, players, gaps)
        values = torch.stack(list(metrics.values())).tolist()
        curves += [(step, name, value) for name, value in zip(metrics, values, strict=True)]
        broken = [name for name, value in zip(metrics, values, strict=True) if not np.isfinite(value)]
        if broken:
            status, error = "diverged", f"{broken[0]} is not finite at step {step} of {options.steps}"
            break
    seconds = time.perf_counter() - start
    shown = step * options.discriminator_steps * options.batch_size
    return Trained(game, players, curves, status, error, step, shown / seconds)


def _optimizer(player: str, tensors: list[Tensor], o: TrainingOptions) -> torch.optim.Optimizer:
    rate = o.generator_lr if player == "generator" else o.discriminator_lr
    if o.optimizer == "rmsprop":
        return torch.optim.RMSprop(tensors, lr=rate)
    # Fused: one call for all tensors, the same arithmetic.
    return torch.optim.Adam(tensors, lr=rate, betas=(o.betas[0], o.betas[1]), fused=True)


class _GapSamples(NamedTuple):
    train: Tensor
    held_out: Tensor
    latents: Tensor


def _gap_samples(train: Tensor, held_out: Tensor, game: System, trial: TrialConfig) -> _GapSamples:
    latents = stream(trial.id, "gap_latents").standard_normal((GAP_SAMPLES, game.latent_dim), np.float32)
    return _GapSamples(
        to_network(train[:GAP_SAMPLES]),
        to_network(held_out[:GAP_SAMPLES]),
        owned(latents, train.device),
    )


@torch.no_grad()
def _distinguishing_gaps(game: System, players: Players, samples: _GapSamples) -> dict[str, Tensor]:
    """Mean measure on real minus mean on generated samples (Arora et al. 2017, definition 2), on training
    images and on images never trained on: their difference is what the discriminator memorised.
    """
    generated = game.score(players, game.generate(players, samples.latents)).mean()
    return {
        "gap_train": game.score(players, samples.train).mean() - generated,
        "gap_held_out": game.score(players, samples.held_out).mean() - generated,
    }


def _gradient_norm(tree: Tree) -> Tensor:
    gradients = [p.grad.flatten() for p in tree.values() if p.grad is not None]
    return torch.cat(gradients).norm()
