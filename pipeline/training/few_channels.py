"""Convolutions that halve an image of few channels, and their adjoints, on CPUs.

Up to four channels fill little of a vector register, and the library's transposed convolution to so few takes
twice the time of a 3x3 convolution that makes the four pixels of each place side by side.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

FEW_CHANNELS = 4


class Halving(NamedTuple):
    """Of a convolution of stride 2 from few channels of a large image to a small image, `side` wide."""

    few: int
    kernel: int
    padding: int
    side: int


def fits(few: int, kernel: int, stride: int, padding: int, small: int, large: int) -> bool:
    """Whether a convolution from (few, large, large) to (.., small, small) is meant."""
    even = stride == 2 and large == 2 * small and kernel <= 5 and kernel - 2 * padding in (1, 2)
    return even and few <= FEW_CHANNELS


def halved(x: Tensor, weight: Tensor, of: Halving) -> Tensor:
    """The convolution: (b, few, 2 side, 2 side), weight (c, few, kernel, kernel) -> (b, c, side, side)."""
    return _applied(_Halved, x, weight, of)


def doubled(x: Tensor, weight: Tensor, of: Halving) -> Tensor:
    """Its adjoint, the transposed convolution: (b, c, side, side) -> (b, few, 2 side, 2 side)."""
    return _applied(_Doubled, x, weight, of)


class _Halved(torch.autograd.Function):
    """The library's, but for the gradient of its input."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, of: Halving) -> Tensor:
        return F.conv2d(x, weight, None, 2, of.padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, weight, ctx.of = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (x, weight), (g,) = ctx.saved_tensors, gradients
        to_x = doubled(g, weight, ctx.of) if ctx.needs_input_grad[0] else None
        return to_x, _weight_gradient(g, x, weight, ctx) if ctx.needs_input_grad[1] else None, None


class _Doubled(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, of: Halving) -> Tensor:
        b, c, side, _ = x.shape
        halves = weight.flatten(2) @ _phases(of.kernel, of.padding, weight.dtype)
        small = halves.view(c, of.few, 4, 3, 3).permute(2, 1, 0, 3, 4).flatten(0, 1)
        y = F.conv2d(x, small.contiguous(memory_format=torch.channels_last), padding=1)
        y = y.permute(0, 2, 3, 1).view(b, side, side, 2, 2, of.few).transpose(2, 3)
        return y.reshape(b, 2 * side, 2 * side, of.few).permute(0, 3, 1, 2)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, weight, ctx.of = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (x, weight), (g,) = ctx.saved_tensors, gradients
        to_x = halved(g, weight, ctx.of) if ctx.needs_input_grad[0] else None
        return to_x, _weight_gradient(x, g, weight, ctx) if ctx.needs_input_grad[1] else None, None


@functools.lru_cache(maxsize=64)
def _phases(kernel: int, padding: int, dtype: torch.dtype) -> Tensor:
    """(kernel kernel, 2 2 3 3) of 0 and 1: output 2 i + half is fed by input i + place - 1 through the tap
    with 2 (i + place - 1) + tap - padding = 2 i + half.
    """
    half, place, tap = torch.arange(2), torch.arange(3), torch.arange(kernel)
    meets = (2 * (place[:, None] - 1) + tap == half[:, None, None] + padding).to(dtype)
    return torch.einsum("ipk,jql->klijpq", meets, meets).reshape(kernel**2, 36)


def _weight_gradient(small: Tensor, large: Tensor, weight: Tensor, ctx: Any) -> Tensor:
    """Of both: they are linear in the same weight."""
    padding, only_weight = [ctx.of.padding] * 2, [False, True, False]
    _, found, _ = torch.ops.aten.convolution_backward(
        small, large, weight, None, [2, 2], padding, [1, 1], False, [0, 0], 1, only_weight
    )
    return found


def _applied(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    found: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return found
