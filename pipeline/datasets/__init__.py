"""Named data sets: options in, a DataSet out. Knows no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import options as vocabulary
from pipeline.datasets import celeba, cifar10, lsun, mnist
from pipeline.datasets.curves2d import load_circle, load_swiss_roll
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.digits import load_digits
from pipeline.datasets.finite_support import load_finite_support
from pipeline.datasets.gaussians import load_embedded_gaussians, load_gaussian_grid, load_gaussian_ring
from pipeline.datasets.image_array import load_image_array
from pipeline.datasets.image_folder import load_image_folder
from pipeline.datasets.parquet_images import load_parquet_images
from pipeline.datasets.places import image_root
from pipeline.datasets.pushforward import load_invertible_pushforward
from pipeline.datasets.stacked_mnist import load_stacked_mnist
from pipeline.errors import InputError

__all__ = ["DATASETS", "Availability", "DataSet", "available", "load"]

# Name -> function of the set's options and the folder of the image sets (or None).
DATASETS: dict[str, Callable[[Any, Path | None], DataSet]] = {
    "digits": load_digits,
    "mnist": mnist.load_idx_files,
    "fashion_mnist": mnist.load_idx_files,
    "cifar10": cifar10.load_cifar10,
    "celeba": celeba.load_celeba,
    "lsun": lsun.load_lsun,
    "image_folder": load_image_folder,
    "image_array": load_image_array,
    "parquet_images": load_parquet_images,
    "gaussian_ring": load_gaussian_ring,
    "gaussian_grid": load_gaussian_grid,
    "embedded_gaussians": load_embedded_gaussians,
    "circle": load_circle,
    "swiss_roll": load_swiss_roll,
    "invertible_pushforward": load_invertible_pushforward,
    "stacked_mnist": load_stacked_mnist,
    "finite_support": load_finite_support,
}

# Sets in several forms -> what says where they are and what of them is there.
_SEARCHED: dict[str, Callable[[Path | None], str]] = {
    "cifar10": cifar10.whereabouts,
    "celeba": celeba.whereabouts,
    "lsun": lsun.whereabouts,
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
    return DATASETS[options.name](options, image_root(data_root))


def available(data_root: Path | None) -> list[Availability]:
    """Every data set, and where it was found or why it was not. Looks for files, and reads none."""
    root = image_root(data_root)
    models = vocabulary.choices(vocabulary.DatasetOptions)
    return [
        Availability(name, " ".join((models[name].__doc__ or "").split()), _where(name, root))
        for name in DATASETS
    ]


def _where(name: str, root: Path | None) -> str:
    if name == "stacked_mnist":
        return _where("mnist", root)
    if name in mnist.FOLDERS:
        folder = mnist.find(name, root)
        return str(folder) if folder else f"not found: {mnist.missing(name, root)}"
    if name in _SEARCHED:
        try:
            return _SEARCHED[name](root)
        except InputError as error:
            return f"not found: {error}"
    by_path = f"wherever its path says, below {root}" if root else "wherever its path says"
    fixed = {
        "digits": "inside scikit-learn",
        "finite_support": "wherever the set is that it draws from",
        "image_folder": by_path,
        "image_array": by_path,
        "parquet_images": by_path,
    }
    return fixed.get(name, "generated")
