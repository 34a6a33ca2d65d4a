"""A few steps of training, twice."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.training import exact_float32, train
from pipeline.trial import TrialConfig
from tests.systems.games import CPU

# Images and points.
SHAPES = [(1, 8, 8), (2,)]


def train_alike(config: TrialConfig, shape: tuple[int, ...], steps: int = 3) -> None:
    """Two trainings of a few steps on random samples complete, end in the same numbers, and move all players."""
    training = config.training.model_copy(update={"steps": steps, "batch_size": 4, "ticks": 1})
    config = config.model_copy(update={"training": training})
    rng = np.random.default_rng(0)
    real = rng.normal(size=(20, *shape)).astype(np.float32)
    if len(shape) == 3:
        real = rng.integers(0, 256, (20, *shape)).astype(np.uint8)
    with exact_float32(1):
        runs = [train(config, real, real[:10], CPU) for _ in range(2)]
    assert [run.status for run in runs] == ["completed"] * 2
    assert runs[0].curves == runs[1].curves
    for player, tree in runs[0].players.items():
        assert all(torch.equal(tree[name], tensor) for name, tensor in runs[1].players[player].items())
    metrics = {metric: value for _, metric, value in runs[0].curves}
    assert all(metrics[f"{player}_gradient_norm"] > 0 for player in runs[0].players)
