"""The games: players, their losses, how to sample, as pure functions over parameter trees."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.systems.bigan import ali, bigan
from pipeline.systems.dae import dae
from pipeline.systems.ensemble import ensemble
from pipeline.systems.feature_matching import feature_matching
from pipeline.systems.flow import flow
from pipeline.systems.gan import gan
from pipeline.systems.gaussian_mixture import gaussian_mixture
from pipeline.systems.infogan import infogan
from pipeline.systems.kde import kde
from pipeline.systems.lapgan import lapgan
from pipeline.systems.minibatch_discrimination import minibatch_discrimination
from pipeline.systems.mix import mix
from pipeline.systems.pacgan import pacgan
from pipeline.systems.srgan import srgan
from pipeline.systems.stacked import stacked
from pipeline.systems.system import Batch, Loss, Move, Players, System
from pipeline.systems.training_set import training_set
from pipeline.systems.unrolled import unrolled
from pipeline.systems.vae import vae
from pipeline.systems.veegan import veegan
from pipeline.trial import TrialConfig

SYSTEMS: dict[str, Callable[[TrialConfig, tuple[int, ...]], System]] = {
    "gan": gan,
    "feature_matching": feature_matching,
    "minibatch_discrimination": minibatch_discrimination,
    "pacgan": pacgan,
    "unrolled": unrolled,
    "mix": mix,
    "ensemble": ensemble,
    "bigan": bigan,
    "ali": ali,
    "veegan": veegan,
    "stacked": stacked,
    "lapgan": lapgan,
    "infogan": infogan,
    "srgan": srgan,
    "vae": vae,
    "flow": flow,
    "dae": dae,
    "kde": kde,
    "gaussian_mixture": gaussian_mixture,
    "training_set": training_set,
}


def make_system(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """The trial's game over samples of this shape. Raises ValueError where its networks cannot play it."""
    return SYSTEMS[trial.system.name](trial, sample_shape)


__all__ = ["SYSTEMS", "Batch", "Loss", "Move", "Players", "System", "make_system"]
