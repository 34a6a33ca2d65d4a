"""A normalizing flow with factored-out scales (Dinh et al. 2017, section 3.6; Kingma & Dhariwal 2018)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from pipeline.networks.couplings import ActNorm, AffineCoupling, Mixing
from pipeline.networks.parameters import Tree, bind


class FlowNetwork(nn.Module):
    """x (b, *sample_shape) -> (z (b, d), log |det dz/dx| (b,)), d the number of values of a sample.

    Steps are activation norm, linear map of the channels, affine coupling. Points pass `couplings` of them.
    Images are squeezed, 2x2 places into channels, pass as many, and half of the channels are done with; so on
    with the other half, as long as the sides are even and not below 4, at least twice where they can. Raises
    ValueError for points of one value and images whose sides are odd.
    """

    def __init__(self, sample_shape: tuple[int, ...], couplings: int, width: int) -> None:
        super().__init__()
        self.images = len(sample_shape) == 3
        self.shapes: list[tuple[int, ...]] = []  # of what leaves each level
        self.levels: list[list[Any]] = []
        shape = sample_shape
        count = squeezes(sample_shape) if self.images else 1
        for level in range(count):
            if self.images:
                shape = (4 * shape[0], shape[1] // 2, shape[2] // 2)
            if shape[0] < 2:
                raise ValueError("flow: couplings need samples of two or more values")
            steps: list[nn.Module] = []
            for _ in range(couplings):
                steps += [
                    ActNorm(shape[0]),
                    Mixing(shape[0]),
                    AffineCoupling(shape[0], width, images=self.images),
                ]
            self.levels.append(steps)
            if level < count - 1:
                shape = (shape[0] // 2, *shape[1:])
            self.shapes.append(shape)
        self.layers = nn.ModuleList([layer for level in self.levels for layer in level])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_determinant = x.new_zeros(len(x))
        done = []
        for level, shape in zip(self.levels, self.shapes, strict=True):
            if self.images:
                x = pixel_unshuffle(x, 2)
            for layer in level:
                x, more = layer(x)
                log_determinant = log_determinant + more
            done.append(x[:, : shape[0]].flatten(1))
            x = x[:, shape[0] :]
        return torch.cat(done, 1), log_determinant

    def inverse(self, z: Tensor) -> Tensor:
        """(b, d) -> (b, *sample_shape)."""
        parts = torch.split(z, [math.prod(shape) for shape in self.shapes], 1)
        x = z[:, :0].reshape(len(z), 0, *self.shapes[-1][1:])
        for level, shape, part in reversed(list(zip(self.levels, self.shapes, parts, strict=True))):
            x = torch.cat([part.reshape(-1, *shape), x], 1)
            for layer in reversed(level):
                x = layer.inverse(x)
            if self.images:
                x = pixel_shuffle(x, 2)
        return x


def squeezes(sample_shape: tuple[int, ...]) -> int:
    """How often an image is squeezed. Raises ValueError where it cannot be."""
    _, height, width = sample_shape
    if height % 2 or width % 2:
        raise ValueError(f"flow: takes images of even sides, not {height}x{width}")
    count, height, width = 1, height // 2, width // 2
    while height % 2 == 0 and width % 2 == 0 and (count < 2 or min(height, width) >= 8):
        count, height, width = count + 1, height // 2, width // 2
    return count


@torch.no_grad()
def fitted(flow: FlowNetwork, tree: Tree, samples: Tensor, rng: np.random.Generator) -> Tree:
    """First parameters from data: linear maps are random rotations, couplings the identity, and activation
    norms give every channel of `samples` (n, *sample_shape) mean 0 and variance 1 (Kingma & Dhariwal 2018,
    sections 3.1 to 3.3).
    """
    found = {name: tensor.clone().requires_grad_(tensor.requires_grad) for name, tensor in tree.items()}
    bind(flow, found)
    for layer in flow.modules():
        if isinstance(layer, Mixing):
            rotation = np.linalg.qr(rng.standard_normal(layer.matrix.shape))[0]
            layer.matrix.copy_(torch.tensor(rotation))
        elif isinstance(layer, AffineCoupling):
            for parameter in layer.network[-1].parameters():
                parameter.zero_()
    # Each norm sees its samples as soon as the layers before it stand.
    handles = [
        layer.register_forward_pre_hook(_normalise) for layer in flow.modules() if isinstance(layer, ActNorm)
    ]
    flow(samples)
    for handle in handles:
        handle.remove()
    return found


def _normalise(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    assert isinstance(layer, ActNorm)
    channels = inputs[0].transpose(0, 1).flatten(1)
    layer.bias.copy_(-channels.mean(1))
    layer.log_scale.copy_(-channels.std(1, correction=0).clamp_min(1e-3).log())
