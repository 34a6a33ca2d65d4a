"""DCGAN (Radford, Metz, Chintala 2016) for any square size that is a multiple of 4, from 8 to 128.

Convolutions of stride 2 halve (discriminator) or double (generator) the image between its full size and a
base of 2 to 9 pixels: 8 -> 4 -> 2, 28 -> 14 -> 7, 32 -> 16 -> 8 -> 4, 64 -> 32 -> 16 -> 8 -> 4. At 64x64,
width 64 and 4x4 kernels this is the published network: 64, 128, 256, 512 channels, 2,765,568 discriminator
parameters. With 5x5 kernels and biases everywhere it is that of DCGAN-tensorflow, which Arora & Zhang (2017)
used: 4.32 million.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from pipeline import options
from pipeline.networks.normalization import normalization


def halvings(size: int) -> int:
    """How often an image is halved: at least twice, then while the result is even-sided and at least 4."""
    if size % 4 or not 8 <= size <= 128:
        raise ValueError(f"dcgan takes square images of 8 to 128 pixels in multiples of 4, not {size}")
    count, side = 2, size // 4
    while side % 2 == 0 and side // 2 >= 4:
        count, side = count + 1, side // 2
    return count


class DcganGenerator(nn.Module):
    """(b, inputs) -> (b, c, h, w) in [-1, 1]: `width` channels before the image, doubling towards the
    latent.
    """

    init_std = 0.02

    def __init__(self, o: options.DcganGenerator, sample_shape: tuple[int, ...], inputs: int) -> None:
        super().__init__()
        channels, size, levels, extra = _levels(sample_shape, o.depth)
        biased = o.kernel == 5
        base = size >> levels
        widths = [o.width * 2**k for k in reversed(range(levels))]
        layers: list[nn.Module] = [
            # The published transposed convolution of a 1x1 image, written as the matrix product that it is.
            nn.Linear(inputs, widths[0] * base**2, bias=biased),
            nn.Unflatten(1, (widths[0], base, base)),
            normalization("batch", widths[0]),
            nn.ReLU(),
        ]
        for _ in range(extra):
            layers += [_keep(widths[0], bias=biased), normalization("batch", widths[0]), nn.ReLU()]
        for inner, outer in pairwise(widths):
            layers += [
                _double(inner, outer, o.kernel, bias=biased),
                normalization("batch", outer),
                nn.ReLU(),
            ]
        layers += [_double(widths[-1], channels, o.kernel, bias=biased), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class DcganDiscriminator(nn.Module):
    """(b, c, h, w) -> (b,): `width` channels after the image, doubling at every halving.

    `features` gives the (b, feature_count) values of the last hidden layer.
    """

    init_std = 0.02

    def __init__(
        self, o: options.DcganDiscriminator, sample_shape: tuple[int, ...], *, per_sample: bool
    ) -> None:
        super().__init__()
        norm = o.normalization
        if norm == "auto":
            norm = "layer" if per_sample else "batch"
        if norm == "batch" and per_sample:
            raise ValueError(
                "normalization: batch couples the samples whose gradients the objective penalises"
            )
        hidden, self.feature_count = _trunk(sample_shape, o.width, o.depth, o.kernel, norm)
        # The published convolution over the whole base is a matrix product.
        self.layers = nn.Sequential(
            *hidden, nn.Linear(self.feature_count, 1, bias=norm == "none" or o.kernel == 5)
        )

    def features(self, x: Tensor) -> Tensor:
        return self.layers[:-1](x)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()


class DcganEncoder(nn.Module):
    """(b, c, h, w) -> (b, outputs): the discriminator's convolutions and a linear layer."""

    init_std = 0.02

    def __init__(self, o: options.DcganEncoder, sample_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        hidden, count = _trunk(sample_shape, o.width, o.depth, o.kernel, o.normalization)
        self.layers = nn.Sequential(*hidden, nn.Linear(count, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _levels(sample_shape: tuple[int, ...], depth: int | None) -> tuple[int, int, int, int]:
    """Channels, size, layers that halve, and layers beyond those, which keep the size."""
    if len(sample_shape) != 3 or sample_shape[1] != sample_shape[2]:
        raise ValueError(f"dcgan takes square images, not samples of shape {sample_shape}")
    channels, size, _ = sample_shape
    most = halvings(size)
    levels = min(depth or most, most)
    return channels, size, levels, max(0, (depth or most) - most)


def _trunk(
    sample_shape: tuple[int, ...], width: int, depth: int | None, kernel: int, norm: str
) -> tuple[list[nn.Module], int]:
    """The discriminator's convolutions, (b, c, h, w) -> (b, count), and count."""
    channels, size, levels, extra = _levels(sample_shape, depth)
    biased = norm == "none" or kernel == 5
    widths = [width * 2**k for k in range(levels)]
    layers: list[nn.Module] = [_halve(channels, widths[0], kernel, bias=biased), nn.LeakyReLU(0.2)]
    for outer, inner in pairwise(widths):
        layers += [
            _halve(outer, inner, kernel, bias=biased),
            normalization(norm, inner),
            nn.LeakyReLU(0.2),
        ]
    for _ in range(extra):
        layers += [_keep(widths[-1], bias=biased), normalization(norm, widths[-1]), nn.LeakyReLU(0.2)]
    return [*layers, nn.Flatten()], widths[-1] * (size >> levels) ** 2


def _halve(inputs: int, outputs: int, kernel: int, *, bias: bool) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2, bias=bias)


def _double(inputs: int, outputs: int, kernel: int, *, bias: bool) -> nn.Module:
    odd = kernel % 2  # an odd kernel leaves one row and column short
    padding = (kernel - 1) // 2
    return nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding, output_padding=odd, bias=bias)


def _keep(channels: int, *, bias: bool) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
