"""Other kernels for the same layers: equal to the library's in float64, with their first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.networks.normalization import BatchNorm
from pipeline.networks.parameters import apply, laid_out_like
from pipeline.training import convolutions
from pipeline.training.kernels import Kernels

Layer = Callable[[Tensor, Tensor], Tensor]


def with_derivatives(layer: Layer, x: Tensor, weight: Tensor) -> list[Tensor]:
    """A layer's output, its gradient, and the gradient of its gradient's square."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = layer(x, weight)
    first = torch.autograd.grad(y.tanh().sum(), (x, weight), create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), (x, weight))
    return [y, *first, *second]


def numbers(*shape: int) -> Tensor:
    return torch.tensor(np.random.default_rng(len(shape)).standard_normal(shape))


@pytest.mark.parametrize("small", [True, False], ids=["as one matrix", "not small"])
@pytest.mark.parametrize("way", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize(("few", "many"), [(1, 4), (3, 8), (8, 6)])
@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (5, 2), (3, 1)])
def test_convolutions_of_one_model(
    way: tuple[bool, bool],
    small: bool,
    few: int,
    many: int,
    kernel: int,
    stride: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not small:
        monkeypatch.setattr(convolutions, "FEW_PRODUCTS", 0)
        monkeypatch.setattr(convolutions, "TIMES_DIRECT", 0)
    stacked, unfolded = way
    weight, padding = numbers(many, few, kernel, kernel), (kernel - 1) // 2

    def halve(x: Tensor, w: Tensor) -> Tensor:
        return F.conv2d(x, w, torch.arange(many).double(), stride, padding)

    def double(x: Tensor, w: Tensor) -> Tensor:
        return F.conv_transpose2d(x, w, torch.ones(few).double(), stride, padding, kernel % 2 * (stride - 1))

    for layer, x in ((halve, numbers(2, few, 8, 8)), (double, numbers(2, many, 4, 4))):
        expected = with_derivatives(layer, x, weight)
        with Kernels(stacked=stacked, unfolded=unfolded):
            found = with_derivatives(layer, x, weight)
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("unfolded", [False, True])
@pytest.mark.parametrize("size", [4, 16])
def test_convolutions_of_many_models(unfolded: bool, size: int) -> None:
    x, weight = numbers(3, 5, 2, size, size), numbers(3, 6, 2, 4, 4)

    def layer(x: Tensor, w: Tensor) -> Tensor:
        return F.conv2d(x, w, None, 2, 1)

    with Kernels(stacked=True, unfolded=unfolded):
        found = with_derivatives(torch.vmap(layer), x, weight)
    for k in range(3):
        for ours, theirs in zip(found, with_derivatives(layer, x[k], weight[k]), strict=True):
            torch.testing.assert_close(ours[k], theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "layer",
    [
        lambda x, w: F.conv2d(x, w, None, (2, 1), 1),
        lambda x, w: F.conv2d(x, w, None, 1, 1, 2),
        lambda x, w: F.conv2d(x, w, padding="same"),
        lambda x, w: F.conv2d(x[..., :5], w, None, 2, 1),
        lambda x, w: F.conv2d(torch.cat([x, x], 1), w, None, 2, 1, 1, 2),
    ],
    ids=["uneven stride", "dilated", "padding by name", "not square", "grouped"],
)
def test_what_is_no_plain_convolution_is_left_to_the_library(layer: Layer) -> None:
    x, weight = numbers(2, 2, 8, 8), numbers(4, 2, 3, 3)
    with Kernels(stacked=True, unfolded=True):
        found = layer(x, weight)
    assert torch.equal(found, layer(x, weight))


def test_a_batch_norm_of_many_models_has_right_second_derivatives() -> None:
    """vmap's own batch norm (torch 2.13) has not: the loop over models tells."""
    norm = BatchNorm(3)

    def layer(x: Tensor, weight: Tensor) -> Tensor:
        return apply(norm, {"weight": weight, "bias": weight.flip(0)}, x)

    x, weight = numbers(4, 10, 3, 2, 2), numbers(4, 3)
    with Kernels(stacked=True, unfolded=False):
        found = with_derivatives(torch.vmap(layer), x, weight)
    for k in range(4):
        for ours, theirs in zip(found, with_derivatives(layer, x[k], weight[k]), strict=True):
            torch.testing.assert_close(ours[k], theirs, rtol=1e-8, atol=1e-10)


def test_a_fused_optimizer_needs_gradients_laid_out_like_their_parameters() -> None:
    """The step itself is the witness: it differs where strides do, unless the gradient is laid out anew."""
    gradient = numbers(3, 2, 4, 4).float()
    strange = gradient.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3)

    def step(g: Tensor) -> Tensor:
        weight = torch.zeros(3, 2, 4, 4, requires_grad=True)
        weight.grad = g
        torch.optim.Adam([weight], fused=True).step()
        return weight.detach()

    assert torch.equal(strange, gradient)
    assert torch.equal(step(laid_out_like(strange, torch.zeros(3, 2, 4, 4))), step(gradient))
    assert laid_out_like(gradient, torch.zeros(3, 2, 4, 4)) is gradient
