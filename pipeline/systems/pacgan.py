"""PacGAN (Lin, Khetan, Fanti, Oh 2018): the discriminator judges several samples of one kind together."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline import networks, options
from pipeline.networks.parameters import apply
from pipeline.objectives import Draw
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def pacgan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """D(x_1, …, x_m) against D(G(z_1), …, G(z_m)) (Lin et al. 2018, section 2, figure 3); m = 1 is the GAN.

    A batch holds m times `batch_size` rows; penalties and instance noise act on packed samples.
    """
    assert isinstance(trial.system, options.PacGan)
    m = trial.system.packing
    packed_shape = (m * sample_shape[0], *sample_shape[1:])
    g = networks.generator(trial.generator, sample_shape)
    d = discriminator(trial, packed_shape)
    adversary = Adversary(trial, d, packed_shape)

    def generate(players: Players, latents: Tensor) -> Tensor:
        return apply(g, players["generator"], latents)

    def packed(players: Players, batch: Batch) -> tuple[tuple[Tensor], tuple[Tensor]]:
        """Real and generated samples as the discriminator takes them."""
        return (pack(batch.real, m),), (pack(generate(players, batch.latents), m),)

    def for_packs(batch: Batch) -> Batch:
        """The batch with one draw for each packed sample."""
        return batch._replace(
            draws={
                name: pack(values, m) if values.ndim > 1 else values[::m]
                for name, values in batch.draws.items()
            }
        )

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            real, generated = packed(players, batch)
        return adversary.discriminator_loss(players, real, generated, for_packs(batch))

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        return adversary.generator_loss(players, *packed(players, batch), for_packs(batch))

    def gap(players: Players, batch: Batch) -> Tensor:
        return adversary.gap(players, *packed(players, batch))

    return System(
        networks={"discriminator": d, "generator": g},
        moves={
            "discriminator": Move(("discriminator",), discriminator_loss),
            "generator": Move(("generator",), generator_loss),
        },
        turns=adversary.turns,
        generate=generate,
        latent_dim=trial.latent_dim,
        watch={"gap": gap},
        # The batch has m rows for every packed sample, so each row brings an m-th of what that needs.
        draws={
            name: Draw(kind, (shape[0] // m, *shape[1:]) if shape else ())
            for name, (kind, shape) in adversary.draws.items()
        },
        pack=m,
        after=adversary.after,
    )


def pack(rows: Tensor, m: int) -> Tensor:
    """(b m, c, ...) -> (b, m c, ...): each m rows in turn become one, side by side in dimension 1."""
    return rows.reshape(-1, m, *rows.shape[1:]).flatten(1, 2)
