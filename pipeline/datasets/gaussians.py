"""Mixtures of equal Gaussians whose modes are known (VEEGAN, PacGAN)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from scipy import special

from pipeline.datasets.curves2d import unit_vectors
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.points import held_out_size
from pipeline.options import EmbeddedGaussians, GaussianGrid, GaussianRing
from pipeline.seeds import stream

# Centre k is this number in every coordinate (PacGAN's code, class VEEGAN1200DPackingMixture).
EMBEDDED_CENTRES = -1.0, -0.5, 0.0, 0.5, -2.0, -2.5, 10.0, 0.25, -13.0, -5.5


def load_gaussian_ring(options: GaussianRing, data_root: Path | None) -> DataSet:
    """(size, 2) float32 points around `modes` centres, equally spaced on a circle from (radius, 0) on."""
    angles = np.array([2 * math.pi * k / options.modes for k in range(options.modes)])
    key = f"gaussian_ring(modes={options.modes}, radius={options.radius}, std={options.std})"
    return _mixture(options.name, key, options.radius * unit_vectors(angles), options.std, options.size, 2)


def load_gaussian_grid(options: GaussianGrid, data_root: Path | None) -> DataSet:
    """(size, 2) float32 points around side x side centres, row by row, centred on the origin."""
    line = options.spacing * (np.arange(options.side) - (options.side - 1) / 2)
    key = f"gaussian_grid(side={options.side}, spacing={options.spacing}, std={options.std})"
    centres = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    return _mixture(options.name, key, centres, options.std, options.size, 2)


def load_embedded_gaussians(options: EmbeddedGaussians, data_root: Path | None) -> DataSet:
    """(size, dimensions) float32 points c + (std N(0, I_intrinsic), 0), c one of the centres (a, ..., a).

    VEEGAN says "a mixture of ten 700 dimensional Gaussian distributions embedded in a 1200 dimensional space"
    and no more. Centres, unit variance and the first 700 coordinates as the varying ones are those of
    PacGAN's code for that experiment. Fewer modes are the first of the ten.

    Its rule, high quality is "within 10 standard deviations of the nearest mode", cannot be meant as printed:
    a true sample is about sqrt(700) = 26.5 standard deviations from its centre, and within 10 of them with
    probability 1e-167. `mode_radius` holds as much of a mode as 3 standard deviations hold in the plane,
    where the rule works: 98.889 %, which takes 28.1 standard deviations in 700 dimensions.
    """
    key = (
        f"embedded_gaussians(dimensions={options.dimensions}, intrinsic={options.intrinsic}, "
        f"modes={options.modes}, std={options.std})"
    )
    centres = np.repeat(np.array([EMBEDDED_CENTRES[: options.modes]]).T, options.dimensions, axis=1)
    return _mixture(options.name, key, centres, options.std, options.size, options.intrinsic)


def mode_radius(std: float, intrinsic: int) -> float:
    """The distance from its centre within which 98.889 % of N(0, std^2 I_intrinsic) lie.

    That share, 1 - exp(-9/2), is what VEEGAN and PacGAN's 3 standard deviations hold in the plane, so for
    intrinsic = 2 it is 3 std; in other dimensions the quantile of the chi distribution.
    """
    return std * math.sqrt(special.chdtri(intrinsic, math.exp(-4.5)))


def _mixture(name: str, key: str, centres: np.ndarray, std: float, size: int, intrinsic: int) -> DataSet:
    """Labels are the modes' numbers. A larger size begins with the smaller: the key leaves it out."""
    modes = centres.astype(np.float32)
    train, train_labels = _draw(key, "train", modes, std, size, intrinsic)
    held_out, held_out_labels = _draw(key, "held_out", modes, std, held_out_size(size), intrinsic)
    radius = mode_radius(std, intrinsic)
    return DataSet(name, train, held_out, train_labels, held_out_labels, modes, radius)


def _draw(
    key: str, role: str, modes: np.ndarray, std: float, count: int, intrinsic: int
) -> tuple[np.ndarray, np.ndarray]:
    labels = stream(key, f"{role}/modes").integers(len(modes), size=count)
    points: np.ndarray = modes[labels]
    points[:, :intrinsic] += std * stream(key, f"{role}/noise").standard_normal((count, intrinsic))
    return points, labels
