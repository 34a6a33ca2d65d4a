"""Other ways to compute the same convolutions, for where the library's own are slow: small images, many
models at once, single cores.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from pipeline.training.few_channels import Halving, doubled, fits, halved

# A convolution becomes a matrix product while that multiplies at most so often as much, or at most so many
# numbers (where the calls themselves take most of the time).
TIMES_DIRECT, FEW_PRODUCTS = 2, 4_000_000

_NHWC = torch.channels_last
_NCHW = torch.contiguous_format


class Convolutions(TorchFunctionMode):
    """While it is active, convolutions of square images inside networks are computed

    - as one matrix product with the (c h w, o h' w') matrix that the convolution is, where that is small;
    - of the rest, where `unfolded`, as matrix products with the image's patches (im2col), which many models
      at once do as one batched product;
    - otherwise by the library, with channels last in memory where `channels_last`, which its kernels prefer,
      and on CPUs by `few_channels` where that is faster.

    The same functions up to the order of summation, derivatives of every order included.
    """

    def __init__(self, *, channels_last: bool = False, unfolded: bool = False) -> None:
        super().__init__()
        self.channels_last, self.unfolded = channels_last, unfolded

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in (torch.conv2d, torch.conv_transpose2d):
            return self._convolution(function, args, kwargs)
        if self.channels_last and args and isinstance(args[0], Tensor) and args[0].ndim == 4:
            # Normalisations and activations would slow down between the two layouts.
            if function in (F.batch_norm, torch.batch_norm, F.group_norm, torch.group_norm):
                return function(_laid_out(args[0], _NHWC), *args[1:], **kwargs)
            if function in (torch.flatten, Tensor.flatten):
                return function(_laid_out(args[0], _NCHW), *args[1:], **kwargs)
        return function(*args, **kwargs)

    def _convolution(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Tensor:
        x, weight, bias, *rest = args
        shape = _shape(function, x, weight, *rest, **kwargs)
        if shape is None or not (shape.small or self.unfolded):
            if not self.channels_last:
                return function(x, weight, bias, *rest, **kwargs)
            x, weight = _laid_out(x, _NHWC), _laid_out(weight, _NHWC)
            halving = None if shape is None or x.is_cuda else shape.halving
            if halving is None:
                return function(x, weight, bias, *rest, **kwargs)
            y = (doubled if function is torch.conv_transpose2d else halved)(x, weight, halving)
        elif shape.small:
            y = _as_matrix(x, weight, shape)
        else:
            y = _unfolded(x, weight, shape)
        if not self.channels_last:
            y = y.contiguous()
        return y if bias is None else y + bias[:, None, None]


class _Shape(NamedTuple):
    """Of a convolution of b square images, c channels of side n to o channels of side m."""

    transposed: bool
    b: int
    c: int
    o: int
    kernel: int
    stride: int
    padding: int
    n: int
    m: int

    @property
    def small(self) -> bool:
        """Whether the matrix product of the whole convolution is cheap."""
        direct = self.b * self.c * self.o * self.kernel**2 * min(self.n, self.m) ** 2
        pairs = self.c * self.o * self.n**2 * self.m**2
        products = pairs * (self.b + self.kernel**2)
        return products <= max(TIMES_DIRECT * direct, FEW_PRODUCTS)

    @property
    def halving(self) -> Halving | None:
        """As `few_channels` names it, if it is one."""
        few, small, large = (self.o, self.n, self.m) if self.transposed else (self.c, self.m, self.n)
        if not fits(few, self.kernel, self.stride, self.padding, small, large):
            return None
        return Halving(few, self.kernel, self.padding, small)


def _shape(
    function: Callable[..., Any],
    x: Tensor,
    weight: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    *rest: Any,
    **kwargs: Any,
) -> _Shape | None:
    """None where only the library will do: other than square, dilated, grouped, padded by name."""
    transposed = function is torch.conv_transpose2d
    kernel, n = weight.shape[-1], x.shape[-1]
    more = rest[0] if transposed and rest else 0  # output padding; then groups and dilation, of both
    numbers = [_one(value) for value in (stride, padding, more)]
    plain = all(_one(value) == 1 for value in (rest[1:] if transposed else rest))
    if None in numbers or not plain or kwargs:
        return None
    if weight.shape[-2] != kernel or x.shape[-2] != n or x.ndim != 4:
        return None
    s, p, extra = (value or 0 for value in numbers)
    m = (n - 1) * s - 2 * p + kernel + extra if transposed else (n + 2 * p - kernel) // s + 1
    o, c = (weight.shape[1], weight.shape[0]) if transposed else (weight.shape[0], weight.shape[1])
    return _Shape(transposed, x.shape[0], c, o, kernel, s, p, n, m)


def _one(value: Any) -> int | None:
    """A number that stands for both axes."""
    if isinstance(value, int):
        return value
    pair = set(value) if isinstance(value, tuple | list) else set()
    return pair.pop() if len(pair) == 1 else None


@functools.lru_cache(maxsize=256)
def _selection(shape: _Shape, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(n n, m m, kernel kernel) of 0 and 1: which weight connects an input place with an output place."""
    small, large = (shape.n, shape.m) if shape.transposed else (shape.m, shape.n)
    tap, inner, outer = (torch.arange(k) for k in (shape.kernel, small, large))
    meets = outer == shape.stride * inner[:, None, None] + tap[:, None] - shape.padding  # (small, tap, large)
    line = meets.permute(0, 2, 1) if shape.transposed else meets.permute(2, 0, 1)  # (n, m, tap)
    both = torch.einsum("ijt,klu->ikjltu", line.float(), line.float())
    return both.reshape(shape.n**2, shape.m**2, shape.kernel**2).to(device, dtype)


def _as_matrix(x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    taps = weight.flatten(2).transpose(1, 2) if shape.transposed else weight.flatten(2).permute(1, 2, 0)
    places = _selection(shape, x.device, weight.dtype).flatten(0, 1)  # (n n m m, taps)
    # One output channel would make thin products of places with taps.
    matrix = taps.squeeze(2) @ places.T if shape.o == 1 else places @ taps
    y = x.flatten(1) @ matrix.reshape(shape.c * shape.n**2, shape.m**2 * shape.o)
    return y.view(-1, shape.m, shape.m, shape.o).permute(0, 3, 1, 2)


def _unfolded(x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    rows = weight.flatten(1)  # (o, c taps), or (c, o taps) of a transposed convolution
    if shape.transposed:
        patches = rows.T @ x.transpose(0, 1).flatten(1)
        patches = patches.view(len(patches), shape.b, -1).transpose(0, 1)
        return F.fold(patches, (shape.m, shape.m), shape.kernel, padding=shape.padding, stride=shape.stride)
    patches = F.unfold(x, shape.kernel, padding=shape.padding, stride=shape.stride)  # (b, c taps, m m)
    y = rows @ patches.transpose(0, 1).flatten(1)
    return y.view(shape.o, shape.b, shape.m, shape.m).transpose(0, 1)


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
