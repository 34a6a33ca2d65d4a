"""DCGAN (Radford, Metz, Chintala 2016) for any square size that is a multiple of 4, from 8 to 128.

4x4 kernels of stride 2 halve (discriminator) or double (generator) the image between its full size and a base
of 2 to 9 pixels: 8 -> 4 -> 2, 28 -> 14 -> 7, 32 -> 16 -> 8 -> 4, 64 -> 32 -> 16 -> 8 -> 4. At 64x64 and width
64 this is the published network: 64, 128, 256, 512 channels, 2,765,568 discriminator parameters.
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


def _image(sample_shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(sample_shape) != 3 or sample_shape[1] != sample_shape[2]:
        raise ValueError(f"dcgan takes square images, not samples of shape {sample_shape}")
    channels, size, _ = sample_shape
    return channels, size, halvings(size)


class DcganGenerator(nn.Module):
    """(b, latent_dim) -> (b, c, h, w) in [-1, 1]: `width` channels before the image, doubling towards the
    latent.
    """

    init_std = 0.02

    def __init__(self, o: options.DcganGenerator, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, size, levels = _image(sample_shape)
        base = size >> levels
        widths = [o.width * 2**k for k in reversed(range(levels))]
        layers: list[nn.Module] = [
            # The published transposed convolution of a 1x1 image, written as the matrix product that it is.
            nn.Linear(o.latent_dim, widths[0] * base**2, bias=False),
            nn.Unflatten(1, (widths[0], base, base)),
            normalization("batch", widths[0]),
            nn.ReLU(),
        ]
        for inner, outer in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1, bias=False),
                normalization("batch", outer),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class DcganDiscriminator(nn.Module):
    """(b, c, h, w) -> (b,): `width` channels after the image, doubling at every halving."""

    init_std = 0.02

    def __init__(
        self, o: options.DcganDiscriminator, sample_shape: tuple[int, ...], *, per_sample: bool
    ) -> None:
        super().__init__()
        channels, size, levels = _image(sample_shape)
        norm = o.normalization
        if norm == "auto":
            norm = "layer" if per_sample else "batch"
        if norm == "batch" and per_sample:
            raise ValueError(
                "normalization: batch couples the samples whose gradients the objective penalises"
            )
        widths = [o.width * 2**k for k in range(levels)]
        layers: list[nn.Module] = [
            nn.Conv2d(channels, widths[0], 4, stride=2, padding=1, bias=norm == "none"),
            nn.LeakyReLU(0.2),
        ]
        for outer, inner in pairwise(widths):
            layers += [
                nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=norm == "none"),
                normalization(norm, inner),
                nn.LeakyReLU(0.2),
            ]
        # The published convolution over the whole base is a matrix product.
        layers += [nn.Flatten(), nn.Linear(widths[-1] * (size >> levels) ** 2, 1, bias=norm == "none")]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
