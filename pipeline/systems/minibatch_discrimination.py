"""Minibatch discrimination (Salimans et al. 2016, section 3.2): the discriminator sees if a batch varies."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pipeline import options
from pipeline.networks.minibatch import with_minibatch_layer
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.gan import against
from pipeline.systems.system import Batch, Players, System
from pipeline.trial import TrialConfig


def minibatch_discrimination(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """A GAN whose discriminator judges each sample beside its batch, real and generated batches apart. Raises
    ValueError under penalties of single samples' gradients.
    """
    o = trial.system
    assert isinstance(o, options.MinibatchDiscrimination)
    d = with_minibatch_layer(discriminator(trial, sample_shape), o.kernels, o.kernel_dim)
    adversary = Adversary(trial, d, sample_shape)
    if adversary.penalties:
        raise ValueError(
            "minibatch_discrimination couples the samples whose gradients wgan_gp, r1 and dragan penalise"
        )

    game = against(trial, sample_shape, d)

    def gap(players: Players, batch: Batch) -> Tensor:
        # Closeness grows with the batch, so the gap is that of batches as large as the trained ones.
        rows = min(trial.training.batch_size, len(batch.real))
        pairs = zip(
            torch.split(batch.real, rows),
            torch.split(game.generate(players, batch.latents), rows),
            strict=True,
        )
        gaps = [adversary.gap(players, (real,), (made,)) for real, made in pairs if len(real) == rows]
        return torch.stack(gaps).mean()

    return replace(game, watch={"gap": gap})
