"""Exponential moving averages of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.systems import Players
from pipeline.training.checkpoint import pour


class Averages:
    """Averages of the generators' trees over steps, with the usual warm-up of the decay, min(decay, (1 + t) /
    (10 + t)), without which the first steps would weigh for ever. decay: None averages nothing.
    """

    def __init__(self, players: Players, generators: Sequence[str], decay: float | None) -> None:
        self.decay, self.steps = decay, 0
        self.trees: Players = {
            name: {key: tensor.detach().clone() for key, tensor in players[name].items()}
            for name in (generators if decay is not None else ())
        }

    @torch.no_grad()
    def follow(self, players: Players) -> None:
        """Take in the players after one more step."""
        if self.decay is None:
            return
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, tree in self.trees.items():
            torch._foreach_lerp_(list(tree.values()), list(players[name].values()), 1 - decay)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"steps": self.steps, "trees": self.trees}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there, in place."""
        self.steps = state["steps"]
        pour(state["trees"], self.trees)
