"""What the players optimise: pure functions of logits or critic values, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.objectives.adversarial import hinge, lsgan, minimax, nonsaturating, relativistic_average
from pipeline.objectives.measuring import measuring_function
from pipeline.objectives.objective import Draw, Inputs, Objective, Penalty
from pipeline.objectives.penalties import of_regularizers
from pipeline.objectives.wasserstein import wgan_clip, wgan_gp
from pipeline.options import ObjectiveOptions

OBJECTIVES: dict[str, Callable[[Any], Objective]] = {
    "minimax": minimax,
    "nonsaturating": nonsaturating,
    "measuring_function": measuring_function,
    "lsgan": lsgan,
    "relativistic_average": relativistic_average,
    "wgan_clip": wgan_clip,
    "wgan_gp": wgan_gp,
    "hinge": hinge,
}


def objective(options: ObjectiveOptions | None) -> Objective:
    """The objective that the options name; a system that asks has one."""
    assert options is not None
    return OBJECTIVES[options.name](options)


__all__ = ["OBJECTIVES", "Draw", "Inputs", "Objective", "Penalty", "objective", "of_regularizers"]
