"""Denoisers of points and images that are told the noise level."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

# Sines and cosines that tell a network the level.
FREQUENCIES = 4


class Denoiser(nn.Module):
    """(b, *sample_shape) noisy samples, (b,) standard deviations -> (b, *sample_shape) what they were.

    r(y, s) = c_skip y + c_out F(c_in y, log s), with factors such that F sees and is asked for values of unit
    size at every level (Karras et al. 2022, table 1). `scale`, state of the tree, is the root mean square of
    the values of clean samples.
    """

    scale: Tensor

    def __init__(self, sample_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.empty(()))
        images = len(sample_shape) == 3
        self.network = (_UNet if images else _Perceptron)(sample_shape[0], width)

    def first_state(self, _: np.random.Generator) -> dict[str, np.ndarray]:
        return {"scale": np.ones(())}

    def forward(self, y: Tensor, sigma: Tensor) -> Tensor:
        s = sigma.view(-1, *[1] * (y.ndim - 1))
        total = (s.square() + self.scale.square()).sqrt()
        output = self.network(y / total, _level(sigma))
        return (self.scale / total).square() * y + s * self.scale / total * output


class _Perceptron(nn.Module):
    """Fully connected: three hidden layers, normalised, without which small noise is hardly learned."""

    def __init__(self, dimensions: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = dimensions + 2 * FREQUENCIES
        for _ in range(3):
            layers += [nn.Linear(inputs, width), nn.GroupNorm(1, width), nn.SiLU()]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(width, dimensions))

    def forward(self, y: Tensor, level: Tensor) -> Tensor:
        return self.layers(torch.cat([y, level], 1))


class _UNet(nn.Module):
    """Convolutions at full, half and quarter size, with skips (Ronneberger et al. 2015)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.down = nn.ModuleList([_Block(width, width), _Block(width, 2 * width)])
        self.middle = _Block(2 * width, 2 * width)
        self.up = nn.ModuleList([_Block(4 * width, width), _Block(2 * width, width)])
        self.leave = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, y: Tensor, level: Tensor) -> Tensor:
        h = self.enter(y)
        skips = []
        for block in self.down:
            h = block(h, level)
            skips.append(h)
            h = nn.functional.avg_pool2d(h, 2)
        h = self.middle(h, level)
        for block in self.up:
            h = block(torch.cat([interpolate(h, scale_factor=2.0), skips.pop()], 1), level)
        return self.leave(h)


class _Block(nn.Module):
    """Two convolutions; the level adds a bias to every channel between them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(1, outputs), nn.SiLU()
        )
        self.level = nn.Linear(2 * FREQUENCIES, outputs)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1), nn.SiLU())

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        return self.second(self.first(h) + self.level(level)[:, :, None, None])


def _level(sigma: Tensor) -> Tensor:
    """(b,) -> (b, 2 FREQUENCIES): sines and cosines of log sigma, from half a turn in 16 nats upwards."""
    octaves = torch.arange(FREQUENCIES, device=sigma.device)
    angles = sigma.log()[:, None] * (math.pi / 16) * 2.0**octaves
    return torch.cat([angles.sin(), angles.cos()], 1)
