"""What is recorded of training: measures at evenly spaced ticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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


def columns(curve: Sequence[Point]) -> dict[str, Any]:
    """A curve as names and tensors, for checkpoints."""
    names = list(dict.fromkeys(point.metric for point in curve))
    places = {name: k for k, name in enumerate(names)}
    return {
        "names": names,
        "step": torch.tensor([point.step for point in curve], dtype=torch.int64),
        "name": torch.tensor([places[point.metric] for point in curve], dtype=torch.int64),
        "value": torch.tensor([point.value for point in curve], dtype=torch.float64),
    }


def points(columns: dict[str, Any]) -> list[Point]:
    """The inverse of `columns`."""
    steps, names, values = (columns[key].tolist() for key in ("step", "name", "value"))
    return [
        Point(step, columns["names"][name], value)
        for step, name, value in zip(steps, names, values, strict=True)
    ]


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
