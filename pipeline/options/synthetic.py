"""Data sets whose law is known."""

from __future__ import annotations

from typing import Literal

from pipeline.options.base import Count, Options, Positive


class GaussianRing(Options):
    """Equal Gaussians on a circle (PacGAN, VEEGAN: 8 modes, radius 1, sd 0.01)."""

    name: Literal["gaussian_ring"]
    modes: Count = 8
    radius: Positive = 1.0
    std: Positive = 0.01
    size: Count = 100_000


class GaussianGrid(Options):
    """Equal Gaussians on a square grid centred on the origin (VEEGAN: 5x5, spacing 2, sd 0.05)."""

    name: Literal["gaussian_grid"]
    side: Count = 5
    spacing: Positive = 2.0
    std: Positive = 0.05
    size: Count = 100_000
