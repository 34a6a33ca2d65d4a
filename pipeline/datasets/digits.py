"""The 1,797 digits that come with scikit-learn: real images without any download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.datasets.dataset import DataSet
from pipeline.options import Digits
from pipeline.seeds import stream

HELD_OUT = 500


def split(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, held_out) of the fixed split: 500 held out, the same on every machine."""
    order = stream("digits", "split").permutation(count)
    return order[HELD_OUT:], order[:HELD_OUT]


def load_digits(options: Digits, data_root: Path | None) -> DataSet:
    """(1297, 1, 8, 8) and (500, 1, 8, 8) uint8; the original 17 grey levels 0..16 are spread over 0..255."""
    # scikit-learn takes a second to import, and listing the data sets does not need it.
    from sklearn.datasets import load_digits as original

    bunch = original()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    train, held_out = split(len(images))
    return DataSet(options.name, images[train], images[held_out], labels[train], labels[held_out])
