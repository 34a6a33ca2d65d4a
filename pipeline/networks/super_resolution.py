"""SRResNet (Ledig et al. 2017, figure 4): 4x super-resolution by residual blocks and pixel shuffles."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks.normalization import normalization

FACTOR = 4


def shrink(images: Tensor) -> Tensor:
    """(b, c, 4s, 4s) -> (b, c, s, s): bicubic, as published, the kernel widened by the factor."""
    size = images.shape[-1] // FACTOR
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True)


def enlarge(images: Tensor) -> Tensor:
    """(b, c, s, s) -> (b, c, 4s, 4s), bicubic: what super-resolution is compared with."""
    return F.interpolate(images, scale_factor=float(FACTOR), mode="bicubic", antialias=True)


class SrResNet(nn.Module):
    """Latents (b, latent_dim) and small images (b, c, s, s) -> (b, c, 4s, 4s) in [-1, 1].

    Convolution, `blocks` residual blocks and a convolution around which the input is added, twice
    convolution and pixel shuffle, convolution, tanh. With latent_dim > 0 a dense layer makes one more channel
    of the latents; published is none, a function of the image. Leaky ReLUs stand for parametric ones.
    """

    init_std = None

    def __init__(self, channels: int, size: int, latent_dim: int, width: int, blocks: int) -> None:
        super().__init__()
        self.noise = nn.Linear(latent_dim, size * size) if latent_dim else None
        self.first = nn.Sequential(
            nn.Conv2d(channels + bool(latent_dim), width, 9, padding=4), nn.LeakyReLU(0.2)
        )
        self.blocks = nn.Sequential(
            *(ResidualBlock(width) for _ in range(blocks)),
            nn.Conv2d(width, width, 3, padding=1),
            normalization("batch", width),
        )
        self.last = nn.Sequential(
            *_shuffled(width), *_shuffled(width), nn.Conv2d(width, channels, 9, padding=4), nn.Tanh()
        )

    def forward(self, z: Tensor, small: Tensor) -> Tensor:
        if self.noise is not None:
            plane = self.noise(z).reshape(-1, 1, *small.shape[2:])
            small = torch.cat([small, plane], 1)
        h = self.first(small)
        return self.last(h + self.blocks(h))


class ResidualBlock(nn.Module):
    """(b, c, h, w) -> the same: convolution, batch norm, activation, convolution, batch norm, sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            normalization("batch", channels),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1),
            normalization("batch", channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _shuffled(channels: int) -> list[nn.Module]:
    """(b, c, h, w) -> (b, c, 2h, 2w)."""
    return [nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.2)]
