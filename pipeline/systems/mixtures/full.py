"""Gaussians with full covariances: for few dimensions."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pipeline.systems.mixtures.em import Mixture
from pipeline.systems.mixtures.seeding import Seeds


class FullCovariances:
    """Covariance = factors factors^T, factors (k, d, d) lower triangular.

    floor: added to every variance, so that a component on a single sample stays a density.
    """

    def __init__(self, floor: float) -> None:
        self.floor = floor

    def first(self, seeds: Seeds, _: np.random.Generator) -> Mixture:
        """The same round Gaussian at every seed."""
        means = seeds.means
        count, dimensions = means.shape
        identity = torch.eye(dimensions, dtype=means.dtype, device=means.device)
        factors = math.sqrt(seeds.variance) * identity.repeat(count, 1, 1)
        weights = means.new_full((count,), 1 / count)
        return Mixture(weights, means, factors, torch.zeros_like(weights))

    def log_densities(self, mixture: Mixture, x: Tensor) -> Tensor:
        away = (x - mixture.means[:, None]).mT  # (k, d, b)
        whitened = torch.linalg.solve_triangular(mixture.factors, away, upper=False)
        log_scales = mixture.factors.diagonal(dim1=1, dim2=2).log().sum(1)
        return (-whitened.square().sum(1).T / 2) - log_scales - x.shape[1] / 2 * math.log(2 * math.pi)

    def moments(self, mixture: Mixture, x: Tensor, shares: Tensor) -> Tensor:
        """(k, d, d): sum_i r_ij (x_i - m_j) (x_i - m_j)^T around the means m of this iteration."""
        away = x - mixture.means[:, None]
        return (away * shares.T[..., None]).mT @ away

    def maximised(self, mixture: Mixture, weights: Tensor, moved: Tensor, moments: Tensor) -> Mixture:
        covariances = moments - moved[:, :, None] * moved[:, None, :]
        covariances.diagonal(dim1=1, dim2=2).add_(self.floor)
        return Mixture(weights, mixture.means + moved, torch.linalg.cholesky(covariances), mixture.noise)
