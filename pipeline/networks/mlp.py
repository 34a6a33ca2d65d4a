"""Fully connected networks for points and small images."""

from __future__ import annotations

import math

from torch import Tensor, nn

from pipeline import options
from pipeline.networks.normalization import normalization

PIECES = 5  # of maxout (VEEGAN's and PacGAN's discriminators)


class Maxout(nn.Module):
    """(b, inputs) -> (b, outputs): the largest of `PIECES` linear maps (Goodfellow et al. 2013)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs * PIECES)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, PIECES)).amax(2)


class MlpGenerator(nn.Module):
    """(b, inputs) -> (b, *sample_shape): ReLU layers; images end in tanh, points are unbounded."""

    init_std = None

    def __init__(self, o: options.MlpGenerator, sample_shape: tuple[int, ...], inputs: int) -> None:
        super().__init__()
        self.sample_shape = sample_shape
        layers: list[nn.Module] = []
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
    """(b, *sample_shape) -> (b,): no normalization, so any objective may use it.

    `features` gives the (b, feature_count) values of the last hidden layer.
    """

    init_std = None

    def __init__(
        self, o: options.MlpDiscriminator, sample_shape: tuple[int, ...], *, per_sample: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = math.prod(sample_shape)
        for _ in range(o.depth):
            if o.activation == "maxout":
                layers += [Maxout(inputs, o.width)]
            else:
                layers += [nn.Linear(inputs, o.width), nn.LeakyReLU(0.2)]
            inputs = o.width
        self.feature_count = inputs
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 1))

    def features(self, x: Tensor) -> Tensor:
        return self.layers[:-1](x.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1)).flatten()


class MlpEncoder(nn.Module):
    """(b, *sample_shape) -> (b, outputs): leaky ReLU layers."""

    init_std = None

    def __init__(self, o: options.MlpEncoder, sample_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = math.prod(sample_shape)
        for _ in range(o.depth):
            layers += [nn.Linear(inputs, o.width), nn.LeakyReLU(0.2)]
            inputs = o.width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))
