"""The games: players, their losses, how to sample, as pure functions over parameter trees."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.systems.gan import gan
from pipeline.systems.system import Batch, Loss, Move, Players, System
from pipeline.trial import TrialConfig

SYSTEMS: dict[str, Callable[[TrialConfig, tuple[int, ...]], System]] = {
    "gan": gan,
}


def make_system(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """The trial's game over samples of this shape. Raises ValueError where its networks cannot play it."""
    return SYSTEMS[trial.system.name](trial, sample_shape)


__all__ = ["SYSTEMS", "Batch", "Loss", "Move", "Players", "System", "make_system"]
