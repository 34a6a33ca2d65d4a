"""Counts of pair distances in fine, log-spaced bins.

The bins are the leading bits of the squared distance as a floating-point number: 16 to each doubling of d^2,
so 32 to each doubling of d (1.5 to 3.1 % wide in d). Their edges are the same for every search, so histograms
can be added and compared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pipeline.support.pairs import Closest
    from pipeline.support.quantized import Quantized

BITS = 4  # bins per doubling of d^2: 2^BITS
RAW_BINS = 256 << BITS  # leading bits of a positive float32
SHIFT = 23 - BITS  # what is cut off a float32's bits


class PairHistogram(NamedTuple):
    """Counts of distances in [low, high), occupied bins only, ascending; the counts add up to all pairs.

    Counts below `exact_below` are exact; a distance above it may have been counted up to `resolution` away.
    """

    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    exact_below: float
    resolution: float


def histogram(counts: np.ndarray, quantized: Quantized, closest: Closest) -> PairHistogram:
    """The histogram of all pairs, the closest ones counted at their exact distances.

    counts: (RAW_BINS,) pairs by the leading bits of their integer squared distance, in units of step^2.
    """
    counts = counts.copy()
    known = np.empty(len(closest.first), np.int64)
    for k in range(0, len(known), 1024):  # few rows at a time: there may be many pairs
        some = slice(k, k + 1024)
        difference = quantized.integers[closest.first[some]].astype(np.int32)
        difference -= quantized.integers[closest.second[some]]
        known[some] = np.einsum("nd,nd->n", difference, difference)
    counts -= np.bincount(known.astype(np.float32).view(np.int32) >> SHIFT, minlength=RAW_BINS)
    shift = 2 * int(math.log2(quantized.coarse.step)) << BITS
    least = int(_bins(np.zeros(1))[0])
    exact = _bins(closest.distance)
    last = int(exact[-1]) if len(exact) else least
    rest = np.flatnonzero(counts)
    elsewhere = np.where(rest > 0, rest + shift, least)
    # Every other pair is at least as far apart as the last of the closest.
    bins = np.concatenate([exact, np.maximum(elsewhere, last)])
    occupied, where = np.unique(bins, return_inverse=True)
    weights = np.concatenate([np.ones(len(exact), np.int64), counts[rest]])
    total = np.zeros(len(occupied), np.int64)
    np.add.at(total, where, weights)
    low = np.where(occupied > least, np.sqrt(_edges(occupied)), 0.0)
    everything = len(rest) == 0
    exact_below = math.inf if everything else (float(closest.distance[-1]) if len(exact) else 0.0)
    return PairHistogram(low, np.sqrt(_edges(occupied + 1)), total, exact_below, quantized.coarse.radius)


def _bins(distance: np.ndarray) -> np.ndarray:
    """Bins of distances, numbered as by the leading bits of a float32 square; small ones share one."""
    mantissa, exponent = np.frexp(np.maximum(distance * distance, 2.0**-200))
    bins = ((exponent.astype(np.int64) - 1 + 127) << BITS) + ((mantissa * 2 - 1) * (1 << BITS)).astype(
        np.int64
    )
    # Squaring rounds: sqrt(3) squared is less than 3.
    above: np.ndarray = bins + (distance >= np.sqrt(_edges(bins + 1)))
    return above


def _edges(bins: np.ndarray) -> np.ndarray:
    """Lower edges of bins, squared."""
    exponent, part = np.divmod(bins, 1 << BITS)
    edges: np.ndarray = np.ldexp(1 + part / (1 << BITS), exponent - 127)
    return edges
