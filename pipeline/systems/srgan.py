"""SRGAN (Ledig et al. 2017): 4x super-resolution under a content and an adversarial loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from pipeline import options
from pipeline.networks.features import features
from pipeline.networks.parameters import apply
from pipeline.networks.super_resolution import FACTOR, SrResNet, shrink
from pipeline.systems.adversary import Adversary, discriminator
from pipeline.systems.system import Batch, Move, Players, System
from pipeline.trial import TrialConfig


def srgan(trial: TrialConfig, sample_shape: tuple[int, ...]) -> System:
    """x = G(z, small image); G minimises content + adversarial loss (equation 3), D tells x from real images.

    Content is the mean squared error of pixels (equation 4) or of the discriminator's last hidden layer,
    which stands for the published VGG features (equation 5): those need a network trained on ImageNet.
    Training begins with `content_steps` steps on the error of pixels alone, as published.
    """
    o = trial.system
    assert isinstance(o, options.SrGan)
    channels, size = _square(sample_shape)
    with torch.device("meta"):
        g = SrResNet(channels, size // FACTOR, o.latent_dim, o.width, o.blocks)
    d = discriminator(trial, sample_shape)
    adversary = Adversary(trial, d, sample_shape)

    def generate(players: Players, latents: Tensor, inputs: Tensor) -> Tensor:
        return apply(g, players["generator"], latents, inputs)

    def restored(players: Players, batch: Batch) -> Tensor:
        return generate(players, batch.latents, shrink(batch.real))

    def content(players: Players, x: Tensor, real: Tensor) -> Tensor:
        if o.content_features == "pixels":
            return mse_loss(x, real)
        judge = players["discriminator"]
        return mse_loss(features(d, judge, x), features(d, judge, real).detach())

    def pixel_loss(players: Players, batch: Batch) -> Tensor:
        return mse_loss(restored(players, batch), batch.real)

    def discriminator_loss(players: Players, batch: Batch) -> Tensor:
        with torch.no_grad():
            x = restored(players, batch)
        return adversary.discriminator_loss(players, (batch.real,), (x,), batch)

    def generator_loss(players: Players, batch: Batch) -> Tensor:
        x = restored(players, batch)
        adversarial = adversary.generator_loss(players, (batch.real,), (x,), batch)
        return o.content * content(players, x, batch.real) + o.adversarial * adversarial

    def gap(players: Players, batch: Batch) -> Tensor:
        return adversary.gap(players, (batch.real,), (restored(players, batch),))

    return System(
        networks={"discriminator": d, "generator": g},
        moves={
            "content": Move(("generator",), pixel_loss),
            "discriminator": Move(("discriminator",), discriminator_loss),
            "generator": Move(("generator",), generator_loss),
        },
        turns=lambda step: ["content"] * (o.content_steps if step == 1 else 0) + adversary.turns(step),
        generate=generate,
        # A generator without noise is still given a latent, which names its samples.
        latent_dim=o.latent_dim or 1,
        watch={"gap": gap, "psnr": lambda players, batch: psnr(restored(players, batch), batch.real)},
        draws=adversary.draws,
        after=adversary.after,
        inputs=shrink,
    )


def psnr(x: Tensor, real: Tensor) -> Tensor:
    """Mean over images (b, c, h, w) in [-1, 1] of the peak signal-to-noise ratio in dB, 10 log10(2^2 / mean
    squared error).
    """
    return (10 * torch.log10(4 / (x - real).square().flatten(1).mean(1))).mean()


def _square(sample_shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and size."""
    if len(sample_shape) != 3 or sample_shape[1] != sample_shape[2] or sample_shape[1] % FACTOR:
        raise ValueError(
            f"srgan takes square images of a multiple of {FACTOR} pixels, not samples of shape {sample_shape}"
        )
    return sample_shape[0], sample_shape[1]
