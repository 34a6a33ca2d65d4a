"""Counts of pair distances in fine, log-spaced bins.

The bins are the leading bits of the squared distance as a floating-point number: 16 to each doubling of d^2,
so 32 to each doubling of d (1.5 to 3.1 % wide in d). Their edges are the same for every search, so histograms
can be added and compared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from pipeline.support.pairs import Closest
    from pipeline.support.quantized import Quantized

BITS = 4  # bins per doubling of d^2: 2^BITS
_RAW_BINS = 256 << BITS  # leading bits of a positive float32


class PairHistogram(NamedTuple):
    """Counts of distances in [low, high), occupied bins only, ascending; the counts add up to all pairs.

    Counts below `exact_below` are exact; a distance above it may have been counted up to `resolution` away.
    """

    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    exact_below: float
    resolution: float


class Histogram:
    """Accumulates blocks of integer squared distances, in units of step^2."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.counts = np.zeros(_RAW_BINS, np.int64)

    def add(self, squares: Tensor) -> None:
        """Count a block; NO_PAIR is left out."""
        self.counts += torch.bincount(_leading_bits(squares).flatten(), minlength=_RAW_BINS).numpy()
        self.counts[_NO_PAIR_BIN] = 0

    def result(self, quantized: Quantized, closest: Closest) -> PairHistogram:
        """The histogram, with the closest pairs counted at their exact distances."""
        counts = self.counts.copy()
        if len(closest.first):
            difference = quantized.integers[closest.first].int() - quantized.integers[closest.second].int()
            known = _leading_bits(difference.square().sum(1, dtype=torch.int32))
            counts -= np.bincount(known.numpy(), minlength=_RAW_BINS)
        shift = 2 * int(math.log2(self.step)) << BITS
        exact = np.array([_bin(d) for d in closest.distance], np.int64)
        last = int(exact[-1]) if len(exact) else _bin(0.0)
        rest = np.flatnonzero(counts)
        elsewhere = np.where(rest > 0, rest + shift, _bin(0.0))
        # Every other pair is at least as far apart as the last of the closest.
        bins = np.concatenate([exact, np.maximum(elsewhere, last)])
        occupied, where = np.unique(bins, return_inverse=True)
        total = np.bincount(where, weights=np.concatenate([np.ones(len(exact)), counts[rest]])).astype(
            np.int64
        )
        low = np.array([math.sqrt(_edge(int(b))) if b > _bin(0.0) else 0.0 for b in occupied])
        high = np.array([math.sqrt(_edge(int(b) + 1)) for b in occupied])
        everything = len(rest) == 0
        exact_below = math.inf if everything else (float(closest.distance[-1]) if len(exact) else 0.0)
        return PairHistogram(low, high, total, exact_below, quantized.coarse.radius)


def _leading_bits(squares: Tensor) -> Tensor:
    bits = squares.float().view(torch.int32)
    bits >>= 23 - BITS
    return bits


_NO_PAIR_BIN = int(_leading_bits(torch.tensor([torch.iinfo(torch.int32).max], dtype=torch.int32)))


def _bin(distance: float) -> int:
    """Bin of a distance, numbered as `_leading_bits` does for a float32 square; small ones share one."""
    mantissa, exponent = math.frexp(max(distance * distance, 2.0**-200))
    b = ((exponent - 1 + 127) << BITS) + int((mantissa * 2 - 1) * (1 << BITS))
    # Squaring rounds: sqrt(3) squared is less than 3.
    return b + 1 if distance >= math.sqrt(_edge(b + 1)) else b


def _edge(b: int) -> float:
    """Lower edge of a bin, squared."""
    exponent, part = divmod(b, 1 << BITS)
    return math.ldexp(1 + part / (1 << BITS), exponent - 127)
