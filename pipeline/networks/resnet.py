"""Residual networks of SN-GAN (Miyato et al. 2018, appendix B.4) for any square size that is a multiple of 4,
from 8 to 128.

`channels: constant` is their net for 32x32 (table 4): every block has `width` channels. With the published
256 (generator) and 128 (discriminator) these are 4,276,739 and 1,053,825 parameters. `channels: doubling` is
that for 48x48 (table 5) and 128x128 (table 6): `width` next to the image, doubling inwards, at most 16 times
it. Spectral normalization is a regulariser of the trial, not part of the network. Weights start with the
published variance (Glorot & Bengio 2010, gain sqrt(2) inside residuals), normal instead of uniform.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from pipeline import options
from pipeline.networks.normalization import normalization

# Doubling stops here (table 6).
MOST = 16


class Convolution(nn.Conv2d):
    """Of odd kernel, which keeps the size, with Glorot's variance of the weights times gain^2."""

    def __init__(self, inputs: int, outputs: int, kernel: int, gain: float = 1.0) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.init_std: float = gain * math.sqrt(2 / (kernel**2 * (inputs + outputs)))


class Dense(nn.Linear):
    """With Glorot's variance of the weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.init_std: float = math.sqrt(2 / (inputs + outputs))


class SumOverPlaces(nn.Module):
    """(b, c, h, w) -> (b, c)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))


class ResnetGenerator(nn.Module):
    """(b, inputs) -> (b, c, h, w) in [-1, 1]: dense, `depth` blocks, batch norm, ReLU, convolution, tanh."""

    init_std = None

    def __init__(self, o: options.ResnetGenerator, sample_shape: tuple[int, ...], inputs: int) -> None:
        super().__init__()
        channels, size = _square(sample_shape)
        most = _doublings(size, smallest=4)
        depth = o.depth or most
        doubled = min(depth, most)
        base = size >> doubled
        # Blocks beyond what the size allows come first and keep the size.
        widths = list(reversed(_widths(o.width, o.channels, doubled + 1)))
        widths = [widths[0]] * (depth - doubled) + widths
        self.layers = nn.Sequential(
            Dense(inputs, widths[0] * base**2),
            nn.Unflatten(1, (widths[0], base, base)),
            *[
                UpBlock(inner, outer, up=k >= depth - doubled)
                for k, (inner, outer) in enumerate(pairwise(widths))
            ],
            normalization("batch", widths[-1]),
            nn.ReLU(),
            Convolution(widths[-1], channels, 3),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class ResnetDiscriminator(nn.Module):
    """(b, c, h, w) -> (b,): `depth` blocks, ReLU, sum over places, dense; no normalization, so any objective
    may use it.

    `features` gives the (b, feature_count) sums over places.
    """

    init_std = None

    def __init__(
        self, o: options.ResnetDiscriminator, sample_shape: tuple[int, ...], *, per_sample: bool
    ) -> None:
        super().__init__()
        channels, size = _square(sample_shape)
        # Published: two blocks that halve and two that do not, or all that halve and one that does not.
        most = 2 if o.channels == "constant" else _doublings(size, smallest=3)
        depth = o.depth or most + (2 if o.channels == "constant" else 1)
        widths = [channels, *_widths(o.width, o.channels, depth)]
        self.feature_count = widths[-1]
        self.layers = nn.Sequential(
            *[
                DownBlock(outer, inner, down=k < most, first=k == 0)
                for k, (outer, inner) in enumerate(pairwise(widths))
            ],
            nn.ReLU(),
            SumOverPlaces(),
            Dense(self.feature_count, 1),
        )

    def features(self, x: Tensor) -> Tensor:
        return self.layers[:-1](x)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()


class UpBlock(nn.Module):
    """(b, inputs, h, w) -> (b, outputs, 2h, 2w), or of the same size: figure 8 b, for generators."""

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.norm_1, self.norm_2 = normalization("batch", inputs), normalization("batch", outputs)
        self.conv_1 = Convolution(inputs, outputs, 3, math.sqrt(2))
        self.conv_2 = Convolution(outputs, outputs, 3, math.sqrt(2))
        self.shortcut = _shortcut(inputs, outputs, resized=up)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_1(self._resize(F.relu(self.norm_1(x))))
        h = self.conv_2(F.relu(self.norm_2(h)))
        # A 1x1 convolution commutes with repeating pixels, and the small image is cheaper.
        return h + self._resize(self.shortcut(x))

    def _resize(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0) if self.up else x


class DownBlock(nn.Module):
    """(b, inputs, h, w) -> (b, outputs, h/2, w/2), or of the same size: figure 8 a, for discriminators.

    first: on an image, which no ReLU precedes.
    """

    def __init__(self, inputs: int, outputs: int, *, down: bool, first: bool) -> None:
        super().__init__()
        self.down, self.first = down, first
        # Published: the hidden layer is as wide as the input, except where that is an image.
        hidden = outputs if first else inputs
        self.conv_1 = Convolution(inputs, hidden, 3, math.sqrt(2))
        self.conv_2 = Convolution(hidden, outputs, 3, math.sqrt(2))
        self.shortcut = _shortcut(inputs, outputs, resized=down)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_1(x if self.first else F.relu(x))
        h = self.conv_2(F.relu(h))
        # A 1x1 convolution commutes with averages over places.
        return self._resize(h) + self.shortcut(self._resize(x))

    def _resize(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) if self.down else x


def _shortcut(inputs: int, outputs: int, *, resized: bool) -> nn.Module:
    return Convolution(inputs, outputs, 1) if resized or inputs != outputs else nn.Identity()


def _square(sample_shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and size."""
    if len(sample_shape) != 3 or sample_shape[1] != sample_shape[2]:
        raise ValueError(f"resnet takes square images, not samples of shape {sample_shape}")
    channels, size, _ = sample_shape
    if size % 4 or not 8 <= size <= 128:
        raise ValueError(f"resnet takes square images of 8 to 128 pixels in multiples of 4, not {size}")
    return channels, size


def _doublings(size: int, smallest: int) -> int:
    """How often a side is even and its half at least the smallest."""
    count = 0
    while size % 2 == 0 and size // 2 >= smallest:
        count, size = count + 1, size // 2
    return count


def _widths(width: int, channels: str, count: int) -> list[int]:
    """Channels of so many layers, outermost first."""
    return [width * min(2**k, MOST) if channels == "doubling" else width for k in range(count)]
