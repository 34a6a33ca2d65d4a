"""Several discriminators that move together, each with samples of its own: stacks, levels of a pyramid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from pipeline.networks.parameters import Tree
from pipeline.objectives import Draw
from pipeline.systems.adversary import Adversary
from pipeline.systems.system import Batch, Players


class Adversaries:
    """Sums over adversaries. Since no two share a tree, each player still steps down its own loss alone.

    real, generated: for each adversary in turn its samples (b, *its sample_shape).
    """

    def __init__(self, members: Sequence[Adversary]) -> None:
        self.members = members
        self.players = tuple(member.player for member in members)
        # Each has its own random numbers: they differ in shape, and shared ones would couple the games.
        self.draws: dict[str, Draw] = {
            f"{member.player}/{name}": draw for member in members for name, draw in member.draws.items()
        }

    def discriminator_loss(
        self, players: Players, real: Sequence[Tensor], generated: Sequence[Tensor], batch: Batch
    ) -> Tensor:
        """The sum of their losses; `generated` must carry no gradient."""
        return _sum(
            member.discriminator_loss(players, (x,), (y,), _drawn_for(member, batch))
            for member, x, y in zip(self.members, real, generated, strict=True)
        )

    def generator_loss(
        self, players: Players, real: Sequence[Tensor], generated: Sequence[Tensor], batch: Batch
    ) -> Tensor:
        """The sum of the losses of whoever made each kind of sample."""
        return _sum(
            member.generator_loss(players, (x,), (y,), _drawn_for(member, batch))
            for member, x, y in zip(self.members, real, generated, strict=True)
        )

    def gap(self, players: Players, real: Sequence[Tensor], generated: Sequence[Tensor]) -> Tensor:
        """The sum of their distinguishing gaps."""
        return _sum(
            member.gap(players, (x,), (y,))
            for member, x, y in zip(self.members, real, generated, strict=True)
        )

    def turns(self, step: int) -> list[str]:
        """As many moves `discriminator` as trial or objective prescribe, then `generator`."""
        first = self.members[0]
        return ["discriminator" if name == first.player else name for name in first.turns(step)]

    @property
    def after(self) -> Mapping[str, Callable[[Tree], None]]:
        """What is done to each discriminator's tree after each of its steps."""
        return {player: change for member in self.members for player, change in member.after.items()}


def _drawn_for(member: Adversary, batch: Batch) -> Batch:
    return batch._replace(draws={name: batch.draws[f"{member.player}/{name}"] for name in member.draws})


def _sum(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()
