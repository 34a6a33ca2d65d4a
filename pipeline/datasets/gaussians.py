"""Mixtures of equal Gaussians in the plane, whose modes are known (VEEGAN, PacGAN)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from pipeline.datasets.dataset import DataSet
from pipeline.options import GaussianGrid, GaussianRing
from pipeline.seeds import stream

MOST_HELD_OUT = 10_000


def load_gaussian_ring(options: GaussianRing, data_root: Path | None) -> DataSet:
    """(size, 2) float32 points around `modes` centres, equally spaced on a circle from (radius, 0) on."""
    angles = [2 * math.pi * k / options.modes for k in range(options.modes)]
    # math, not numpy, whose vector sine differs in the last bit between processors.
    circle = np.array([(math.cos(angle), math.sin(angle)) for angle in angles])
    key = f"gaussian_ring(modes={options.modes}, radius={options.radius}, std={options.std})"
    return _mixture(options.name, key, options.radius * circle, options.std, options.size)


def load_gaussian_grid(options: GaussianGrid, data_root: Path | None) -> DataSet:
    """(size, 2) float32 points around side x side centres, row by row, centred on the origin."""
    line = options.spacing * (np.arange(options.side) - (options.side - 1) / 2)
    key = f"gaussian_grid(side={options.side}, spacing={options.spacing}, std={options.std})"
    centres = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    return _mixture(options.name, key, centres, options.std, options.size)


def _mixture(name: str, key: str, centres: np.ndarray, std: float, size: int) -> DataSet:
    """Labels are the modes' numbers. A larger size begins with the smaller: the key leaves it out."""
    modes = centres.astype(np.float32)
    train, train_labels = _draw(key, "train", modes, std, size)
    held_out, held_out_labels = _draw(key, "held_out", modes, std, min(size, MOST_HELD_OUT))
    return DataSet(name, train, held_out, train_labels, held_out_labels, modes)


def _draw(key: str, role: str, modes: np.ndarray, std: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = stream(key, f"{role}/modes").integers(len(modes), size=count)
    noise = stream(key, f"{role}/noise").standard_normal((count, 2))
    return (modes[labels] + std * noise).astype(np.float32), labels
