"""A game's updates as fixed sequences of tensor operations, for one trial or for many at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from pipeline.networks.parameters import Tree, laid_out_like
from pipeline.systems import Batch, Players, System
from pipeline.training.back_ends import BackEnd
from pipeline.training.kernels import Kernels
from pipeline.training.numerics import lowered

_EVERY = Batch(0, 0, 0, 0, None)  # type: ignore[arg-type]  # axes of members; they share `progress`


class _Update(NamedTuple):
    """A traced update, of tensors in a fixed order, and whose gradients it gives."""

    function: Callable[..., list[Tensor]]
    moved: list[tuple[str, str]]


class Program:
    """What a game computes, under a back end, with the operations of autograd written out once (`make_fx`):
    a step then costs neither the building of graphs nor calls through modules, and a second derivative is
    operations like any other, safe to compile.

    learned: player -> names of its trained tensors. Where the back end stacks, trees and batches have a
    leading axis of members throughout, and results too; losses are pure, so no member sees another.
    """

    def __init__(
        self, game: System, learned: Mapping[str, Sequence[str]], back_end: BackEnd, precision: str
    ) -> None:
        self.game, self.learned, self.back_end, self.precision = game, learned, back_end, precision
        self._updates: dict[tuple[str, torch.Size], _Update] = {}

    def gradients(self, move: str, players: Players, batch: Batch) -> tuple[Tensor, dict[str, Tree]]:
        """The loss, () or (members,), of the move, and its gradient for each player moved."""
        tensors = _tensors(players, batch)
        key = move, batch.latents.shape
        if key not in self._updates:
            self._updates[key] = self._trace(move, players, batch, tensors)
        function, moved = self._updates[key]
        loss, *slopes = function(*tensors)
        gradients: dict[str, Tree] = {}
        for (player, name), slope in zip(moved, slopes, strict=True):
            gradients.setdefault(player, {})[name] = slope
        return loss, gradients

    @torch.no_grad()
    def watch(self, players: Players, watched: Mapping[str, Batch], progress: Tensor) -> dict[str, Tensor]:
        """As in the reference, of each member."""

        found = {}
        with self._policy(progress.device):
            for name, measure in self.game.watch.items():
                of_each = self._each(measure, (0, _EVERY))
                for where, batch in watched.items():
                    found[f"{name}_{where}"] = of_each(players, batch._replace(progress=progress))
        return found

    def after(self, player: str, tree: Tree) -> None:
        """What the game does to the player's tree after its step, in place."""

        def change(tree: Tree) -> Tree:
            self.game.after[player](tree)
            return tree

        self._each(change)(tree)

    def follow(self, player: str, tree: Tree, gradients: Tree) -> None:
        """The player's own rule, in place."""

        def change(tree: Tree, gradients: Tree) -> Tree:
            self.game.rules[player](tree, gradients)
            return tree

        self._each(change)(tree, gradients)

    def _each(self, function: Callable[..., Any], axes: Any = 0) -> Callable[..., Any]:
        return torch.vmap(function, axes) if self.back_end.stacked else function

    @contextlib.contextmanager
    def _policy(self, device: torch.device) -> Any:
        back_end = self.back_end
        kernels = Kernels(stacked=back_end.stacked, unfolded=back_end.unfolded)
        with lowered(self.precision, device), kernels:
            yield

    def _trace(self, move: str, players: Players, batch: Batch, tensors: list[Tensor]) -> _Update:
        named, loss_of = self.game.moves[move]
        moved = [(player, name) for player in named for name in self.learned[player]]

        def update(*tensors: Tensor) -> list[Tensor]:
            some, given = _named(players, batch, tensors)
            for player, name in moved:
                some[player][name] = some[player][name].detach().requires_grad_()
            with self._policy(tensors[0].device):
                loss = self._each(loss_of, (0, _EVERY))(some, given)
            leaves = [some[player][name] for player, name in moved]
            slopes = torch.autograd.grad(loss.sum(), leaves)
            return [loss.detach(), *map(laid_out_like, slopes, leaves)]

        function: Any = make_fx(update)(*tensors)
        if self.back_end.compiled:
            function = torch.compile(function, dynamic=False, fullgraph=True)
        return _Update(function, moved)


def _tensors(players: Players, batch: Batch) -> list[Tensor]:
    """All tensors in a fixed order."""
    trees = [tensor for tree in players.values() for tensor in tree.values()]
    return [*trees, batch.real, batch.latents, batch.labels, *batch.draws.values(), batch.progress]


def _named(players: Players, batch: Batch, tensors: Sequence[Tensor]) -> tuple[Players, Batch]:
    """The inverse of `_tensors`, with the names of these players and this batch."""
    waiting = iter(tensors)
    trees = {player: {name: next(waiting) for name in tree} for player, tree in players.items()}
    real, latents, labels = (next(waiting) for _ in range(3))
    draws = {name: next(waiting) for name in batch.draws}
    return trees, Batch(real, latents, labels, draws, next(waiting))
