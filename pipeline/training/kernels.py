"""What networks' layers are computed with while a program is traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from pipeline.training.convolutions import as_matrix, shape_of, unfolded
from pipeline.training.few_channels import doubled, halved

_NHWC = torch.channels_last
_NCHW = torch.contiguous_format


class Kernels(TorchFunctionMode):
    """While it is active, convolutions are computed

    - as one matrix product, where that is small;
    - of the rest, where `unfolded`, as products with patches, which many models at once do as one;
    - otherwise by the library: of many models at once (`stacked`) in groups, of one with channels last in
      memory, which its kernels prefer, and on CPUs by `few_channels` where that is faster.

    Batch norms of many models are written out: the derivative of vmap's own has wrong derivatives (torch
    2.13: 1 % off in an unrolled GAN). All are the same functions up to the order of summation, derivatives of
    every order included.
    """

    def __init__(self, *, stacked: bool, unfolded: bool) -> None:
        super().__init__()
        self.stacked, self.unfolded = stacked, unfolded

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in (torch.conv2d, torch.conv_transpose2d) and len(args) >= 3 and not kwargs:
            return self._convolution(function, *args)
        if function is F.batch_norm and self.stacked:
            return _batch_norm(*args, **kwargs)
        if not self.stacked and args and isinstance(args[0], Tensor) and args[0].ndim == 4:
            # Normalisations and activations would slow down between the two layouts.
            if function in (F.batch_norm, torch.batch_norm, F.group_norm, torch.group_norm):
                return function(_laid_out(args[0], _NHWC), *args[1:], **kwargs)
            if function in (torch.flatten, Tensor.flatten):
                return function(_laid_out(args[0], _NCHW), *args[1:], **kwargs)
        return function(*args, **kwargs)

    def _convolution(
        self, function: Callable[..., Any], x: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any
    ) -> Tensor:
        shape = shape_of(function, x, weight, *rest)
        if shape is not None and (shape.small or self.unfolded):
            y = as_matrix(x, weight, shape) if shape.small else unfolded(x, weight, shape)
            if self.stacked:
                y = y.contiguous()  # vmap cannot ask for the layout of what follows
            return _shifted(y, bias)
        if self.stacked:
            return function(x, weight, bias, *rest)
        x, weight = _laid_out(x, _NHWC), _laid_out(weight, _NHWC)
        halving = None if shape is None or x.is_cuda else shape.halving
        if halving is None:
            return function(x, weight, bias, *rest)
        return _shifted((doubled if function is torch.conv_transpose2d else halved)(x, weight, halving), bias)


def _shifted(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias[:, None, None]


def _batch_norm(
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    over = [0, *range(2, x.ndim)]
    wide = (-1, *[1] * (x.ndim - 2))
    if training:
        centred = x - x.mean(over, keepdim=True)
        scale = (centred.square().mean(over, keepdim=True) + eps).rsqrt() * weight.view(wide)
    else:
        assert mean is not None
        assert var is not None
        centred = x - mean.view(wide)
        scale = ((var + eps).rsqrt() * weight).view(wide)
    return centred * scale + bias.view(wide)


class _Layout(torch.autograd.Function):
    """The same numbers in another memory format, and the gradient in the format that came in."""

    @staticmethod
    def forward(x: Tensor, layout: torch.memory_format) -> Tensor:
        return x.contiguous(memory_format=layout)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, _ = inputs
        ctx.layout = _NCHW if x.is_contiguous() else _NHWC

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _laid_out(gradients[0], ctx.layout), None


def _laid_out(x: Tensor, layout: torch.memory_format) -> Tensor:
    if x.is_contiguous(memory_format=layout):
        return x
    found: Tensor = _Layout.apply(x, layout)  # type: ignore[no-untyped-call]
    return found
