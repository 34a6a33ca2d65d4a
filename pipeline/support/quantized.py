"""Samples rounded to integers, whose products every processor computes exactly."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Far above the float64 rounding of thresholds and of directly computed distances, far below what it is added
# to.
_SLACK = 1e-9
# Fine integers are 256 times the coarse ones plus a remainder of 8 bits.
_FINE = 256


class Rounding(NamedTuple):
    """step: the unit of the integers. radius: the most by which the distance of two rounded samples is off.

    largest: the largest squared distance that can occur; places that are no pair hold more.
    """

    step: float
    radius: float
    largest: int

    def distance(self, square: float) -> float:
        """The distance that an integer square stands for."""
        return self.step * math.sqrt(square)

    def above(self, distance: float) -> int:
        """Squares above this belong to pairs farther apart than `distance`."""
        steps = (distance * (1 + _SLACK) + self.radius) / self.step
        return math.floor(min(steps * steps * (1 + _SLACK), self.largest)) if distance >= 0 else -1

    def below(self, distance: float) -> int:
        """Squares up to this belong to pairs no farther apart than `distance`."""
        steps = (distance * (1 - _SLACK) - self.radius) / self.step
        return math.floor(min(steps * steps * (1 - _SLACK), self.largest)) if steps >= 0 else -1


class Quantized:
    """Integers q and remainders p with x - mean ~ step q ~ step (q + p / 256), and the bounds on what
    rounding moved.

    The step is a power of two, so that step^2 |q_i - q_j|^2 is exact.
    """

    def __init__(self, x: np.ndarray) -> None:
        d = x.shape[1]
        # 8 bits, fewer for very long vectors: squared distances, at most 4 d levels^2, must fit in 31 bits.
        self._levels = min(127, math.isqrt((2**31 - 2) // (4 * d)))
        mean = x.mean(0, dtype=np.float64)
        largest = max(float((x.max(0) - mean).max()), float((mean - x.min(0)).max()))
        step = math.ldexp(1.0, math.ceil(math.log2(largest / self._levels))) if largest > 0 else 1.0
        # Zero columns up to whole vector registers: torch's integer product is wrong for a single column
        # (2.13).
        padded = (len(x), -(-d // 64) * 64)
        q, p = torch.zeros(padded, dtype=torch.int8), torch.zeros(padded, dtype=torch.int8)
        moved = [0.0, 0.0]
        for k in range(0, len(x), 1024):
            y = torch.tensor(x[k : k + 1024], dtype=torch.float64).sub_(torch.from_numpy(mean)).mul_(1 / step)
            whole = y.round()
            q[k : k + 1024, :d] = whole
            y.sub_(whole)
            moved[0] = max(moved[0], float(y.square().sum(1).max()))
            y.mul_(_FINE)
            part = y.round().clamp_(-127, 127)
            p[k : k + 1024, :d] = part
            moved[1] = max(moved[1], float(y.sub_(part).square_().sum(1).max()))
        centring = 2.0**-49 * float(np.abs(x).max()) * math.sqrt(d)
        radii = [
            2 * (u * math.sqrt(m) * (1 + _SLACK) + centring)
            for u, m in zip((step, step / _FINE), moved, strict=True)
        ]
        self.coarse = Rounding(step, radii[0], 2**31 - 2)
        self.fine = Rounding(step / _FINE, radii[1], 2**52)
        self.integers, self._parts = q, p
        self._norms = _rowwise(self.integers, self.integers)
        self._fine_norms = (
            self._norms.double() * _FINE**2
            + _rowwise(self.integers, self._parts).double() * (2 * _FINE)
            + _rowwise(self._parts, self._parts).double()
        )

    def squared_distances(self, i: int, j: int, block: int) -> Tensor:
        """(b, b') int32 |q_i - q_j|^2 of rows i.. and columns j..; 2^31 - 1 where the row does not come
        before the column.
        """
        rows, columns = slice(i, i + block), slice(j, j + block)
        squares = self._norms[rows, None] + self._norms[None, columns]
        squares.sub_(self._product(self.integers[rows], self.integers[columns]), alpha=2)
        return _only_pairs(squares, i, j, 2**31 - 1)

    def fine_squared_distances(self, i: int, j: int, block: int) -> Tensor:
        """(b, b') float64, exact integers: |256 (q_i - q_j) + p_i - p_j|^2; infinity: no pair."""
        rows, columns = slice(i, i + block), slice(j, j + block)
        q, p = self.integers, self._parts
        products = self._product(q[rows], q[columns]).double().mul_(_FINE**2)
        mixed = self._product(q[rows], p[columns]) + self._product(p[rows], q[columns])
        products.add_(mixed, alpha=_FINE).add_(self._product(p[rows], p[columns]))
        squares = self._fine_norms[rows, None] + self._fine_norms[None, columns]
        return _only_pairs(squares.sub_(products, alpha=2), i, j, math.inf)

    def _product(self, a: Tensor, b: Tensor) -> Tensor:
        """All inner products of int8 rows (n, d) and (m, d), int32 (n, m), by the fastest exact way of this
        processor.
        """
        return torch._int_mm(a, b.T) if _fast_int8() else float_product(a, b)


def float_product(a: Tensor, b: Tensor) -> Tensor:
    """The same through float32, which holds integers up to 2^24: sums of so few columns are exact in any
    order.
    """
    columns = 2**24 // 127**2
    total = torch.zeros(len(a), len(b), dtype=torch.int32)
    for k in range(0, a.shape[1], columns):
        total += torch.mm(a[:, k : k + columns].float(), b[:, k : k + columns].float().T).to(torch.int32)
    return total


def _fast_int8() -> bool:
    supported = getattr(
        torch.cpu, "_is_vnni_supported", getattr(torch.cpu, "_is_avx512_vnni_supported", None)
    )
    return bool(supported and supported())


def _rowwise(a: Tensor, b: Tensor) -> Tensor:
    parts = [
        (x.int() * y.int()).sum(1, dtype=torch.int32)
        for x, y in zip(torch.split(a, 1024), torch.split(b, 1024), strict=True)
    ]
    return torch.cat(parts)


def _only_pairs(squares: Tensor, i: int, j: int, no_pair: float) -> Tensor:
    if i != j:
        return squares
    return squares.masked_fill_(torch.ones_like(squares, dtype=torch.bool).tril_(), no_pair)
