"""Networks: published parameter counts, every size, and parameter trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from pipeline import networks, options
from pipeline.networks.normalization import BatchNorm
from pipeline.networks.parameters import apply, count, initialise

CPU = torch.device("cpu")


def dcgan(shape: tuple[int, ...], **d: Any) -> tuple[nn.Module, nn.Module]:
    g = networks.generator(options.DcganGenerator(name="dcgan", width=4, latent_dim=6), shape)
    return g, networks.discriminator(
        options.DcganDiscriminator(name="dcgan", **{"width": 4, **d}), shape, per_sample=False
    )


@pytest.mark.parametrize(("width", "millions"), [(16, 0.175), (64, 2.766), (128, 11.04)])
def test_discriminator_sizes_of_the_published_network(width: int, millions: float) -> None:
    _, d = dcgan((3, 64, 64), width=width)
    assert count(d) / 1e6 == pytest.approx(millions, abs=0.005)


def test_published_dcgan_at_64_pixels() -> None:
    _, d = dcgan((3, 64, 64), width=64)
    assert count(d) == 2_765_568
    g = networks.generator(options.DcganGenerator(name="dcgan"), (3, 64, 64))
    assert count(g) == 3_576_704


@pytest.mark.parametrize(
    ("width", "millions"),
    [(16, 0.273), (32, 1.08), (48, 2.43), (64, 4.32), (80, 6.74), (96, 9.70), (112, 13.2), (128, 17.2)],
)
def test_discriminator_sizes_of_arora_and_zhang(width: int, millions: float) -> None:
    """Their sweep over `dim` in DCGAN-tensorflow, 5x5 kernels (2017, "diversity vs discriminator size")."""
    _, d = dcgan((3, 64, 64), width=width, kernel=5)
    assert float(f"{count(d) / 1e6:.3g}") == millions


def test_generator_of_dcgan_tensorflow() -> None:
    g = networks.generator(options.DcganGenerator(name="dcgan", kernel=5), (3, 64, 64))
    assert count(g) / 1e6 == pytest.approx(5.14, abs=0.005)


@pytest.mark.parametrize("kernel", [4, 5])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 7])
def test_depth_is_free_on_each_side(depth: int, kernel: int) -> None:
    o = options.DcganGenerator(name="dcgan", width=4, latent_dim=6, depth=depth, kernel=kernel)
    g = networks.generator(o, (3, 32, 32))
    _, d = dcgan((3, 32, 32), depth=depth, kernel=kernel)
    x = apply(g, initialise(g, np.random.default_rng(0), CPU), torch.randn(2, 6))
    assert x.shape == (2, 3, 32, 32)
    assert apply(d, initialise(d, np.random.default_rng(0), CPU), x).shape == (2,)
    convolutions = [m for m in d.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == depth
    assert [m.stride[0] for m in convolutions] == [2] * min(depth, 3) + [1] * (depth - 3)


@pytest.mark.parametrize("size", range(8, 129, 4))
@pytest.mark.parametrize("channels", [1, 3])
def test_every_multiple_of_four(size: int, channels: int) -> None:
    g, d = dcgan((channels, size, size))
    trees = [initialise(net, np.random.default_rng(0), CPU) for net in (g, d)]
    x = apply(g, trees[0], torch.randn(2, 6))
    assert x.shape == (2, channels, size, size)
    assert float(x.abs().max()) <= 1
    assert apply(d, trees[1], x).shape == (2,)


@pytest.mark.parametrize("shape", [(1, 6, 6), (1, 132, 132), (1, 30, 30), (3, 32, 16), (2,)])
def test_sizes_it_cannot_take(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="dcgan takes square images"):
        dcgan(shape)


def test_per_sample_objectives_never_meet_batch_norm() -> None:
    def build(**d: Any) -> nn.Module:
        return networks.discriminator(
            options.DcganDiscriminator(name="dcgan", **d), (3, 32, 32), per_sample=True
        )

    assert not any(isinstance(m, BatchNorm) for m in build().modules())
    with pytest.raises(ValueError, match="batch couples"):
        build(normalization="batch")


def test_batch_norm_equals_torchs() -> None:
    x = torch.randn(8, 5, 3, 3)
    reference = nn.BatchNorm2d(5, momentum=1.0)
    tree = {k: torch.rand(5) + 0.5 for k in ("weight", "bias")}
    reference.load_state_dict(
        {**tree, "running_mean": torch.zeros(5), "running_var": torch.ones(5)}, strict=False
    )
    ours = BatchNorm(5)
    torch.testing.assert_close(apply(ours, tree, x), reference(x))
    ours.eval(), reference.eval()
    moments = {"mean": reference.running_mean, "var": reference.running_var}
    y = torch.randn(2, 5, 3, 3)
    torch.testing.assert_close(apply(ours, tree | moments, y), reference(y))


def test_initial_parameters_follow_their_law_and_no_global_randomness() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    g, d = dcgan((3, 64, 64), width=64)
    tree = initialise(d, np.random.default_rng(0), CPU)
    assert torch.equal(before, torch.get_rng_state())
    weights = torch.cat([p.flatten() for p in tree.values() if p.ndim > 1])
    assert float(weights.std()) == pytest.approx(0.02, rel=5e-3)
    assert float(weights.mean()) == pytest.approx(0, abs=1e-4)
    scale = torch.cat(
        [
            p
            for name, p in initialise(g, np.random.default_rng(0), CPU).items()
            if "weight" in name and p.ndim == 1
        ]
    )
    assert float(scale.mean()) == pytest.approx(1, abs=0.02)
    m = networks.generator(options.MlpGenerator(name="mlp", width=300, latent_dim=100), (2,))
    first = initialise(m, np.random.default_rng(0), CPU)["layers.0.weight"]
    assert float(first.abs().max()) <= 0.1
    assert float(first.std()) == pytest.approx(0.1 / 3**0.5, rel=0.02)


def test_mlp_on_points_and_images() -> None:
    for shape in ((2,), (1, 8, 8)):
        g = networks.generator(
            options.MlpGenerator(name="mlp", width=8, latent_dim=3, normalization="batch"), shape
        )
        d = networks.discriminator(options.MlpDiscriminator(name="mlp", width=8), shape, per_sample=True)
        trees = [initialise(net, np.random.default_rng(0), CPU) for net in (g, d)]
        x = apply(g, trees[0], torch.randn(5, 3))
        assert x.shape == (5, *shape)
        assert apply(d, trees[1], x).shape == (5,)


def test_apply_is_functional_call() -> None:
    g, d = dcgan((1, 8, 8))
    for network, x in ((g, torch.randn(3, 6)), (d, torch.randn(3, 1, 8, 8))):
        first, second = (initialise(network, np.random.default_rng(k), CPU) for k in (0, 1))
        for tree in (first, second, first):
            expected = functional_call(network, tree, (x,))
            assert torch.equal(apply(network, tree, x), expected)
            gradients = torch.autograd.grad(apply(network, tree, x).sum(), list(tree.values()))
            reference = torch.autograd.grad(expected.sum(), list(tree.values()))
            assert all(torch.equal(a, b) for a, b in zip(gradients, reference, strict=True))
