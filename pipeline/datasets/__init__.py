"""Named data sets: options in, a DataSet out. Knows no torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import options as vocabulary
from pipeline.datasets import mnist
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.digits import load_digits
from pipeline.datasets.gaussians import load_gaussian_grid, load_gaussian_ring
from pipeline.datasets.image_folder import load_image_folder

__all__ = ["DATASETS", "Availability", "DataSet", "available", "load"]

# Name -> function of the set's options and the folder of the image sets (or None).
DATASETS: dict[str, Callable[[Any, Path | None], DataSet]] = {
    "digits": load_digits,
    "mnist": mnist.load_idx_files,
    "fashion_mnist": mnist.load_idx_files,
    "image_folder": load_image_folder,
    "gaussian_ring": load_gaussian_ring,
    "gaussian_grid": load_gaussian_grid,
}


class Availability(NamedTuple):
    """One line of `birthday datasets`; where begins with `not found` for a set that cannot be loaded."""

    name: str
    description: str
    where: str


def load(options: vocabulary.DatasetOptions, data_root: Path | None) -> DataSet:
    """The data set that the options name.

    data_root: the folder of the image sets; None means the environment variable BIRTHDAY_DATA, where it is
    set. The same options and files give the same arrays in every process.
    Raises InputError for what a user can put right: files missing or damaged.
    """
    return DATASETS[options.name](options, _root(data_root))


def available(data_root: Path | None) -> list[Availability]:
    """Every data set, and where it was found or why it was not. Looks for files, and reads none."""
    root = _root(data_root)
    models = vocabulary.choices(vocabulary.DatasetOptions)
    return [
        Availability(name, " ".join((models[name].__doc__ or "").split()), _where(name, root))
        for name in DATASETS
    ]


def _where(name: str, root: Path | None) -> str:
    if name in mnist.FOLDERS:
        folder = mnist.find(name, root)
        return str(folder) if folder else f"not found: {mnist.missing(name, root)}"
    fixed = {
        "digits": "inside scikit-learn",
        "image_folder": f"wherever its path says, below {root}" if root else "wherever its path says",
    }
    return fixed.get(name, "generated")


def _root(given: Path | None) -> Path | None:
    named = os.environ.get("BIRTHDAY_DATA")
    return given or (Path(named).expanduser() if named else None)
