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

# A convolution becomes a matrix product while that multiplies at most so often as much, or at most so many
# numbers (where the calls themselves take most of the time).
TIMES_DIRECT, FEW_PRODUCTS = 2, 4_000_000
# Up to so many channels the library's transposed convolutions waste most of a vector register.
FEW_CHANNELS = 4

_NHWC = torch.channels_last
_NCHW = torch.contiguous_format


class Convolutions(TorchFunctionMode):
    """While it is active, convolutions of square images inside networks are computed

    - as one matrix product with the (c h w, o h' w') matrix that the convolution is, where that is small;
    - of the rest, where `unfolded`, as matrix products with the image's patches (im2col), which many models
      at once do as one batched product;
    - otherwise by the library, with channels last in memory where `channels_last`, which its kernels prefer.

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
        if shape is not None and (shape.small or self.unfolded):
            y = _as_matrix(x, weight, shape) if shape.small else _unfolded(x, weight, shape)
            if not self.channels_last:
                y = y.contiguous()
            return y if bias is None else y + bias[:, None, None]
        if self.channels_last:
            x, weight = _laid_out(x, _NHWC), _laid_out(weight, _NHWC)
            if shape is not None and shape.to_or_from_few and not x.is_cuda:
                y = (_ToFew if shape.transposed else _FromFew).apply(x, weight, shape)
                return y if bias is None else y + bias[:, None, None]
        return function(x, weight, bias, *rest, **kwargs)


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
    def to_or_from_few(self) -> bool:
        """Whether it halves an image of few channels or doubles one to few, as first and last layers do."""
        few, small, large = (self.o, self.n, self.m) if self.transposed else (self.c, self.m, self.n)
        fits = self.kernel - 2 * self.padding in (1, 2) and self.kernel <= 5 and large == 2 * small
        return few <= FEW_CHANNELS and self.stride == 2 and fits

    @property
    def adjoint(self) -> _Shape:
        """Of the convolution that carries gradients back."""
        return self._replace(transposed=not self.transposed, c=self.o, o=self.c, n=self.m, m=self.n)


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
    extra = rest[0] if transposed and rest else 0
    plain = (0, 0, 1, 1) if transposed else (1, 1)  # output padding, groups and dilation, in their order
    numbers = [_one(value) for value in (stride, padding, extra, *rest[1 if transposed else 0 :])]
    if None in numbers or kwargs or weight.shape[-2] != kernel or x.shape[-2] != n or x.ndim != 4:
        return None
    s, p, more, *others = (int(v) for v in numbers if v is not None)
    if any(value != 1 for value in others) or len(others) > len(plain):
        return None
    m = (n - 1) * s - 2 * p + kernel + more if transposed else (n + 2 * p - kernel) // s + 1
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
    if shape.o == 1:
        matrix = taps.squeeze(2) @ places.T  # one output channel would make thin products
    else:
        matrix = places @ taps  # of each input channel its (taps, o)
    y = x.flatten(1) @ matrix.reshape(shape.c * shape.n**2, shape.m**2 * shape.o)
    return y.view(-1, shape.m, shape.m, shape.o).permute(0, 3, 1, 2)


def _unfolded(x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    rows = weight.flatten(1)  # (o, c taps), or (c, o taps) of a transposed convolution
    if shape.transposed:
        patches = (rows.T @ x.transpose(0, 1).flatten(1)).unflatten(1, (shape.b, -1)).transpose(0, 1)
        return F.fold(
            patches, (shape.m, shape.m), shape.kernel, padding=shape.padding, stride=shape.stride
        )
    patches = F.unfold(x, shape.kernel, padding=shape.padding, stride=shape.stride)  # (b, c taps, m m)
    y = rows @ patches.transpose(0, 1).flatten(1)
    return y.unflatten(1, (shape.b, shape.m, shape.m)).transpose(0, 1)


@functools.lru_cache(maxsize=64)
def _phases(kernel: int, padding: int, dtype: torch.dtype) -> Tensor:
    """(kernel kernel, 2 2 3 3) of 0 and 1: output 2 i + half is fed by input i + place - 1 through the tap
    with 2 (i + place - 1) + tap - padding = 2 i + half.
    """
    half, place, tap = torch.arange(2), torch.arange(3), torch.arange(kernel)
    meets = (2 * (place[:, None] - 1) + tap == half[:, None, None] + padding).to(dtype)
    return torch.einsum("ipk,jql->klijpq", meets, meets).reshape(kernel**2, 36)


def _doubled(x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    """The transposed convolution as one of 3x3 that makes the four pixels of each place side by side."""
    halves = weight.flatten(2) @ _phases(shape.kernel, shape.padding, weight.dtype)
    small = halves.view(shape.c, shape.o, 4, 3, 3).permute(2, 1, 0, 3, 4).flatten(0, 1)
    y = F.conv2d(x, small.contiguous(memory_format=_NHWC), padding=1).permute(0, 2, 3, 1)
    y = y.unflatten(3, (2, 2, shape.o)).transpose(2, 3).reshape(shape.b, shape.m, shape.m, shape.o)
    return y.permute(0, 3, 1, 2)


def _weight_gradient(small: Tensor, large: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
    """Of the convolution from the large image to the small one, and so of its adjoint."""
    return torch.nn.grad.conv2d_weight(large, weight.shape, small, shape.stride, shape.padding)  # type: ignore[arg-type]


class _ToFew(torch.autograd.Function):
    """A transposed convolution to few channels."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
        return _doubled(x, weight, shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, weight, ctx.shape = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (x, weight), (g,) = ctx.saved_tensors, gradients
        to_x = _FromFew.apply(g, weight, ctx.shape.adjoint) if ctx.needs_input_grad[0] else None
        to_weight = _weight_gradient(x, g, weight, ctx.shape) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, None


class _FromFew(torch.autograd.Function):
    """A convolution from few channels: the library's, but for the gradient of its input."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, shape: _Shape) -> Tensor:
        return F.conv2d(x, weight, None, shape.stride, shape.padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, weight, ctx.shape = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (x, weight), (g,) = ctx.saved_tensors, gradients
        to_x = _ToFew.apply(g, weight, ctx.shape.adjoint) if ctx.needs_input_grad[0] else None
        to_weight = _weight_gradient(g, x, weight, ctx.shape) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, None


class _Layout(torch.autograd.Function):
    """The same numbers in another memory format, and the gradient in the format that came in."""

    generate_vmap_rule = True

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
    return _Layout.apply(x, layout)  # type: ignore[no-any-return]
