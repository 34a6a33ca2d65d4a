"""The training loop: readable, and the specification that every other back end must equal."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.networks.parameters import Tree, laid_out_like, trained
from pipeline.options import TrainingOptions
from pipeline.systems import Batch, Players, System, make_system
from pipeline.training.averages import Averages
from pipeline.training.curves import Point, broken, gradient_norms, ticks, watch
from pipeline.training.feed import Reader, Shelf, batches
from pipeline.training.numerics import lowered, owned
from pipeline.training.start import WATCHED, first_players, watched_batches
from pipeline.trial import TrialConfig


class Trained(NamedTuple):
    """players: trees on the device, generators averaged where the trial asks for it. status: `completed` or
    `diverged`. seconds: of training, where a cohort shares them a trial's part. shown: real samples shown to
    anyone but the generator. back_end: what trained it. cohort: how many trials were trained together.
    """

    system: System
    players: Players
    curves: list[Point]
    status: str
    error: str | None
    steps_done: int
    seconds: float
    shown: int
    back_end: str = "reference"
    cohort: int = 1

    @property
    def images_per_second(self) -> float:
        """Of `shown`."""
        return self.shown / self.seconds


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
    shelf = Shelf(owned(real, device), owned(np.full(len(real), -1) if labels is None else labels, device))
    players = first_players(game, trial.id, shelf.samples)
    optimizers = {
        name: _optimizer(name, trained(tree), options) for name, tree in players.items() if trained(tree)
    }
    averages = Averages(players, game.generators, options.ema)
    feed = batches(shelf, [Reader(trial.id, np.arange(len(real)))], game, options.batch_size)
    watched = watched_batches(game, trial.id, shelf.samples, owned(held_out[:WATCHED], device))
    progress = torch.arange(options.steps, dtype=torch.float32, device=device) / options.steps
    gradients: dict[str, Tree] = {}

    def update(name: str, step: int) -> Tensor:
        move, batch = game.moves[name], _only(next(feed))._replace(progress=progress[step - 1])
        with lowered(options.precision, device):
            loss = move.loss(players, batch)
        moved = {
            (player, key): tensor
            for player in move.players
            for key, tensor in players[player].items()
            if tensor.requires_grad
        }
        for (player, key), gradient in zip(
            moved, torch.autograd.grad(loss, list(moved.values())), strict=True
        ):
            gradients.setdefault(player, {})[key] = laid_out_like(gradient, players[player][key])
        with torch.no_grad():
            for player in move.players:
                if player in game.rules:
                    game.rules[player](players[player], gradients[player])
                else:
                    for key, gradient in gradients[player].items():
                        players[player][key].grad = gradient
                    optimizers[player].step()
                if player in game.after:
                    game.after[player](players[player])
        return loss.detach()

    curves: list[Point] = []
    status, error, step, shown = "completed", None, 0, 0
    recorded = ticks(options)
    losses: dict[str, Tensor] = {}
    start = time.perf_counter()
    for step in range(1, options.steps + 1) if game.moves else ():
        for name in game.turns(step):
            losses[f"{name}_loss"] = update(name, step)
            shown += options.batch_size * game.pack * (name not in game.generators)
        averages.follow(players)
        if step not in recorded:
            continue
        metrics = losses | gradient_norms(gradients) | watch(game, players, watched, progress[step - 1])
        values = torch.stack(list(metrics.values())).tolist()
        points = [Point(step, name, value) for name, value in zip(metrics, values, strict=True)]
        curves += points
        error = broken(points, options.steps)
        if error:
            status = "diverged"
            break
    seconds = time.perf_counter() - start
    return Trained(game, players | averages.trees, curves, status, error, step, seconds, shown)


def _only(batch: Batch) -> Batch:
    """The batch of the only reader."""
    real, latents, labels, draws, progress = batch
    return Batch(real[0], latents[0], labels[0], {name: draw[0] for name, draw in draws.items()}, progress)


def _optimizer(player: str, tensors: list[Tensor], o: TrainingOptions) -> torch.optim.Optimizer:
    rate = learning_rate(player, o)
    if o.optimizer == "rmsprop":
        return torch.optim.RMSprop(tensors, lr=rate)
    # Fused: one call for all tensors, the same arithmetic.
    return torch.optim.Adam(tensors, lr=rate, betas=(o.betas[0], o.betas[1]), fused=True)


def learning_rate(player: str, o: TrainingOptions) -> float:
    """Of a player, by the side that it is on."""
    return o.discriminator_lr if player.startswith("discriminator") else o.generator_lr
