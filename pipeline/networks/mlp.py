"""Fully connected networks for points and small images."""

from __future__ import annotations

import math

from torch import Tensor, nn

from pipeline import options
from pipeline.networks.normalization import normalization


class MlpGenerator(nn.Module):
    """(b, latent_dim) -> (b, *sample_shape): ReLU layers; images end in tanh, points are unbounded."""

    init_std = None

    def __init__(self, o: options.MlpGenerator, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.sample_shape = sample_shape
        layers: list[nn.Module] = []
        inputs = o.latent_dim
        for _ in range(o.depth):
            layers += [nn.Linear(inputs, o.width), normalization(o.normalization, o.width), nn.ReLU()]
            inputs = o.width
        layers.append(nn.Linear(inputs, math.prod(sample_shape)))
        if len(sample_shape) == 3:
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.sample_shape)


class MlpDiscriminator(nn.Module):
    """(b, *sample_shape) -> (b,): leaky ReLU layers, no normalization, so any objective may use it."""

    init_std = None

    def __init__(
        self, o: options.MlpDiscriminator, sample_shape: tuple[int, ...], *, per_sample: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = math.prod(sample_shape)
        for _ in range(o.depth):
            layers += [nn.Linear(inputs, o.width), nn.LeakyReLU(0.2)]
            inputs = o.width
        layers.append(nn.Linear(inputs, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1)).flatten()
