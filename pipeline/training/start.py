"""What a trial begins with: its players, and the batches on which its measures are watched."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.networks import parameters
from pipeline.seeds import stream
from pipeline.systems import Batch, Players, System
from pipeline.training.feed import numbers, to_network
from pipeline.training.numerics import owned

# Samples on which a system's measures are watched at every tick, the same ones throughout.
WATCHED = 256


def first_players(game: System, trial_id: str, real: Tensor) -> Players:
    """Trees on the device of `real`, the trial's training samples (n, *sample_shape)."""
    players = {
        name: parameters.initialise(network, stream(trial_id, f"initialise/{name}"), real.device)
        for name, network in game.networks.items()
    }
    if game.start is None:
        return players
    return game.start(players, to_network(real), stream(trial_id, "start"))


def watched_batches(game: System, trial_id: str, real: Tensor, held_out: Tensor) -> dict[str, Batch]:
    """A batch of training samples and one of samples never trained on, with the same latents and draws; all
    of it on the device of `real`.
    """
    rows = min(WATCHED, len(real), len(held_out)) // game.pack * game.pack
    latents = stream(trial_id, "gap_latents").standard_normal((rows, game.latent_dim), np.float32)
    draws = {
        name: owned(numbers(stream(trial_id, f"gap_draws/{name}"), draw, (rows,)), real.device)
        for name, draw in game.draws.items()
    }
    return {
        where: Batch(
            to_network(samples[:rows]),
            owned(latents, real.device),
            torch.full((rows,), -1, device=real.device),
            draws,
            torch.zeros((), device=real.device),
        )
        for where, samples in (("train", real), ("held_out", held_out))
    }
