"""One block of pairs after another: integer squared distances, their histogram, and the small ones.

`CpuBlocks` multiplies in int8 where the processor has it and reads the products in compiled loops;
`TorchBlocks` is the same in torch operations, for GPUs. Both are exact, so they agree in every bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.support import kernels
from pipeline.support.histogram import RAW_BINS, SHIFT
from pipeline.support.quantized import FINE, Quantized

# Columns whose products of 8-bit integers are sure to fit: in int32, and in float32's 24 bits.
_INT32_COLUMNS = 1 << 17
_FLOAT_COLUMNS = 2**24 // 127**2
_NO_FINE_PAIR = 2**62


class Found(NamedTuple):
    """Places in a block, row by row, and the integer squared distances there, int64."""

    rows: np.ndarray
    columns: np.ndarray
    squares: np.ndarray


class Blocks(Protocol):
    """Looks at one block at a time. A place whose row does not come before its column is no pair."""

    def load(self, i: int, j: int) -> None:
        """Take up rows i.. against columns j.., rounded coarsely, and count their squared distances."""

    def refine(self) -> None:
        """The same block, rounded finely."""

    def smallest(self, k: int) -> float:
        """The k-th smallest square of the block; infinity if it has no k pairs."""

    def up_to(self, limit: int) -> Found:
        """The squares of the block that do not exceed the limit."""

    def counts(self) -> np.ndarray:
        """(RAW_BINS,) int64: the histogram of all blocks loaded."""


class CpuBlocks:
    """One thread's blocks on a CPU."""

    def __init__(self, quantized: Quantized, block: int, row_end: int, column_end: int) -> None:
        self._q, self._block, self._ends = quantized, block, (row_end, column_end)
        self._integers = torch.from_numpy(quantized.integers)
        self._products = torch.empty(block * block, dtype=torch.int32)
        self._places = np.empty((2, block * block), np.int32)
        self._values = np.empty(block * block, np.int64)
        self._counts = np.zeros((kernels.COPIES, RAW_BINS), np.int64)

    def load(self, i: int, j: int) -> None:
        ends = (min(k + self._block, end) for k, end in zip((i, j), self._ends, strict=True))
        self._at = tuple(slice(k, end) for k, end in zip((i, j), ends, strict=True))
        rows, columns = self._at
        a, b = self._integers[rows], self._integers[columns]
        products = self._products[: len(a) * len(b)].view(len(a), len(b))
        inner_products(a, b, products)
        self._squares = products.numpy()
        kernels.squares_of(self._squares, self._q.norms[rows], self._q.norms[columns], i == j)
        kernels.tally(self._squares, SHIFT, self._counts, i == j)

    def refine(self) -> None:
        q = self._integers
        p, norms = zip(*(self._q.remainders(side) for side in self._at), strict=True)
        rows, columns = self._at
        squares = norms[0][:, None] + norms[1]
        part = torch.empty(squares.shape, dtype=torch.int32)
        for a, b, weight in _fine_products(
            q[rows], torch.from_numpy(p[0]), q[columns], torch.from_numpy(p[1])
        ):
            inner_products(a, b, part)
            kernels.add(squares, part.numpy(), -2 * weight)
        if rows == columns:
            squares[np.tril_indices(len(squares))] = _NO_FINE_PAIR
        self._squares = squares

    def smallest(self, k: int) -> float:
        if k > self._squares.size:
            return math.inf
        return float(np.partition(self._squares.ravel(), k - 1)[k - 1])

    def up_to(self, limit: int) -> Found:
        n = kernels.collect(self._squares, limit, self._places[0], self._places[1], self._values)
        rows, columns = self._places[:, :n].astype(np.int64)
        return Found(rows, columns, self._values[:n].copy())

    def counts(self) -> np.ndarray:
        return self._counts.sum(0)


class TorchBlocks:
    """The same in torch operations on any device."""

    def __init__(
        self, quantized: Quantized, block: int, row_end: int, column_end: int, device: torch.device
    ) -> None:
        self._block, self._ends, self._device = block, (row_end, column_end), device
        # Whole blocks, as CUDA's integer product wants; rows beyond the last one are no pairs.
        padded = len(quantized.integers) + block

        def onto(rows: np.ndarray) -> Tensor:
            out = torch.zeros((padded, *rows.shape[1:]), dtype=_DTYPES[rows.dtype.type], device=device)
            out[: len(rows)] = torch.from_numpy(rows).to(device)
            return out

        self._q, self._onto = quantized, onto
        self._integers, self._norms = onto(quantized.integers), onto(quantized.norms)
        self._fine: tuple[Tensor, Tensor] | None = None
        self._counts = torch.zeros(RAW_BINS, dtype=torch.int64, device=device)

    def load(self, i: int, j: int) -> None:
        self._at = slice(i, i + self._block), slice(j, j + self._block)
        rows, columns = self._at
        products = torch.empty(self._block, self._block, dtype=torch.int32, device=self._device)
        inner_products(self._integers[rows], self._integers[columns], products)
        squares = products.mul_(-2).add_(self._norms[rows, None]).add_(self._norms[None, columns])
        self._squares = self._only_pairs(squares, kernels.NO_PAIR)
        bins = self._squares.float().view(torch.int32) >> SHIFT
        self._counts += torch.bincount(bins.flatten(), minlength=RAW_BINS)
        self._counts[_NO_PAIR_BIN] = 0

    def refine(self) -> None:
        if self._fine is None:
            remainders, lengths = self._q.remainders(slice(None))
            self._fine = self._onto(remainders), self._onto(lengths)
        (rows, columns), q, (p, norms) = self._at, self._integers, self._fine
        squares = norms[rows, None] + norms[None, columns]
        part = torch.empty(squares.shape, dtype=torch.int32, device=self._device)
        for a, b, weight in _fine_products(q[rows], p[rows], q[columns], p[columns]):
            inner_products(a, b, part)
            squares.add_(part, alpha=-2 * weight)
        self._squares = self._only_pairs(squares, _NO_FINE_PAIR)

    def smallest(self, k: int) -> float:
        if k > self._squares.numel():
            return math.inf
        return float(self._squares.flatten().kthvalue(k).values)

    def up_to(self, limit: int) -> Found:
        rows, columns = torch.nonzero(self._squares <= limit, as_tuple=True)
        values = self._squares[rows, columns].long()
        return Found(rows.cpu().numpy(), columns.cpu().numpy(), values.cpu().numpy())

    def counts(self) -> np.ndarray:
        return self._counts.cpu().numpy()

    def _only_pairs(self, squares: Tensor, no_pair: int) -> Tensor:
        rows, columns = self._at
        if rows == columns:
            squares.masked_fill_(torch.ones_like(squares, dtype=torch.bool).tril_(), no_pair)
        squares[self._ends[0] - rows.start :] = no_pair
        squares[:, self._ends[1] - columns.start :] = no_pair
        return squares


_DTYPES = {np.int8: torch.int8, np.int32: torch.int32, np.int64: torch.int64}
_NO_PAIR_BIN = int(np.float32(kernels.NO_PAIR).view(np.int32)) >> SHIFT


def inner_products(a: Tensor, b: Tensor, out: Tensor) -> None:
    """All inner products of int8 rows (n, d) and (m, d) into (n, m) int32, by the fastest exact way."""
    if a.device.type == "cuda" or _fast_int8():
        torch._int_mm(a, b.T, out=out)
    else:
        float_products(a, b, out)


def float_products(a: Tensor, b: Tensor, out: Tensor) -> None:
    """The same through float32, which holds integers up to 2^24: sums of so few columns are exact in any
    order.
    """
    out.zero_()
    for k in range(0, a.shape[1], _FLOAT_COLUMNS):
        columns = slice(k, k + _FLOAT_COLUMNS)
        out += torch.mm(a[:, columns].float(), b[:, columns].float().T).to(torch.int32)


def _fine_products(
    q: Tensor, p: Tensor, other_q: Tensor, other_p: Tensor
) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Factors and weights of the products that make up those of FINE q + p with FINE other_q + other_p."""
    for k in range(0, q.shape[1], _INT32_COLUMNS):
        columns = slice(k, k + _INT32_COLUMNS)
        a, b, c, d = (t[:, columns].contiguous() for t in (q, p, other_q, other_p))
        yield from ((a, c, FINE**2), (a, d, FINE), (b, c, FINE), (b, d, 1))


def _fast_int8() -> bool:
    supported = getattr(
        torch.cpu, "_is_vnni_supported", getattr(torch.cpu, "_is_avx512_vnni_supported", None)
    )
    return bool(supported and supported())
