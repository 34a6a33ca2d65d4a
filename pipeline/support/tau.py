"""Rules for tau, the distance up to which two samples count as near-duplicates."""

from __future__ import annotations

import math

import numpy as np

from pipeline.support.pairs import search_pairs


def real_quantile(real: np.ndarray, quantile: float) -> float:
    """The distance that the stated share of pairs of real vectors does not exceed.

    real: (n, d) embedded held-out images. It is the k-th smallest of all n(n-1)/2 distances, k =
    ceil(quantile * pairs), so that N2 of these images at tau is 1 / quantile, up to ties and rounding: what
    generators are compared with. Raises ValueError if there are too few pairs for the quantile to mean
    anything (k < 10).
    """
    pairs = len(real) * (len(real) - 1) // 2
    rank = math.ceil(quantile * pairs)
    if rank < 10:
        raise ValueError(
            f"quantile {quantile:g} of {pairs} real pairs is {rank} pairs; at least 10 are needed: "
            "take a larger quantile or a data set with more held-out images"
        )
    return float(search_pairs(real, closest=rank).closest.distance[-1])
