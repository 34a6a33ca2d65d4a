"""First means of a mixture: greedy k-means++ and a few iterations of Lloyd's."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Seeds are sought among so many training samples, and moved by so many of Lloyd's iterations.
SUBSAMPLE, LLOYD = 10_000, 10


class Seeds(NamedTuple):
    """means: (k, d) float64. samples: (s, d) float64 that they were found among. nearest: (s,) the mean that
    each is nearest to. variance: mean squared distance to it per coordinate, at least a millionth of theirs.
    """

    means: Tensor
    samples: Tensor
    nearest: Tensor
    variance: float


def seeds(points: Tensor, count: int, rng: np.random.Generator) -> Seeds:
    """So many first means for points (n, d).

    Each seed is the best of 2 + log(count) samples drawn with probability proportional to
    their squared distance from the seeds so far (Arthur & Vassilvitskii 2007, section 2.2 and conclusion).
    Raises ValueError where count exceeds n or the points do not differ.
    """
    if count > len(points):
        raise ValueError(f"components: {count}: there are {len(points)} training samples to fit them to")
    some = torch.tensor(rng.permutation(len(points))[: max(SUBSAMPLE, count)], device=points.device)
    x = points[some].double()
    variance = float(x.var(0, correction=0).mean())
    if variance == 0:
        raise ValueError("train_samples: a Gaussian mixture needs samples that differ")
    means = x[_plus_plus(x, count, rng)]
    for _ in range(LLOYD):
        belongs = torch.nn.functional.one_hot(torch.cdist(x, means).argmin(1), count).double()
        sizes = belongs.sum(0)[:, None]
        means = torch.where(sizes > 0, belongs.T @ x / sizes.clamp_min(1), means)
    distances, nearest = torch.cdist(x, means).min(1)
    within = float(distances.square().mean()) / x.shape[1]
    return Seeds(means, x, nearest, max(within, 1e-6 * variance))


def _plus_plus(x: Tensor, count: int, rng: np.random.Generator) -> list[int]:
    chosen = [int(rng.integers(len(x)))]
    distances = torch.cdist(x, x[chosen])[:, 0].square()
    for _ in range(count - 1):
        draws = torch.tensor(rng.random(2 + int(math.log(count))), device=x.device)
        cumulated = distances.cumsum(0)
        candidates = torch.searchsorted(cumulated, draws * cumulated[-1], right=True).clamp_max(len(x) - 1)
        left = torch.minimum(torch.cdist(x[candidates], x).square(), distances)
        best = int(left.sum(1).argmin())
        chosen.append(int(candidates[best]))
        distances = left[best]
    return chosen
