"""LAPGAN (Denton et al. 2015): a GAN for every level of a Laplacian pyramid."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline import networks, options
from pipeline.networks.parameters import apply
from pipeline.networks.pyramid import ResidualGenerator, gaussian, up
from pipeline.systems.adversaries import Adversaries
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def lapgan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """I_K = G_K(z_K), I_k = l_k + G_k(z_k, l_k), l_k = u(I_{k+1}) (section 2.2, equation 5; algorithm 1).

    In training l_k comes from real images: the levels learn apart, all in every step. D_k sees the sum l_k +
    h_k, as the paper adds the low-pass image before its first layer. The trial's generator makes the coarsest
    image, and its discriminator judges at every level. Players are named by the size of their images.
    """
    o = trial.system
    assert isinstance(o, options.LapGan)
    shapes = _shapes(sample_shape, o.levels)
    sizes = [size for _, size, _ in shapes]
    try:
        judges = [discriminator(trial, shape) for shape in shapes]
        first = networks.generator(trial.generator, shapes[-1])
    except ValueError as error:
        raise ValueError(f"{error} (system.levels: {o.levels} makes images of sizes {sizes})") from None
    with torch.device("meta"):
        makers = [*(ResidualGenerator(sample_shape[0], o.width) for _ in range(o.levels)), first]
    names = [f"generator_{size}" for size in sizes]
    adversaries = Adversaries(
        [
            Adversary(trial, d, shape, f"discriminator_{shape[1]}")
            for d, shape in zip(judges, shapes, strict=True)
        ]
    )
    parts = [*(size**2 for size in sizes[:-1]), trial.latent_dim]

    def coarsest(players: Players, noise: Tensor) -> Tensor:
        return apply(first, players[names[-1]], noise)

    def refined(players: Players, level: int, noise: Tensor, coarser: Tensor) -> Tensor:
        low_pass = up(coarser)
        return low_pass + apply(makers[level], players[names[level]], noise, low_pass)

    def generate(players: Players, latents: Tensor) -> Tensor:
        *noises, last = torch.split(latents, parts, 1)
        image = coarsest(players, last)
        for level in reversed(range(o.levels)):
            image = refined(players, level, noises[level], image).clamp(-1, 1)
        return image

    def compared(players: Players, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
        """Real images at every level, and what each level makes of those of the next."""
        real = gaussian(batch.real, o.levels)
        *noises, last = torch.split(batch.latents, parts, 1)
        made = [refined(players, k, noise, real[k + 1]) for k, noise in enumerate(noises)]
        return real, [*made, coarsest(players, last)]

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            real, generated = compared(players, batch)
        return adversaries.discriminator_loss(players, real, generated, batch)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        return adversaries.generator_loss(players, *compared(players, batch), batch)

    def gap(players: Players, batch: Batch) -> Tensor:
        return adversaries.gap(players, *compared(players, batch))

    return System(
        networks=dict(zip([*adversaries.players, *names], [*judges, *makers], strict=True)),
        moves={
            "discriminator": Move(adversaries.players, discriminator_loss),
            "generator": Move(tuple(names), generator_loss),
        },
        turns=adversaries.turns,
        generate=generate,
        latent_dim=sum(parts),
        generators=tuple(names),
        discriminators=adversaries.players,
        watch={"gap": gap},
        draws=adversaries.draws,
        after=adversaries.after,
    )


def _shapes(sample_shape: tuple[int, ...], levels: int) -> list[tuple[int, int, int]]:
    """Of the images at every level, finest first."""
    if len(sample_shape) != 3 or sample_shape[1] != sample_shape[2]:
        raise ValueError(f"lapgan takes square images, not samples of shape {sample_shape}")
    channels, size, _ = sample_shape
    if size % 2**levels or size < 4 * 2**levels:
        raise ValueError(
            f"images of {size} pixels cannot be halved {levels} times to 4 or more (system.levels)"
        )
    return [(channels, size >> k, size >> k) for k in range(levels + 1)]
