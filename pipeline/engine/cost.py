"""What a study will cost, predicted from the arithmetic of one training step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.systems import Players, make_system
from pipeline.trial import TrialConfig

# Seconds of one update of a player beyond its arithmetic, and the arithmetic that small convolutions reach,
# fitted to DCGANs on 8x8 to 28x28 images on one core of a 2.6 GHz Xeon (AVX-512). Good for a factor of two on
# other CPU cores.
SECONDS_PER_UPDATE = 2.2e-3
FLOPS_PER_SECOND = 5.5e10


def flops_per_step(trial: TrialConfig, sample_shape: tuple[int, ...]) -> float:
    """Floating-point operations of one training step, from forward passes counted on tensors without memory.

    A backward pass costs about two forward ones; a gradient penalty about six of the discriminator's.
    """
    game = make_system(trial, sample_shape)
    size = trial.training.batch_size
    players: Players = {p: dict(network.named_parameters()) for p, network in game.networks.items()}
    with torch.no_grad(), torch.device("meta"):
        generator = _flops(lambda: game.generate(players, torch.empty(size, game.latent_dim)))
        discriminator = _flops(lambda: game.score(players, torch.empty(size, *sample_shape)))
    penalty = 6 * discriminator if trial.objective.name == "wgan_gp" else 0
    update = generator + 2 * 3 * discriminator + penalty
    return trial.training.discriminator_steps * update + 3 * (generator + discriminator)


def _flops(forward: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        forward()
    return float(counter.get_total_flops())


def predicted_seconds(trial: TrialConfig, sample_shape: tuple[int, ...]) -> float:
    """Training time of a trial on one CPU core."""
    # The gradient penalty differentiates twice, which doubles the discriminator's calls.
    calls = 2 if trial.objective.name == "wgan_gp" else 1
    updates = trial.training.discriminator_steps * calls + 1
    step = updates * SECONDS_PER_UPDATE + flops_per_step(trial, sample_shape) / FLOPS_PER_SECOND
    return trial.training.steps * step
