"""What is recorded of training: measures at evenly spaced ticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.networks.parameters import Tree
from pipeline.options import TrainingOptions
from pipeline.systems import Batch, Players, System


class Point(NamedTuple):
    """One value of a curve."""

    step: int
    metric: str
    value: float


def ticks(options: TrainingOptions) -> set[int]:
    """The steps, from 1, after which something is recorded; the last is among them."""
    return {round((k + 1) * options.steps / options.ticks) for k in range(options.ticks)}


@torch.no_grad()
def watch(
    game: System, players: Players, watched: Mapping[str, Batch], progress: Tensor
) -> dict[str, Tensor]:
    """What the system watches, on training samples and on samples never trained on: of a distinguishing gap
    the difference is what the discriminator memorised.
    """
    return {
        f"{name}_{where}": measure(players, batch._replace(progress=progress))
        for name, measure in game.watch.items()
        for where, batch in watched.items()
    }


def gradient_norms(gradients: Mapping[str, Tree]) -> dict[str, Tensor]:
    """Euclidean norms of each player's last gradient."""
    return {
        f"{player}_gradient_norm": torch.cat([gradient.flatten() for gradient in tree.values()]).norm()
        for player, tree in gradients.items()
    }


def broken(points: Sequence[Point], steps: int) -> str | None:
    """Why a trial has diverged, where a value of its last tick is not finite."""
    for point in points:
        if not np.isfinite(point.value):
            return f"{point.metric} is not finite at step {point.step} of {steps}"
    return None
