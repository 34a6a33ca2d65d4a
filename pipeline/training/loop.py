"""The training loop: readable, and the specification that any faster one must equal."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.networks import parameters
from pipeline.networks.parameters import Tree, trained
from pipeline.options import TrainingOptions
from pipeline.seeds import stream
from pipeline.systems import Batch, Players, System, make_system
from pipeline.training.feed import batches, numbers, to_network
from pipeline.training.numerics import owned
from pipeline.trial import TrialConfig

# Samples on which a system's measures are watched at every tick, the same ones throughout.
WATCHED = 256


class Trained(NamedTuple):
    """players: trees on the device, generators averaged where the trial asks for it. curves: (step, metric,
    value). status: `completed` or `diverged`.
    """

    system: System
    players: Players
    curves: list[tuple[int, str, float]]
    status: str
    error: str | None
    steps_done: int
    images_per_second: float  # real samples shown to anyone but the generator


def train(
    trial: TrialConfig,
    real: np.ndarray,
    held_out: np.ndarray,
    device: torch.device,
    labels: np.ndarray | None = None,
) -> Trained:
    """Train one trial on its subset `real`; `held_out` is only looked at.

    Both are uint8 (n, c, h, w) images or float32 (n, d) points; labels: (n,) classes of `real`, if it has
    any. Losses, gradient norms and what the system watches are recorded at evenly spaced ticks; what is not
    finite at a tick ends the trial as `diverged`. A system without moves is what it is from the start.
    Raises ValueError where the networks cannot take these samples.
    """
    game = make_system(trial, real.shape[1:])
    options = trial.training
    data = owned(real, device)
    classes = owned(np.full(len(real), -1) if labels is None else labels, device)
    players = _first_players(game, trial, data, device)
    optimizers = {
        name: _optimizer(name, trained(tree), options) for name, tree in players.items() if trained(tree)
    }
    averages = _Averages(game, players, options.ema)
    feed = batches(data, classes, options.batch_size * game.pack, game.latent_dim, game.draws, trial.id)
    watched = _watched(game, data, owned(held_out, device), trial)
    progress = torch.arange(options.steps, dtype=torch.float32, device=device) / options.steps

    def update(name: str, step: int) -> Tensor:
        players_moved, loss_of = game.moves[name]
        loss = loss_of(players, next(feed)._replace(progress=progress[step - 1]))
        moved = [tensor for player in players_moved for tensor in trained(players[player])]
        for parameter, gradient in zip(moved, torch.autograd.grad(loss, moved), strict=True):
            parameter.grad = gradient
        with torch.no_grad():
            for player in players_moved:
                if player in game.rules:
                    game.rules[player](players[player])
                else:
                    optimizers[player].step()
                if player in game.after:
                    game.after[player](players[player])
        return loss.detach()

    curves: list[tuple[int, str, float]] = []
    status, error, step, shown = "completed", None, 0, 0
    ticks = {round((k + 1) * options.steps / options.ticks) for k in range(options.ticks)}
    losses: dict[str, Tensor] = {}
    start = time.perf_counter()
    for step in range(1, options.steps + 1) if game.moves else ():
        for name in game.turns(step):
            losses[f"{name}_loss"] = update(name, step)
            shown += options.batch_size * game.pack * (name not in game.generators)
        averages.follow(players)
        if step not in ticks:
            continue
        metrics = losses | _gradient_norms(players) | _watch(game, players, watched, progress[step - 1])
        values = torch.stack(list(metrics.values())).tolist()
        curves += [(step, name, value) for name, value in zip(metrics, values, strict=True)]
        broken = [name for name, value in zip(metrics, values, strict=True) if not np.isfinite(value)]
        if broken:
            status, error = "diverged", f"{broken[0]} is not finite at step {step} of {options.steps}"
            break
    seconds = time.perf_counter() - start
    return Trained(game, players | averages.trees, curves, status, error, step, shown / seconds)


def _first_players(game: System, trial: TrialConfig, data: Tensor, device: torch.device) -> Players:
    players = {
        name: parameters.initialise(network, stream(trial.id, f"initialise/{name}"), device)
        for name, network in game.networks.items()
    }
    if game.start is None:
        return players
    return game.start(players, to_network(data), stream(trial.id, "start"))


def _optimizer(player: str, tensors: list[Tensor], o: TrainingOptions) -> torch.optim.Optimizer:
    rate = o.discriminator_lr if player.startswith("discriminator") else o.generator_lr
    if o.optimizer == "rmsprop":
        return torch.optim.RMSprop(tensors, lr=rate)
    # Fused: one call for all tensors, the same arithmetic.
    return torch.optim.Adam(tensors, lr=rate, betas=(o.betas[0], o.betas[1]), fused=True)


class _Averages:
    """Exponential moving averages of the generators' trees over steps, with the usual warm-up of the decay,
    min(decay, (1 + t) / (10 + t)), without which the first steps would weigh for ever.
    """

    def __init__(self, game: System, players: Players, decay: float | None) -> None:
        self.decay, self.steps = decay, 0
        names = game.generators if decay is not None else ()
        self.trees: Players = {
            name: {key: tensor.detach().clone() for key, tensor in players[name].items()} for name in names
        }

    @torch.no_grad()
    def follow(self, players: Players) -> None:
        if self.decay is None:
            return
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, tree in self.trees.items():
            torch._foreach_lerp_(list(tree.values()), list(players[name].values()), 1 - decay)


def _watched(game: System, train: Tensor, held_out: Tensor, trial: TrialConfig) -> dict[str, Batch]:
    """A batch of training samples and one of samples never trained on, with the same latents and draws."""
    rows = min(WATCHED, len(train), len(held_out)) // game.pack * game.pack
    latents = stream(trial.id, "gap_latents").standard_normal((rows, game.latent_dim), np.float32)
    draws = {
        name: owned(numbers(stream(trial.id, f"gap_draws/{name}"), draw, (rows,)), train.device)
        for name, draw in game.draws.items()
    }
    return {
        where: Batch(
            to_network(samples[:rows]),
            owned(latents, train.device),
            torch.full((rows,), -1, device=train.device),
            draws,
            torch.zeros((), device=train.device),
        )
        for where, samples in (("train", train), ("held_out", held_out))
    }


@torch.no_grad()
def _watch(game: System, players: Players, watched: dict[str, Batch], progress: Tensor) -> dict[str, Tensor]:
    """What the system watches, on training samples and on samples never trained on: of a distinguishing gap
    the difference is what the discriminator memorised.
    """
    return {
        f"{name}_{where}": measure(players, batch._replace(progress=progress))
        for name, measure in game.watch.items()
        for where, batch in watched.items()
    }


def _gradient_norms(players: Players) -> dict[str, Tensor]:
    def norm(tree: Tree) -> Tensor:
        return torch.cat([p.grad.flatten() for p in tree.values() if p.grad is not None]).norm()

    return {
        f"{name}_gradient_norm": norm(tree)
        for name, tree in players.items()
        if any(p.grad is not None for p in tree.values())
    }
