"""Mode coverage: how many modes of a mixture a sample reaches, and how evenly (VEEGAN, PacGAN)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from pipeline.divergences.nearest import nearest


class ModeCoverage(NamedTuple):
    """modes: those that at least one high-quality sample is nearest to, VEEGAN's "modes captured".
    high_quality: the share of samples within the radius of their nearest centre. reverse_kl: KL divergence in
    nats of the high-quality samples' shares of the modes from equal shares, as PacGAN's code counts; NaN
    without any such sample. kl_uniform: the same of all samples, each given to its nearest centre.
    """

    modes: int
    high_quality: float
    reverse_kl: float
    kl_uniform: float


class LabelCoverage(NamedTuple):
    """modes: labels that occur, or their expected number. kl_uniform: KL divergence in nats of the labels'
    shares from equal shares.
    """

    modes: float
    kl_uniform: float


def coverage(samples: np.ndarray, centres: np.ndarray, radius: float) -> ModeCoverage:
    """How (n, d) samples cover the modes around (m, d) centres of equal weight.

    radius: VEEGAN and PacGAN take 3 standard deviations in the plane, where of a perfect generator's samples
    1 - exp(-9/2) = 98.889 % are high-quality: more means that the modes are too narrow. In more dimensions a
    ball of 3 standard deviations holds next to nothing; take a quantile of the distance.

    Both papers call KL(generated || real) the reverse KL. It does not see what lies outside the modes, which
    `high_quality` does. Raises ValueError for NaN, infinity, unequal d, and a radius that is not positive.
    """
    if not radius > 0:
        raise ValueError(f"a radius is positive, not {radius:g}")
    index, distance = nearest(samples, centres)
    mode, near = index[:, 0], distance[:, 0] <= radius
    good = np.bincount(mode[near], minlength=len(centres))
    every = np.bincount(mode, minlength=len(centres))
    return ModeCoverage(
        int(np.count_nonzero(good)), float(near.mean()), _kl_from_uniform(good), _kl_from_uniform(every)
    )


def coverage_of_labels(labels: np.ndarray, modes: int) -> LabelCoverage:
    """How (n,) integer labels 0..modes-1 cover them: the measures of stacked MNIST (modes = 1000).

    Plain counts, without correction, as published. KL is at least log(modes / labels that occur); what a
    perfect generator of equal modes gets is `expected_coverage`. Raises ValueError for other labels or none.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"takes (n,) integers, not {labels.dtype} of shape {labels.shape}")
    if labels.min() < 0 or labels.max() >= modes:
        raise ValueError(f"labels lie in 0..{modes - 1}, not {labels.min()}..{labels.max()}")
    counts = np.bincount(labels, minlength=modes)
    return LabelCoverage(float(np.count_nonzero(counts)), _kl_from_uniform(counts))


def expected_coverage(samples: int, modes: int) -> LabelCoverage:
    """What `coverage_of_labels` finds on average in independent draws from equal modes: its control.

    modes: K (1 - (1 - 1/K)^n). KL: log K - log n + (K/n) E[B log B] with B ~ Binomial(n, 1/K), which is about
    (K - 1) / (2 n) where n >> K: 0.0195 nats for 26,000 samples of 1,000 modes.
    """
    counts = np.arange(samples + 1)
    b_log_b = stats.binom.pmf(counts, samples, 1 / modes) @ special.xlogy(counts, counts)
    found = -modes * math.expm1(samples * math.log1p(-1 / modes)) if modes > 1 else 1.0
    return LabelCoverage(found, math.log(modes / samples) + modes / samples * float(b_log_b))


def _kl_from_uniform(counts: np.ndarray) -> float:
    """log m minus the entropy of the counts' shares of their sum, in nats; NaN where the sum is 0."""
    total = counts.sum()
    return math.log(len(counts)) - float(special.entr(counts / total).sum()) if total else math.nan
