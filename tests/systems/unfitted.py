"""Generators that no gradient trains, begun on a data set and sampled."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.datasets import load
from pipeline.divergences.modes import ModeCoverage, coverage
from pipeline.options import GaussianRing
from pipeline.seeds import stream
from pipeline.systems import Players, System, make_system
from pipeline.training import exact_float32, sample
from pipeline.training.feed import to_network
from pipeline.trial import TrialConfig


def begun(config: TrialConfig, real: np.ndarray) -> tuple[System, Players]:
    """The system, and its players as they are from the start."""
    system = make_system(config, real.shape[1:])
    assert system.start is not None
    with exact_float32(1):
        return system, system.start({}, to_network(torch.tensor(real)), stream(config.id, "start"))


def ring_of(config: TrialConfig) -> ModeCoverage:
    """Modes of 2,500 samples, begun on the ring (radius 1, sd 0.01); high quality is within 3 sd."""
    data = load(GaussianRing(name="gaussian_ring"), None)
    system, players = begun(config, data.train[data.subset(config.train_samples, config.seed)])
    assert data.modes is not None
    return coverage(sample(system, players, 2500, config.id), data.modes, 0.03)
