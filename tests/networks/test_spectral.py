"""Spectral normalisation against the singular value decomposition, torch's own, and a matrix worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from pipeline import networks, options
from pipeline.networks.normalization import BatchNorm
from pipeline.networks.parameters import Tree, apply, count, initialise, trained
from pipeline.networks.spectral import Spectral, iterate, spectrally_normalised

CPU = torch.device("cpu")
KEY, U = "parametrizations.weight.original", "parametrizations.weight.0.u"


def layer(network: nn.Module, seed: int = 0) -> tuple[nn.Module, Tree]:
    return spectrally_normalised(network), initialise(network, np.random.default_rng(seed), CPU)


def linear(inputs: int, outputs: int) -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(inputs, outputs, bias=False)


def settled(network: nn.Module, tree: Tree, iterations: int = 300) -> Tree:
    for _ in range(iterations):
        iterate(network, tree)
    return tree


def test_one_iteration_by_hand() -> None:
    # W = diag(3, 1), u = (1, 1) / sqrt 2: v = (3, 1) / sqrt 10, sigma = |W v| = sqrt 8.2, next u = (9, 1) / sqrt 82.
    network, tree = layer(linear(2, 2))
    tree[KEY] = torch.diag(torch.tensor([3.0, 1.0]))
    tree[U] = torch.full((2,), 0.5**0.5)
    x = torch.eye(2)
    torch.testing.assert_close(apply(network, tree, x), tree[KEY] / math.sqrt(8.2))
    torch.testing.assert_close(apply(network, tree, x), tree[KEY] / math.sqrt(8.2))  # reading moves nothing
    iterate(network, tree)
    torch.testing.assert_close(tree[U], torch.tensor([9.0, 1.0]) / math.sqrt(82))


@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (1, 5), (6, 3, 4, 4)])
def test_after_many_iterations_sigma_is_the_largest_singular_value(shape: tuple[int, ...]) -> None:
    with torch.device("meta"):
        plain = linear(shape[1], shape[0]) if len(shape) == 2 else nn.Conv2d(3, 6, 4, bias=False)
    network, tree = layer(plain)
    settled(network, tree)
    weight = tree[KEY].detach()
    sigma = torch.linalg.svdvals(weight.flatten(1))[0]
    apply(network, tree, torch.zeros(1, *([shape[1]] if len(shape) == 2 else [3, 4, 4])))
    torch.testing.assert_close(network.weight.detach(), weight / sigma, rtol=1e-5, atol=1e-6)


def test_values_and_gradients_equal_torchs_after_many_iterations() -> None:
    network, tree = layer(linear(5, 4))
    settled(network, tree)
    reference = nn.Linear(5, 4, bias=False)
    reference.weight = nn.Parameter(tree[KEY].detach().clone())
    parametrizations.spectral_norm(reference, n_power_iterations=1000)
    x, weights = torch.randn(6, 5), torch.randn(6, 4)
    ours, theirs = apply(network, tree, x), reference(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), tree[KEY])
    (expected,) = torch.autograd.grad((theirs * weights).sum(), reference.parametrizations.weight.original)  # type: ignore[union-attr]
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4)


def test_the_gradient_is_that_of_the_papers_equation_12() -> None:
    # With A = dV / dW_SN: dV / dW = (A - <A, W_SN> u v') / sigma, u and v the first singular vectors.
    network, tree = layer(linear(5, 4))
    settled(network, tree)
    u, s, vh = torch.linalg.svd(tree[KEY].detach())
    x, weights = torch.randn(6, 5), torch.randn(6, 4)
    (gradient,) = torch.autograd.grad((apply(network, tree, x) * weights).sum(), tree[KEY])
    a = weights.T @ x
    normalised = tree[KEY].detach() / s[0]
    expected = (a - (a * normalised).sum() * torch.outer(u[:, 0], vh[0])) / s[0]
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4)


def mlp(width: int = 16) -> nn.Module:
    return networks.discriminator(
        options.MlpDiscriminator(name="mlp", width=width), (2,), per_sample=False, spectral_norm=True
    )


def test_a_discriminator_becomes_1_lipschitz() -> None:
    network, tree = layer(mlp())
    settled(network, tree)
    rng = np.random.default_rng(1)
    x, y = (torch.tensor(rng.normal(size=(500, 2)), dtype=torch.float32) for _ in range(2))
    steps = (apply(network, tree, x) - apply(network, tree, y)).abs()
    assert bool((steps <= (x - y).norm(dim=1) * (1 + 1e-5)).all())


def test_what_is_trained_stays_the_same_and_twice_is_once() -> None:
    plain = mlp()
    before = count(plain)
    network, tree = layer(plain)
    assert count(network) == before == sum(t.numel() for t in trained(tree))
    assert count(spectrally_normalised(network)) == before
    states = {name: tensor for name, tensor in tree.items() if not tensor.requires_grad}
    assert len(states) == 4 == sum(isinstance(m, Spectral) for m in network.modules())
    for tensor in states.values():
        assert float(tensor.norm()) == pytest.approx(1, abs=1e-6)


def kinds(normalization: str, *, per_sample: bool) -> set[type[nn.Module]]:
    o = options.DcganDiscriminator(name="dcgan", width=4, normalization=normalization)  # type: ignore[arg-type]
    network = networks.discriminator(o, (1, 8, 8), per_sample=per_sample, spectral_norm=True)
    return {type(module) for module in network.modules()} & {BatchNorm, nn.GroupNorm}


def test_auto_means_no_other_normalisation() -> None:
    assert kinds("auto", per_sample=False) == kinds("auto", per_sample=True) == set()
    assert kinds("batch", per_sample=False) == {BatchNorm}
    assert kinds("layer", per_sample=True) == {nn.GroupNorm}


def test_second_derivatives_pass_as_gradient_penalties_need_them() -> None:
    network, tree = layer(mlp(4))
    x = torch.randn(3, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(apply(network, tree, x).sum(), x, create_graph=True)
    gradients: tuple[Tensor, ...] = torch.autograd.grad(
        slope.square().sum(), [w for w in trained(tree) if w.ndim > 1]
    )
    assert all(bool(torch.isfinite(g).all()) and float(g.abs().sum()) > 0 for g in gradients)
