"""The training loop: readable, and the specification that every other back end must equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.networks.parameters import Tree, laid_out_like, trained
from pipeline.options import TrainingOptions
from pipeline.systems import Batch, make_system
from pipeline.training.averages import Averages
from pipeline.training.checkpoint import Keeper, pour
from pipeline.training.courses import Courses, Trained
from pipeline.training.curves import Point, broken, columns, gradient_norms, points, ticks, watch
from pipeline.training.feed import Feed, Reader, Shelf
from pipeline.training.numerics import lowered, owned
from pipeline.training.start import WATCHED, first_players, watched_batches
from pipeline.trial import TrialConfig


def train(
    trial: TrialConfig,
    real: np.ndarray,
    held_out: np.ndarray,
    device: torch.device,
    labels: np.ndarray | None = None,
    keeper: Keeper | None = None,
) -> Trained:
    """Train one trial on its subset `real`; `held_out` is only looked at.

    Both are uint8 (n, c, h, w) images or float32 (n, d) points; labels: (n,) classes of `real`, if it has
    any. Losses, gradient norms and what the system watches are recorded at evenly spaced ticks; what is not
    finite at a tick ends the trial as `diverged`. A system without moves is what it is from the start.
    keeper: what it holds of this training is gone on from, to the same end bit for bit. Raises ValueError
    where the networks cannot take these samples, and whatever the keeper raises.
    """
    loop = Loop(trial, real, held_out, device, labels)
    return Courses([lambda: loop], loop.game, [trial], "reference", device, keeper).run()[0]


class Loop:
    """The training of one trial, from first to last step."""

    def __init__(
        self,
        trial: TrialConfig,
        real: np.ndarray,
        held_out: np.ndarray,
        device: torch.device,
        labels: np.ndarray | None,
    ) -> None:
        self.game, self.options, self.device = make_system(trial, real.shape[1:]), trial.training, device
        classes = np.full(len(real), -1) if labels is None else labels
        shelf = Shelf(owned(real, device), owned(classes, device))
        self.players = first_players(self.game, trial.id, shelf.samples)
        self.optimizers = {
            name: _optimizer(name, trained(tree), self.options)
            for name, tree in self.players.items()
            if trained(tree)
        }
        self.averages = Averages(self.players, self.game.generators, self.options.ema)
        reader = Reader(trial.id, np.arange(len(real)))
        self.feed = Feed(shelf, [reader], self.game, self.options.batch_size)
        self.watched = watched_batches(self.game, trial.id, shelf.samples, owned(held_out[:WATCHED], device))
        self.step, self.shown = 0, 0
        self.losses: dict[str, Tensor] = {}
        self.gradients: dict[str, Tree] = {}
        self.curve: list[Point] = []
        self.error: str | None = None

    def steps(self) -> Iterator[int]:
        """Train, from where it stands; yields after every step."""
        game, options = self.game, self.options
        progress = torch.arange(options.steps, dtype=torch.float32, device=self.device) / options.steps
        recorded = ticks(options)
        for step in range(self.step + 1, options.steps + 1) if game.moves else ():
            for name in game.turns(step):
                self.losses[f"{name}_loss"] = self._update(name, progress[step - 1])
                self.shown += options.batch_size * game.pack * (name not in game.generators)
            self.averages.follow(self.players)
            self.step = step
            if step in recorded:
                self._record(progress[step - 1])
                if self.error:
                    return
            yield step

    def _update(self, name: str, progress: Tensor) -> Tensor:
        game, players, gradients = self.game, self.players, self.gradients
        move, batch = game.moves[name], _only(next(self.feed))._replace(progress=progress)
        with lowered(self.options.precision, self.device):
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
                    self.optimizers[player].step()
                if player in game.after:
                    game.after[player](players[player])
        return loss.detach()

    def _record(self, progress: Tensor) -> None:
        measures = watch(self.game, self.players, self.watched, progress)
        metrics = self.losses | gradient_norms(self.gradients) | measures
        values = torch.stack(list(metrics.values())).tolist()
        points = [Point(self.step, name, value) for name, value in zip(metrics, values, strict=True)]
        self.curve += points
        self.error = broken(points, self.options.steps)

    def ends(self) -> list[Trained]:
        """The trial's own."""
        status = "diverged" if self.error else "completed"
        players = self.players | self.averages.trees
        return [Trained(self.game, players, self.curve, status, self.error, self.step, 0.0, self.shown)]

    def state(self) -> dict[str, Any]:
        """For a checkpoint, after any step."""
        return {
            "step": self.step,
            "shown": self.shown,
            "players": self.players,
            "optimizers": {
                name: {str(k): moments for k, moments in optimizer.state_dict()["state"].items()}
                for name, optimizer in self.optimizers.items()
            },
            "averages": self.averages.state(),
            "gradients": self.gradients,
            "losses": self.losses,
            "curve": columns(self.curve),
            "feed": self.feed.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises ValueError where it is of another trial."""
        self.step, self.shown = state["step"], state["shown"]
        pour(state["players"], self.players)
        for name, optimizer in self.optimizers.items():
            moments = {int(k): values for k, values in state["optimizers"][name].items()}
            optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
        self.averages.restore(state["averages"])
        self.gradients, self.losses = state["gradients"], state["losses"]
        self.curve = points(state["curve"])
        self.feed.restore(state["feed"])


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
