"""CIFAR-10, from the official binary or Python batches, or from image sheets."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.datasets.cache import kept, key
from pipeline.datasets.cifar10_batches import ROWS, read_binary, read_pickled
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.decoding import selected
from pipeline.datasets.places import not_found, places
from pipeline.datasets.sheets import Sheet, find_sheets, read_sheets
from pipeline.errors import InputError
from pipeline.options import Cifar10

# In the order of the labels 0 to 9.
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_ROWS = 50_000

# Folder of official batches -> how their names end, and what reads one.
BATCHES = {"cifar-10-batches-bin": (".bin", read_binary), "cifar-10-batches-py": ("", read_pickled)}


def load_cifar10(options: Cifar10, data_root: Path | None) -> DataSet:
    """(50000, 3, 32, 32) and (10000, 3, 32, 32) uint8 with labels 0..9: the official split, `test` held out.

    Where only the first training rows are present, these are train, in the official order. `only` keeps one
    class, 5,000 + 1,000 images, without labels, as one class can teach no classifier (Arora & Zhang 2017 test
    a Stacked GAN class by class).
    Raises InputError for files that are missing or damaged.
    """
    folder = find_cifar10(data_root)
    if folder is None:
        raise InputError(f"dataset 'cifar10': {missing(data_root)}")
    train, train_labels, held_out, held_out_labels = (
        _batched(folder) if folder.name in BATCHES else _tiled(options, folder)
    )
    if options.only is None:
        return DataSet(options.name, train, held_out, train_labels, held_out_labels)
    label = CLASSES.index(options.only)
    return DataSet(options.name, train[train_labels == label], held_out[held_out_labels == label])


def find_cifar10(data_root: Path | None) -> Path | None:
    """The first folder that holds training images of the set, in this order: binary, Python, sheets."""
    for place in places("cifar10", data_root):
        for folder in (*(place / name for name in BATCHES), place):
            if _train_rows(folder):
                return folder
    return None


def whereabouts(data_root: Path | None) -> str:
    """The folder, and which training rows it holds where that is not all of them."""
    folder = find_cifar10(data_root)
    if folder is None:
        return f"not found: {missing(data_root)}"
    rows = _train_rows(folder)
    return str(folder) if rows == TRAIN_ROWS else f"{folder} (training rows 0 to {rows - 1} of {TRAIN_ROWS})"


def missing(data_root: Path | None) -> str:
    """One line: every place looked in, and what to do."""
    what = f"{'/, '.join(BATCHES)}/ or train_*.webp"
    return not_found("cifar10", what, places("cifar10", data_root))


def _train_rows(folder: Path) -> int:
    if folder.name in BATCHES:
        return ROWS * len(_train_batches(folder))
    return sum(sheet.images for sheet in find_sheets(folder, "train"))


def _train_batches(folder: Path) -> list[Path]:
    suffix, _ = BATCHES[folder.name]
    files = [folder / f"data_batch_{k}{suffix}" for k in range(1, 6)]
    present = [file for file in files if file.is_file()]
    if present != files[: len(present)]:
        absent = next(file for file in files if file not in present)
        raise InputError(
            f"{absent}: is missing, and later batches are there; allowed: all of them, or the first"
        )
    return present


def _batched(folder: Path) -> Iterable[np.ndarray]:
    """Images and labels of the training batches, then of the test batch."""
    suffix, read = BATCHES[folder.name]
    parts = [read(file) for file in _train_batches(folder)]
    train, train_labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return train, train_labels, *read(folder / f"test_batch{suffix}")


def _tiled(options: Cifar10, folder: Path) -> Iterable[np.ndarray]:
    """The same of sheets of 32x32 tiles, whose labels for all rows are `train` and `test` of labels.npz."""
    sheets = {"train": find_sheets(folder, "train"), "test": find_sheets(folder, "test")}
    found: list[np.ndarray] = []
    for name, of_part in sheets.items():
        if not of_part:
            raise InputError(f"{folder}: {name}_*.webp is missing beside the other files")
        if of_part[0].first != 0:
            raise InputError(
                f"{of_part[0].path}: begins with image {of_part[0].first}; the first must be image 0"
            )
        count = sum(sheet.images for sheet in of_part)
        found += [_kept(options, of_part, count), _labels(folder / "labels.npz", name, count)]
    return found


def _kept(options: Cifar10, sheets: list[Sheet], count: int) -> np.ndarray:
    # One entry whichever class is asked for.
    entry = key(options.model_copy(update={"only": None}), [sheet.path for sheet in sheets])
    images = selected(lambda: read_sheets(sheets, 32), range(count), (3, 32, 32))
    return kept(entry, {"images": images})["images"]


def _labels(path: Path, name: str, count: int) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            labels = archive[name]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path}: cannot be read: its array {name!r} must hold the labels: {reason}"
        ) from None
    if labels.ndim != 1 or len(labels) < count or not np.isin(labels, range(10)).all():
        raise InputError(
            f"{path}: {name!r} must hold the labels, 0 to 9, of at least {count} images in order"
        )
    return labels[:count].astype(np.int64)
