"""Expectation maximisation (Dempster, Laird, Rubin 1977) of a mixture of k Gaussians."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.systems.mixtures.seeding import Seeds, seeds

# Rows of data that are float64 at a time.
BLOCK = 2000
# EM ends when an iteration raises the mean log-likelihood per coordinate by less (nats), or after so many.
GAIN, ITERATIONS = 1e-6, 200
TINY = 10 * torch.finfo(torch.float64).eps


class Mixture(NamedTuple):
    """weights: (k,). means: (k, d). factors: (k, d, l). noise: (k,). All float64.

    Component j is N(means[j], factors[j] factors[j]^T + noise[j]^2 I).
    """

    weights: Tensor
    means: Tensor
    factors: Tensor
    noise: Tensor


class Family(Protocol):
    """How a kind of covariance is begun, judged and maximised."""

    def first(self, seeds: Seeds, rng: np.random.Generator) -> Mixture:
        """Equal weights around the seeds."""

    def log_densities(self, mixture: Mixture, x: Tensor) -> Tensor:
        """(b, d) -> (b, k) log N(x; component j)."""

    def moments(self, mixture: Mixture, x: Tensor, shares: Tensor) -> Tensor:
        """The second moments that `maximised` needs, summed over rows x (b, d) with shares (b, k)."""

    def maximised(self, mixture: Mixture, weights: Tensor, moved: Tensor, moments: Tensor) -> Mixture:
        """The next mixture, given its weights, how far its means have moved (k, d), and each component's mean
        moments around where they were.
        """


def fit(family: Family, points: Tensor, components: int, rng: np.random.Generator) -> Mixture:
    """A mixture of so many components fitted to points (n, d) from a k-means++ start."""
    mixture = family.first(seeds(points, components, rng), rng)
    before = -float("inf")
    for _ in range(ITERATIONS):
        mixture, likelihood = step(family, mixture, points)
        if likelihood - before < GAIN * points.shape[1]:
            break
        before = likelihood
    return mixture


def step(family: Family, mixture: Mixture, points: Tensor) -> tuple[Mixture, float]:
    """One iteration of EM, and the mean log-likelihood before it."""
    zero = points.new_zeros((), dtype=torch.float64)
    likelihood, counts, sums, moments = zero, zero, zero, zero
    for x in blocks(points):
        joint = family.log_densities(mixture, x) + mixture.weights.log()
        evidence = joint.logsumexp(1)
        shares = (joint - evidence[:, None]).exp()
        likelihood = likelihood + evidence.sum()
        counts = counts + shares.sum(0)
        sums = sums + shares.T @ x
        moments = moments + family.moments(mixture, x, shares)
    # A component that no sample belongs to keeps its place and a weight that can be computed with.
    moved = (sums - counts[:, None] * mixture.means) / (counts + TINY)[:, None]
    moments = moments / (counts + TINY).view(-1, *[1] * (moments.ndim - 1))
    weights = (counts + TINY) / (counts + TINY).sum()
    return family.maximised(mixture, weights, moved, moments), float(likelihood) / len(points)


def log_likelihood(family: Family, mixture: Mixture, points: Tensor) -> Tensor:
    """(n, d) -> (n,) log densities, float64."""
    return torch.cat(
        [(family.log_densities(mixture, x) + mixture.weights.log()).logsumexp(1) for x in blocks(points)]
    )


def blocks(points: Tensor) -> Iterator[Tensor]:
    """The points in float64, block by block."""
    for first in range(0, len(points), BLOCK):
        yield points[first : first + BLOCK].double()
