"""The pyramid of images whose residuals h_k = I_k - u(I_{k+1}) LAPGAN makes (Burt & Adelson 1983; Denton et
al. 2015, section 2.2), and the generator of a residual.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def down(images: Tensor) -> Tensor:
    """d(I): (b, c, 2s, 2s) -> (b, c, s, s), the mean of every 2x2 pixels, which blurs and decimates."""
    return F.avg_pool2d(images, 2)


def up(images: Tensor) -> Tensor:
    """u(I): (b, c, s, s) -> (b, c, 2s, 2s), linear between pixels, which smooths and expands."""
    return F.interpolate(images, scale_factor=2.0, mode="bilinear")


def gaussian(images: Tensor, levels: int) -> list[Tensor]:
    """[I_0, ..., I_levels]: I_0 the images (b, c, s, s), each other half the size of the one before."""
    pyramid = [images]
    for _ in range(levels):
        pyramid.append(down(pyramid[-1]))
    return pyramid


class ResidualGenerator(nn.Module):
    """Noise (b, s * s) and the low-pass image (b, c, s, s) -> residual (b, c, s, s), unbounded.

    Three convolutions of 7x7, 7x7 and 5x5; the noise is one more channel of the image (section 3.1).
    """

    init_std = 0.02

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels + 1, width, 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(width, width, 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(width, channels, 5, padding=2),
        )

    def forward(self, noise: Tensor, low_pass: Tensor) -> Tensor:
        plane = noise.reshape(-1, 1, *low_pass.shape[2:])
        return self.layers(torch.cat([low_pass, plane], 1))
