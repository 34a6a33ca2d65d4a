"""The bandwidth of a Gaussian kernel density estimate by cross-validation."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

# Likelihood is measured on so many training samples, against all others; these are float64 block by block.
LEFT_OUT, BLOCK = 250, 2000

# Bandwidths tried, in units of the samples' root mean square deviation per coordinate: a factor 1.2 apart.
GRID = np.geomspace(1e-3, 1, 39)


def bandwidth(points: Tensor, rng: np.random.Generator) -> float:
    """Of the grid, the h of the largest leave-one-out likelihood (Duin 1976), on up to 250 of the samples.

    points: (n, d) float32. Where samples repeat exactly, small bandwidths win: the grid's end is the answer.
    Raises ValueError for fewer than two samples or none that differ.
    """
    deviation = float(points.var(0, correction=0).mean().sqrt())
    if deviation == 0:
        raise ValueError("train_samples: a kernel density estimate needs two or more that differ")
    left_out = torch.tensor(rng.permutation(len(points))[:LEFT_OUT], device=points.device)
    grid = deviation * GRID
    return float(grid[int(log_densities(points, left_out, grid).mean(0).argmax())])


def log_densities(points: Tensor, rows: Tensor, bandwidths: np.ndarray) -> Tensor:
    """(r, len(bandwidths)) float64: log density at points[rows] of the kernels on all other points."""
    count, dimensions = points.shape
    h = torch.tensor(bandwidths, device=points.device)
    own = points[rows].double()
    squared = torch.cat(
        [
            torch.cdist(own, points[first : first + BLOCK].double()).square_()
            for first in range(0, count, BLOCK)
        ],
        1,
    )
    squared[torch.arange(len(rows)), rows] = math.inf
    nearest = squared.amin(1, keepdim=True)
    sums = torch.stack([(squared - nearest).mul_(-0.5 / width**2).exp_().sum(1) for width in h], 1)
    constants = math.log(count - 1) + dimensions * (h.log() + math.log(2 * math.pi) / 2)
    return sums.log() - nearest / (2 * h.square()) - constants
