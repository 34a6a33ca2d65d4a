"""What the sets that are drawn from a law on points share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.datasets.dataset import DataSet

MOST_HELD_OUT = 10_000


def held_out_size(size: int) -> int:
    """As many held-out points as training points, up to 10,000."""
    return min(size, MOST_HELD_OUT)


def data_set(name: str, draw: Callable[[str, int], np.ndarray], size: int) -> DataSet:
    """draw: (role, count) -> (count, d) floats, independent between the roles `train` and `held_out`."""
    train, held_out = draw("train", size), draw("held_out", held_out_size(size))
    return DataSet(name, train.astype(np.float32), held_out.astype(np.float32))
