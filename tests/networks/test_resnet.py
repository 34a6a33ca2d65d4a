"""SN-GAN's residual networks: the published tables by hand, every size, and the same function as the blocks written
out in the published order.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline import networks, options
from pipeline.networks.parameters import apply, count, initialise
from pipeline.networks.resnet import DownBlock, UpBlock

CPU = torch.device("cpu")


def generator(shape: tuple[int, ...], **o: Any) -> nn.Module:
    return networks.generator(options.ResnetGenerator(name="resnet", **o), shape)


def discriminator(shape: tuple[int, ...], **o: Any) -> nn.Module:
    return networks.discriminator(options.ResnetDiscriminator(name="resnet", **o), shape, per_sample=True)


def conv(inputs: int, outputs: int, kernel: int = 3) -> int:
    return kernel**2 * inputs * outputs + outputs


def up(inputs: int, outputs: int) -> int:
    """Two convolutions, a 1x1 shortcut, two batch norms."""
    return conv(inputs, outputs) + conv(outputs, outputs) + conv(inputs, outputs, 1) + 2 * (inputs + outputs)


def down(inputs: int, outputs: int, hidden: int) -> int:
    return conv(inputs, hidden) + conv(hidden, outputs) + conv(inputs, outputs, 1)


def test_table_4_for_32_pixels() -> None:
    """z in R^128; dense 4x4x256, three up-blocks of 256, BN, 3x3 conv; two blocks down, two not, all of 128."""
    by_hand = (128 + 1) * 4 * 4 * 256 + 3 * up(256, 256) + 2 * 256 + conv(256, 3)
    assert by_hand == 4_276_739
    assert count(generator((3, 32, 32))) == by_hand
    by_hand = down(3, 128, 128) + down(128, 128, 128) + 2 * (2 * conv(128, 128)) + 128 + 1
    assert by_hand == 1_053_825
    assert count(discriminator((3, 32, 32))) == by_hand


def test_table_5_for_48_pixels() -> None:
    """Dense 6x6x512, up to 256, 128, 64; down 64, 128, 256, 512 and a block of 1024 that keeps the size."""
    by_hand = 129 * 36 * 512 + up(512, 256) + up(256, 128) + up(128, 64) + 2 * 64 + conv(64, 3)
    assert count(generator((3, 48, 48), width=64, channels="doubling")) == by_hand
    by_hand = down(3, 64, 64) + sum(down(c, 2 * c, c) for c in (64, 128, 256, 512)) + 1024 + 1
    assert count(discriminator((3, 48, 48), width=64, channels="doubling")) == by_hand


def test_table_6_for_128_pixels() -> None:
    """Dense 4x4x1024, up 1024, 512, 256, 128, 64; down 64, ..., 1024 and a block of 1024 without shortcut."""
    widths = [1024, 1024, 512, 256, 128, 64]
    ups = sum(up(i, o) for i, o in pairwise(widths))
    by_hand = 129 * 16 * 1024 + ups + 2 * 64 + conv(64, 3)
    assert count(generator((3, 128, 128), width=64, channels="doubling")) == by_hand
    by_hand = down(3, 64, 64) + sum(down(c, 2 * c, c) for c in (64, 128, 256, 512)) + 2 * conv(1024, 1024)
    assert count(discriminator((3, 128, 128), width=64, channels="doubling")) == by_hand + 1024 + 1


@pytest.mark.parametrize("channels", ["constant", "doubling"])
@pytest.mark.parametrize("size", range(8, 129, 4))
def test_every_multiple_of_four(size: int, channels: str) -> None:
    g = generator((3, size, size), width=2, latent_dim=5, channels=channels)
    d = discriminator((3, size, size), width=2, channels=channels)
    rng = np.random.default_rng(0)
    x = apply(g, initialise(g, rng, CPU), torch.tensor(rng.standard_normal((2, 5)), dtype=torch.float32))
    assert x.shape == (2, 3, size, size)
    assert float(x.abs().max()) <= 1
    assert apply(d, initialise(d, rng, CPU), x).shape == (2,)


@pytest.mark.parametrize("channels", ["constant", "doubling"])
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8])
def test_depth_is_free_on_each_side(depth: int, channels: str) -> None:
    g = generator((1, 32, 32), width=2, latent_dim=5, depth=depth, channels=channels)
    d = discriminator((1, 32, 32), width=2, depth=depth, channels=channels)
    ups = [m for m in g.modules() if isinstance(m, UpBlock)]
    downs = [m for m in d.modules() if isinstance(m, DownBlock)]
    assert len(ups) == len(downs) == depth
    assert sum(block.up for block in ups) == min(depth, 3)
    assert sum(block.down for block in downs) == min(depth, 2 if channels == "constant" else 3)
    rng = np.random.default_rng(0)
    x = apply(g, initialise(g, rng, CPU), torch.ones(2, 5))
    assert x.shape == (2, 1, 32, 32)
    tree = initialise(d, rng, CPU)
    assert apply(d, tree, x).shape == (2,)


@pytest.mark.parametrize("shape", [(1, 6, 6), (1, 132, 132), (1, 30, 30), (3, 32, 16), (2,)])
def test_sizes_it_cannot_take(shape: tuple[int, ...]) -> None:
    for build in (generator, discriminator):
        with pytest.raises(ValueError, match="resnet takes square images"):
            build(shape)


def test_the_blocks_of_the_published_order() -> None:
    """There the shortcut's 1x1 convolution comes after the doubling and before the averaging (the first block of a
    discriminator excepted); it commutes with both.
    """
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((2, 3, 6, 6)), dtype=torch.float32)
    block = UpBlock(3, 4, up=True)
    tree = initialise(block, rng, CPU)

    def convolved(name: str, y: Tensor) -> Tensor:
        weight = tree[f"{name}.weight"]
        return F.conv2d(y, weight, tree[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def doubled(y: Tensor) -> Tensor:
        return y.repeat_interleave(2, 2).repeat_interleave(2, 3)

    h = convolved("conv_1", doubled(F.relu(F.batch_norm(x, None, None, training=True))))
    h = convolved("conv_2", F.relu(F.batch_norm(h, None, None, training=True)))
    torch.testing.assert_close(apply(block, tree, x), h + convolved("shortcut", doubled(x)))

    for first in (True, False):
        block = DownBlock(3, 4, down=True, first=first)
        tree = initialise(block, rng, CPU)
        h = convolved("conv_2", F.relu(convolved("conv_1", x if first else F.relu(x))))
        expected = F.avg_pool2d(h, 2) + F.avg_pool2d(convolved("shortcut", x), 2)
        torch.testing.assert_close(apply(block, tree, x), expected)


def test_features_lead_to_the_value() -> None:
    d = discriminator((1, 8, 8), width=3)
    rng = np.random.default_rng(0)
    tree = initialise(d, rng, CPU)
    x = torch.tensor(rng.uniform(-1, 1, (4, 1, 8, 8)), dtype=torch.float32)
    value = apply(d, tree, x)
    features = d.features(x)
    assert features.shape == (4, d.feature_count)
    last = len(d.layers) - 1
    torch.testing.assert_close(
        value, features @ tree[f"layers.{last}.weight"][0] + tree[f"layers.{last}.bias"]
    )


def test_initial_variances_are_glorots() -> None:
    tree = initialise(discriminator((3, 32, 32)), np.random.default_rng(0), CPU)
    # Gain sqrt(2) inside the residual, none in the shortcut: std sqrt(2 gain^2 / (fan_in + fan_out)).
    assert float(tree["layers.1.conv_1.weight"].std()) == pytest.approx(
        math.sqrt(4 / (9 * (128 + 128))), rel=0.01
    )
    assert float(tree["layers.1.shortcut.weight"].std()) == pytest.approx(math.sqrt(2 / 256), rel=0.02)
    g = initialise(generator((3, 32, 32)), np.random.default_rng(0), CPU)
    assert float(g["layers.0.weight"].std()) == pytest.approx(math.sqrt(2 / (128 + 4096)), rel=0.01)
    assert set(g["layers.2.norm_1.weight"].tolist()) == {1.0}
