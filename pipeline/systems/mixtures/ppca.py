"""Mixtures of probabilistic principal component analysers (Tipping & Bishop 1999): for images."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pipeline.systems.mixtures.em import Mixture
from pipeline.systems.mixtures.seeding import Seeds


class PrincipalComponents:
    """Covariance = W W^T + s^2 I with W (d, rank), the mixture's `factors` and `noise`.

    floor: the least s^2.
    """

    def __init__(self, rank: int, floor: float) -> None:
        self.rank, self.floor = rank, floor

    def first(self, seeds: Seeds, rng: np.random.Generator) -> Mixture:
        """At every seed the principal components of the samples nearest to it: from anywhere else EM is slow
        to turn them.
        """
        means = seeds.means
        count = len(means)
        weights = means.new_full((count,), 1 / count)
        found = [
            self._components(seeds.samples[seeds.nearest == j] - mean, seeds.variance, rng)
            for j, mean in enumerate(means)
        ]
        return Mixture(
            weights, means, torch.stack(found), means.new_full((count,), math.sqrt(seeds.variance))
        )

    def _components(self, away: Tensor, variance: float, rng: np.random.Generator) -> Tensor:
        """(members, d) -> (d, rank) directions times standard deviations. Where members are too few, the
        other directions are random and their deviations small.
        """
        d = away.shape[1]
        factors = torch.tensor(rng.standard_normal((d, self.rank)), device=away.device)
        factors *= math.sqrt(1e-2 * variance / d)
        if len(away):
            _, deviations, directions = torch.linalg.svd(away / math.sqrt(len(away)), full_matrices=False)
            large = deviations[: self.rank].square() > 1e-2 * variance
            count = int(large.sum())
            factors[:, :count] = directions[:count].T * deviations[:count]
        return factors

    def log_densities(self, mixture: Mixture, x: Tensor) -> Tensor:
        """With M = s^2 I + W^T W: |C| = s^(2(d - l)) |M| and C^-1 = (I - W M^-1 W^T) / s^2 (section 3.3)."""
        d = x.shape[1]
        variances = mixture.noise.square()
        cholesky = torch.linalg.cholesky(_m(mixture))
        projected = torch.linalg.solve_triangular(cholesky, _projected(mixture, x), upper=False)  # (k, l, b)
        squared = torch.cdist(x, mixture.means).square() - projected.square().sum(1).T
        log_determinants = 2 * cholesky.diagonal(dim1=1, dim2=2).log().sum(1)
        log_determinants = log_determinants + (d - self.rank) * variances.log()
        return -(d * math.log(2 * math.pi) + log_determinants + squared / variances) / 2

    def moments(self, mixture: Mixture, x: Tensor, shares: Tensor) -> Tensor:
        """(k, d, rank + 1): sum_i r_ij (x_i - m_j) (x_i - m_j)^T W_j, and in the last column, once, the
        squared distances sum_i r_ij |x_i - m_j|^2, around the means m of this iteration.
        """
        weighted = _projected(mixture, x) * shares.T[:, None]  # (k, l, b)
        products = (weighted.flatten(0, 1) @ x).view(*weighted.shape[:2], -1).mT
        products = products - mixture.means[:, :, None] * weighted.sum(2)[:, None]
        squared = (torch.cdist(x, mixture.means).square() * shares).sum(0)
        last = torch.zeros_like(mixture.means)
        last[:, 0] = squared
        return torch.cat([products, last[..., None]], 2)

    def maximised(self, mixture: Mixture, weights: Tensor, moved: Tensor, moments: Tensor) -> Mixture:
        """Equations C.14 and C.15 of Tipping & Bishop 1999, S being a component's sample covariance:
        W' = S W (s^2 I + M^-1 W^T S W)^-1,  s'^2 = tr(S - S W M^-1 W'^T) / d.
        """
        w, d = mixture.factors, moved.shape[1]
        s_w = moments[..., :-1] - moved[:, :, None] * (moved[:, None] @ w)
        trace = moments[:, 0, -1] - moved.square().sum(1)
        m = _m(mixture)
        inner = torch.linalg.solve(m, w.mT @ s_w)
        inner.diagonal(dim1=1, dim2=2).add_(mixture.noise.square()[:, None])
        factors = torch.linalg.solve(inner, s_w, left=False)
        kept = (torch.linalg.solve(m, s_w, left=False) * factors).sum((1, 2))
        noise = ((trace - kept) / d).clamp_min(self.floor).sqrt()
        return Mixture(weights, mixture.means + moved, factors, noise)


def _m(mixture: Mixture) -> Tensor:
    m = mixture.factors.mT @ mixture.factors
    m.diagonal(dim1=1, dim2=2).add_(mixture.noise.square()[:, None])
    return m


def _projected(mixture: Mixture, x: Tensor) -> Tensor:
    """(b, d) -> (k, l, b): W_j^T (x_i - m_j)."""
    k, d, rank = mixture.factors.shape
    # One product of matrices: a batched one would copy x for every component.
    products = x @ mixture.factors.transpose(0, 1).reshape(d, k * rank)
    return products.T.view(k, rank, len(x)) - (mixture.means[:, None] @ mixture.factors).mT
