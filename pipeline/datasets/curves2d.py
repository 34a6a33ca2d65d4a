"""Curves in the plane: the circle and the Swiss roll (Bai, Ma, Risteski 2019, appendix F).

Without noise such a law has no density and every KL divergence to it is infinite: what can be compared are
distances between samples. Noise and sizes are ours where the stored text of the paper does not state them.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from pipeline.datasets.dataset import DataSet
from pipeline.datasets.points import data_set
from pipeline.options import Circle, SwissRoll
from pipeline.seeds import stream

# Gulrajani et al. 2017, code of the toy experiments: scikit-learn's roll without its depth, over 7.5.
SHRINKAGE = 7.5


def unit_vectors(angles: np.ndarray) -> np.ndarray:
    """(n, 2) float64 points at these (n,) angles on the unit circle, counted from (1, 0)."""
    # math, not numpy, whose vector sine differs in the last bit between processors.
    return np.array([(math.cos(angle), math.sin(angle)) for angle in angles.tolist()])


def load_circle(options: Circle, data_root: Path | None) -> DataSet:
    """(size, 2) float32 points uniform on the circle, plus N(0, noise^2 I)."""
    key = f"circle(radius={options.radius}, noise={options.noise})"

    def draw(role: str, count: int) -> np.ndarray:
        angles = stream(key, f"{role}/angles").uniform(0, 2 * math.pi, count)
        return options.radius * unit_vectors(angles) + _noise(key, role, options.noise, count)

    return data_set(options.name, draw, options.size)


def load_swiss_roll(options: SwissRoll, data_root: Path | None) -> DataSet:
    """(size, 2) float32 points t (cos t, sin t) / 7.5, plus N(0, (noise / 7.5)^2 I).

    t is uniform on [3 pi / 2, 9 pi / 2] as in scikit-learn's `make_swiss_roll`: equal angles have equal
    shares of the points, so that the curve is denser near the origin.
    """
    key = f"swiss_roll(noise={options.noise})"

    def draw(role: str, count: int) -> np.ndarray:
        t = stream(key, f"{role}/angles").uniform(1.5 * math.pi, 4.5 * math.pi, count)
        return (t[:, None] * unit_vectors(t) + _noise(key, role, options.noise, count)) / SHRINKAGE

    return data_set(options.name, draw, options.size)


def _noise(key: str, role: str, std: float, count: int) -> np.ndarray:
    return std * stream(key, f"{role}/noise").standard_normal((count, 2))
