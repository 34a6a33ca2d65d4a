"""Invertible layers on (b, c, ...): activation norm, linear maps of the channels, affine couplings.

Each maps x -> (y, log |det dy/dx| (b,)); `inverse` maps back. Points (b, c) and images (b, c, h, w) alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

# A coupling scales by exp(s), |s| < this, so that no step can blow up what others contract.
LARGEST_LOG_SCALE = 2.0


class ActNorm(nn.Module):
    """A scale and a bias of every channel (Kingma & Dhariwal 2018, section 3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = (x + _along(self.bias, x)) * _along(self.log_scale, x).exp()
        return y, (self.log_scale.sum() * places(x)).expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return y * _along(-self.log_scale, y).exp() - _along(self.bias, y)


class Mixing(nn.Module):
    """A linear map of the channels, the same at every place (Kingma & Dhariwal 2018, section 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.empty(channels, channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_determinant = torch.linalg.slogdet(self.matrix)[1] * places(x)
        return _mixed(self.matrix, x), log_determinant.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        return _mixed(torch.linalg.inv(self.matrix.double()).to(y.dtype), y)


class AffineCoupling(nn.Module):
    """y_1 = x_1, y_2 = x_2 exp(s(x_1)) + t(x_1), log |det| = sum s (Dinh et al. 2017, equations 4-8).

    s is bounded by a tanh, as there.
    """

    def __init__(self, channels: int, width: int, *, images: bool) -> None:
        super().__init__()
        self.kept = channels // 2
        outputs = 2 * (channels - self.kept)
        self.network = (convolutions if images else perceptron)(self.kept, width, outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x[:, : self.kept], x[:, self.kept :]
        s, t = self._scale_and_shift(first)
        return torch.cat([first, second * s.exp() + t], 1), s.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        first, second = y[:, : self.kept], y[:, self.kept :]
        s, t = self._scale_and_shift(first)
        return torch.cat([first, (second - t) * (-s).exp()], 1)

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.network(x).chunk(2, 1)
        return LARGEST_LOG_SCALE * torch.tanh(s / LARGEST_LOG_SCALE), t


def convolutions(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """(b, inputs, h, w) -> (b, outputs, h, w): the network of Kingma & Dhariwal 2018, section 3.3."""
    return nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 1),
        nn.ReLU(),
        nn.Conv2d(width, outputs, 3, padding=1),
    )


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """(b, inputs) -> (b, outputs)."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def places(x: Tensor) -> int:
    """How many values each channel of (b, c, ...) has: h w of images, 1 of points."""
    return math.prod(x.shape[2:])


def _along(values: Tensor, x: Tensor) -> Tensor:
    """(c,) -> (c, 1, …), to be combined with (b, c, …)."""
    return values.view(-1, *[1] * (x.ndim - 2))


def _mixed(matrix: Tensor, x: Tensor) -> Tensor:
    return x @ matrix.T if x.ndim == 2 else conv2d(x, matrix[:, :, None, None])
