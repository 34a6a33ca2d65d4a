"""Samples that players hold: nothing is lost, and each is drawn equally often."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from pipeline.systems.kept import chosen, keep, seen
from pipeline.training.feed import to_network


def test_images_come_back_to_the_bit_in_a_quarter_of_the_memory() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
    images = to_network(levels)
    assert torch.equal(keep(images), levels)
    assert torch.equal(seen(keep(images)), images)
    points = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(seen(keep(points)), points)


def test_indices_are_quantiles_of_the_normal_law() -> None:
    z = torch.tensor([-40.0, -0.6745, -0.6744, 0.0, 0.6744, 0.6745, 40.0])
    assert chosen(z, 4).tolist() == [0, 0, 1, 2, 2, 3, 3]


def test_indices_are_uniform_also_over_a_large_set() -> None:
    count = 200_000
    z = np.random.default_rng(0).standard_normal(20 * count, np.float32)
    drawn = np.bincount(chosen(torch.tensor(z), count).numpy(), minlength=count)
    assert len(drawn) == count
    # Pearson's statistic of 20 expected draws each.
    assert stats.chi2(count - 1).sf(np.square(drawn - 20).sum() / 20) > 0.001
