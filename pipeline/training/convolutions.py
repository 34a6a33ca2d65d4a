"""Other ways to compute the same convolutions of square images, for where the library's own are slow: small
images, many models at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.training.few_channels import Halving, fits

# A convolution becomes a matrix product while that multiplies at most so often as much, or at most so many
# numbers (where the calls themselves take most of the time).
TIMES_DIRECT, FEW_PRODUCTS = 2, 4_000_000


class Shape(NamedTuple):
    """A convolution of b square images, c channels of side n to o channels of side m."""

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


def shape_of(
    function: Callable[..., Any],
    x: Tensor,
    weight: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    *rest: Any,
) -> Shape | None:
    """None where only the library will do: other than square, dilated, grouped, padded by name."""
    transposed = function is torch.conv_transpose2d
    kernel, n = weight.shape[-1], x.shape[-1]
    more = rest[0] if transposed and rest else 0  # output padding; then groups and dilation, of both
    numbers = [_one(value) for value in (stride, padding, more)]
    plain = all(_one(value) == 1 for value in (rest[1:] if transposed else rest))
    if None in numbers or not plain:
        return None
    if weight.shape[-2] != kernel or x.shape[-2] != n or x.ndim != 4:
        return None
    s, p, extra = (value or 0 for value in numbers)
    m = (n - 1) * s - 2 * p + kernel + extra if transposed else (n + 2 * p - kernel) // s + 1
    o, c = (weight.shape[1], weight.shape[0]) if transposed else (weight.shape[0], weight.shape[1])
    return Shape(transposed, x.shape[0], c, o, kernel, s, p, n, m)


def _one(value: Any) -> int | None:
    """A number that stands for both axes."""
    if isinstance(value, int):
        return value
    pair = set(value) if isinstance(value, tuple | list) else set()
    return pair.pop() if len(pair) == 1 else None


@functools.lru_cache(maxsize=256)
def _selection(shape: Shape, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(n n, m m, kernel kernel) of 0 and 1: which weight connects an input place with an output place."""
    small, large = (shape.n, shape.m) if shape.transposed else (shape.m, shape.n)
    tap, inner, outer = (torch.arange(k) for k in (shape.kernel, small, large))
    meets = outer == shape.stride * inner[:, None, None] + tap[:, None] - shape.padding  # (small, tap, large)
    line = meets.permute(0, 2, 1) if shape.transposed else meets.permute(2, 0, 1)  # (n, m, tap)
    both = torch.einsum("ijt,klu->ikjltu", line.float(), line.float())
    return both.reshape(shape.n**2, shape.m**2, shape.kernel**2).to(device, dtype)


def as_matrix(x: Tensor, weight: Tensor, shape: Shape) -> Tensor:
    """The convolution as one product with the (c n n, m m o) matrix that it is; channels last in memory."""
    taps = weight.flatten(2).transpose(1, 2) if shape.transposed else weight.flatten(2).permute(1, 2, 0)
    places = _selection(shape, x.device, weight.dtype).flatten(0, 1)  # (n n m m, taps)
    # One output channel would make thin products of places with taps.
    matrix = taps.squeeze(2) @ places.T if shape.o == 1 else places @ taps
    y = x.flatten(1) @ matrix.reshape(shape.c * shape.n**2, shape.m**2 * shape.o)
    return y.view(-1, shape.m, shape.m, shape.o).permute(0, 3, 1, 2)


def unfolded(x: Tensor, weight: Tensor, shape: Shape) -> Tensor:
    """The convolution as a product with the image's patches (im2col)."""
    rows = weight.flatten(1)  # (o, c taps), or (c, o taps) of a transposed convolution
    if shape.transposed:
        patches = rows.T @ x.transpose(0, 1).flatten(1)
        patches = patches.view(len(patches), shape.b, -1).transpose(0, 1)
        return F.fold(patches, (shape.m, shape.m), shape.kernel, padding=shape.padding, stride=shape.stride)
    patches = F.unfold(x, shape.kernel, padding=shape.padding, stride=shape.stride)  # (b, c taps, m m)
    y = rows @ patches.transpose(0, 1).flatten(1)
    return y.view(shape.o, shape.b, shape.m, shape.m).transpose(0, 1)
